"""The line that says how far one is: what is done, how fast, and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from youtu_st.cli.console import Spinner, count

if TYPE_CHECKING:
    from youtu_st.corpus import Step

_SOON = 1.0
"""Seconds before which nobody knows how fast it is."""


class Progress:
    """Says of each step of a work over files how far it is.

    Args:
        spinner: Takes the line.
        what: What is being done.
        clock: Gives seconds.
    """

    def __init__(self, spinner: Spinner, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._spinner, self._what, self._clock = spinner, what, clock
        self._began = clock()

    def __call__(self, step: Step) -> None:
        """Take a step."""
        self._spinner.update(progress_line(self._what, step, self._clock() - self._began))


def progress_line(what: str, step: Step, seconds: float) -> str:
    """How far one is: ``reading: 3 of 10 files, 512 passages, 40 passages/s, 2 min left``."""
    passages = count(step.passages, "passage")
    if step.all_passages is not None:
        passages = f"{step.passages:,} of {count(step.all_passages, 'passage')}"
    parts = [f"{step.files:,} of {count(step.all_files, 'file')}", passages]
    if seconds >= _SOON and step.passages:
        speed = step.passages / seconds
        parts.append(f"{speed:,.0f} passages/s" if speed >= 10 else f"{speed:,.1f} passages/s")
    if seconds >= _SOON and 0 < step.share < 1:
        parts.append(f"{duration(seconds * (1 - step.share) / step.share)} left")
    return f"{what}: {', '.join(parts)}"


def duration(seconds: float) -> str:
    """A time as people say it: ``3 h 20 min``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 90:
        return f"{minutes} min"
    hours = round(minutes / 60)
    return f"{minutes // 60} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
