"""Which of two models is ahead on a benchmark, and whether its tasks can tell them apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from youtu_st.errors import InputError, brief
from youtu_st.evaluation.statistics import interval


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean over tasks of one model less that of another, from -1 to 1.

    Attributes:
        first: The one.
        second: The other.
        mean: Positive where the first is ahead.
        low: Lower end of the interval; None where there is one task, which tells nothing of others.
        high: Its upper end.
    """

    first: str
    second: str
    mean: float
    low: float | None
    high: float | None

    @property
    def told_apart(self) -> bool:
        """Whether the interval is clear of 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def difference(
    first: str, second: str, scores: Mapping[str, float], others: Mapping[str, float]
) -> Difference:
    """The paired difference of two means over the same tasks, with a bootstrap interval over tasks.

    95 %, of the tasks' differences: see :func:`youtu_st.evaluation.statistics.interval`.

    Args:
        first: Name of the one.
        second: Name of the other.
        scores: Of the one, by task.
        others: Of the other.

    Raises:
        InputError: If they are not of the same tasks.
    """
    if lone := sorted(scores.keys() ^ others.keys()):
        raise InputError(
            f"{first} and {second} can be compared on the same tasks only, and {len(lone)} are of one of "
            f"them, such as {brief(lone[0])}"
        )
    deltas = np.array([scores[task] - others[task] for task in sorted(scores)])
    mean = float(deltas.mean())
    low, high = interval(deltas) or (None, None)
    return Difference(first, second, mean, low, high)
