"""The one progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from tqdm import tqdm

DELAY = 2.0
"""Seconds after which a bar shows: what is done by then needs none."""
Show: TypeAlias = "bool | Callable[[int], object]"
"""Whether to show a bar; a function is called in its place, with how many more are done."""


@contextmanager
def progressing(total: int | None, show: Show, unit: str = "text") -> Iterator[Callable[[int], object]]:
    """Gives what to call with how many more are done: of :func:`progress_bar`, or the caller's own.

    Args:
        total: How many there are, where it is known.
        show: Whether to show a bar, or who is told instead.
        unit: What is counted.
    """
    if callable(show):
        yield show
        return
    with progress_bar(total, show, unit) as bar:
        yield bar.update


def progress_bar(
    total: int | None, show: bool, unit: str = "text", *, done: int = 0, smoothing: float = 0.3
) -> tqdm[Any]:
    """A bar that shows after :data:`DELAY` seconds, if it is to be shown at all; ``update(n)`` moves it on.

    Args:
        total: How many there are, where it is known.
        show: Whether to show it.
        unit: What is counted.
        done: How many were done before; the speed is that of the others.
        smoothing: How much the last ones count for the speed, from 0, not more than others, to 1, alone.
    """
    return tqdm(total=total, unit=unit, delay=DELAY, disable=not show, initial=done, smoothing=smoothing)
