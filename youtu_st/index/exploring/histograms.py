"""How many values lie where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BINS = 30
_FAR = 1.5
"""Where the range is that many times that of 99 values of a hundred, the others share the last bar."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bars of equal width.

    Attributes:
        low: Where the first begins.
        high: Where the last ends, but for values that lie further out.
        counts: Of each bar.
        beyond: How many values of the last bar are larger than ``high``.
    """

    low: float
    high: float
    counts: list[int]
    beyond: int


def histogram(values: npt.ArrayLike, bins: int = BINS, *, whole: bool = False) -> Histogram:
    """Count values, few of them far out or none.

    Args:
        values: At least one, finite.
        bins: How many bars at most.
        whole: They are whole numbers, and so are the borders of bars.
    """
    found: npt.NDArray[np.floating[Any]] = np.asarray(values, dtype=np.float64)
    low, top = float(found.min()), float(found.max())
    most = float(np.quantile(found, 0.99))
    high = most if top - low > _FAR * (most - low) > 0 else top
    if whole:
        width = max(1, int(np.ceil((high - low + 1) / bins)))
        bins = int((high - low) // width) + 1
        high = low + bins * width
    elif high == low:
        bins, high = 1, low
    counts = np.histogram(np.minimum(found, high), bins, (low, high if high > low else low + 1))[0]
    return Histogram(low, high, counts.tolist(), int((found > high).sum()))
