"""When a factory that learns is trained, and on what: a sample of all that is there, equal vectors once.

One that keeps whole vectors is trained as soon as enough different ones are there, and again each time there
are twice as many, or half as many more when the writer closes the index: its vectors move to new lists. One
that keeps less cannot be trained a second time, for what it would learn from is gone. So it waits for all it
can get: until the writer closes the index, or whole vectors take a gibibyte.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.index.nearest import factory as recipes

_MOST = 256
"""Points for each centroid beyond which FAISS takes a sample itself, where it does."""
_SAMPLE = 65_536  # what learns no centroids, but ranges or directions, has no need of more
_GROWTH, _GROWTH_AT_END = 2.0, 1.5
WAITING_BYTES = 1 << 30
"""Whole vectors that one that keeps less waits for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides when a factory is trained.

    Attributes:
        enough: Different vectors from which clusters are good; 0 for a factory that learns nothing.
        whole: Whether it keeps whole vectors.
        dimension: Numbers of a vector.
    """

    enough: int
    whole: bool
    dimension: int

    @classmethod
    def of(cls, new: Any) -> Plan:
        """The plan for a factory, from the index it makes."""
        enough = 0 if new.is_trained else recipes.training_minimum(new, recipes.COMFORTABLE)
        return cls(enough, recipes.keeps_whole_vectors(new), int(new.d))

    def needed(self, last: int, *, trained: bool, ending: bool) -> int | None:
        """How many different vectors there must be for the next training; None: there is no next one.

        Args:
            last: How many different ones the last training had; 0 where nobody knows.
            trained: Whether there was one.
            ending: Nothing more is added for now.
        """
        if not self.enough or (trained and not self.whole):
            return None
        if trained:
            growth = _GROWTH_AT_END if ending else _GROWTH
            return math.ceil(growth * (last or self.enough))
        if self.whole or ending:
            return self.enough
        return max(self.enough, WAITING_BYTES // (4 * self.dimension))


def sample(positions: npt.NDArray[np.int64], new: Any) -> npt.NDArray[np.int64]:
    """As many of some positions as training has a use for, the same each time."""
    most = max(_SAMPLE, _MOST * recipes.training_minimum(new))
    if len(positions) <= most:
        return positions
    drawn: npt.NDArray[np.int64] = np.random.default_rng(0).choice(positions, most, replace=False)
    return np.sort(drawn)
