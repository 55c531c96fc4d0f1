"""The one progress bar."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm


def progress_bar(total: int | None, show: bool, unit: str = "text") -> tqdm[Any]:
    """A bar that shows after two seconds, if it is to be shown at all; ``update(n)`` moves it on.

    Args:
        total: How many there are, where it is known.
        show: Whether to show it.
        unit: What is counted.
    """
    return tqdm(total=total, unit=unit, delay=2, disable=not show)
