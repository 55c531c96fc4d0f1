"""Two settings side by side: is the difference more than chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from youtu_st.evaluation.statistics import ALPHA, Interval, holm, interval, permutation_test


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting less another one, over the same questions.

    Attributes:
        mean: Mean difference.
        interval: Its 95 % interval; None of a single question.
        p: Of the paired permutation test.
        adjusted: The same, as one of several tests (Holm).
    """

    mean: float
    interval: Interval | None
    p: float
    adjusted: float

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``no difference seen``, at a level of 5 % over all of the tests."""
        if self.adjusted > ALPHA:
            return "no difference seen"
        return "better" if self.mean > 0 else "worse"


def differences(others: Sequence[npt.ArrayLike], baseline: npt.ArrayLike) -> list[Difference]:
    """How others differ from a baseline.

    Args:
        others: Of each a value for every question.
        baseline: The baseline's values, in the same order.
    """
    apart = [np.asarray(other, dtype=np.float64) - np.asarray(baseline) for other in others]
    chance = [permutation_test(one) for one in apart]
    return [
        Difference(float(one.mean()), interval(one), p, adjusted)
        for one, p, adjusted in zip(apart, chance, holm(chance), strict=True)
    ]
