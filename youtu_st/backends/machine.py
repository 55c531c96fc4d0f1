"""What this machine computes with, as far as it can be told without torch."""

from __future__ import annotations

import sys
from pathlib import Path

_CARDS = ("nvidia[0-9]*", "kfd", "dri/renderD*")
_HALF = {"avx512_bf16", "amx_bf16", "avx512_fp16", "amx_fp16", "bf16"}


def has_card() -> bool:
    """Whether there may be something faster than a processor; where it cannot be told, there may."""
    return sys.platform != "linux" or any(any(Path("/dev").glob(card)) for card in _CARDS)


def computes_halves() -> bool:
    """Whether the processor may have instructions for half precision; where it cannot be told, it may."""
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    lines = (line.partition(":")[2] for line in info.splitlines() if line.startswith(("flags", "Features")))
    return not _HALF.isdisjoint(next(lines, "").split())
