"""The one progress bar."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm


def progress_bar(
    total: int | None, show: bool, unit: str = "text", *, done: int = 0, smoothing: float = 0.3
) -> tqdm[Any]:
    """A bar that shows after two seconds, if it is to be shown at all; ``update(n)`` moves it on.

    Args:
        total: How many there are, where it is known.
        show: Whether to show it.
        unit: What is counted.
        done: How many were done before; the speed is that of the others.
        smoothing: How much the last ones count for the speed, from 0, not more than others, to 1, alone.
    """
    return tqdm(total=total, unit=unit, delay=2, disable=not show, initial=done, smoothing=smoothing)
