"""What a command says, but for what is said on a busy machine only."""

from __future__ import annotations

PROGRESS = "youtu-st: progress: "
"""How a line begins that is there only where something took ten seconds."""


def settled(shown: str) -> str:
    """What was shown but for the lines that say how far one is."""
    return "".join(line for line in shown.splitlines(keepends=True) if not line.startswith(PROGRESS))
