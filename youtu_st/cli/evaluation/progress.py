"""A line for each task of a run, with the time that is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from youtu_st.cli.console import say

if TYPE_CHECKING:
    from youtu_st.evaluation.benchmark.plan import PlannedTask
    from youtu_st.evaluation.benchmark.running import Outcome


class Progress:
    """A line for each task, with the time that is left.

    Args:
        planned: All tasks of the run.
    """

    def __init__(self, planned: Sequence[PlannedTask]) -> None:
        self._planned = {each.task: each for each in planned}
        self._waiting = {each.task: each.characters or 0 for each in planned}
        self._seconds = self._characters = 0.0

    def begin(self, task: str) -> None:
        """Say which task begins."""
        each = self._planned[task]
        number = len(self._planned) - len(self._waiting) + 1
        size = f", {each.characters:,} characters" if each.characters else ""
        say("eval", f"{task} ({number} of {len(self._planned)}{size}) ...{self._left()}")

    def done(self, outcome: Outcome) -> None:
        """Say how it ended."""
        characters = self._waiting.pop(outcome.task, 0)
        if outcome.error is not None:
            say("eval", f"{outcome.task} failed: {outcome.error}")
            return
        if outcome.counts is None:
            say("eval", f"{outcome.task}: {outcome.score:.4f}, was there already")
            return
        self._seconds += outcome.seconds
        self._characters += characters
        counts = outcome.counts
        notes = [f"{counts.encoded:,} of {counts.texts:,} texts encoded"]
        notes += [f"{counts.cut:,} cut"] if counts.cut else []
        notes += [f"{counts.blank:,} blank"] if counts.blank else []
        say("eval", f"{outcome.task}: {outcome.score:.4f}, {outcome.seconds:,.0f} s, {', '.join(notes)}")

    def _left(self) -> str:
        rest = sum(self._waiting.values())
        if not self._characters or not rest:
            return ""
        return f" about {duration(rest * self._seconds / self._characters)} left"


def duration(seconds: float) -> str:
    """A time for people: ``50 s``, ``12 min``, ``3.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
