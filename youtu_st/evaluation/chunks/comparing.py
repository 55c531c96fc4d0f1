"""Two settings side by side: is the difference more than chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from youtu_st.evaluation.chunks.chance import bca, holm, paired_p

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting less another one, over the same questions.

    Attributes:
        mean: Mean difference.
        low: Where its 95 % interval begins.
        high: Where it ends.
        p: Of the paired permutation test.
        adjusted: The same, as one of several tests (Holm).
    """

    mean: float
    low: float
    high: float
    p: float
    adjusted: float

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``no difference seen``, at a level of 5 % over all of the tests."""
        if self.adjusted > LEVEL:
            return "no difference seen"
        return "better" if self.mean > 0 else "worse"


def differences(others: Sequence[npt.ArrayLike], baseline: npt.ArrayLike) -> list[Difference]:
    """How others differ from a baseline.

    Args:
        others: Of each a value for every question.
        baseline: The baseline's values, in the same order.
    """
    apart = [np.asarray(other, dtype=np.float64) - np.asarray(baseline) for other in others]
    chance = [paired_p(other, baseline) for other in others]
    return [
        Difference(float(one.mean()), *bca(one), p, adjusted)
        for one, p, adjusted in zip(apart, chance, holm(chance), strict=True)
    ]
