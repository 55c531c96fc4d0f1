"""What a network is asked for: unit vectors of an encoder, or scores of a reranker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from youtu_st.protocol import Role, Scores, Vectors

Features = dict[str, Any]
"""A padded batch: by name, a matrix ``(texts, tokens)`` of whatever the network takes."""
Rows = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class VectorOutput:
    """What an encoder asks a network for: unit vectors.

    Attributes:
        role: ``query`` or ``document``, for models that route by it.
        shape: Of one row: the length to cut a vector to before it is scaled to unit length.
    """

    broken: ClassVar[str] = "a vector that is not finite or zero"

    role: Role
    shape: tuple[int]

    def sound(self, rows: Vectors) -> npt.NDArray[np.bool_]:
        """Those of unit length."""
        # False for NaN too; normalising leaves no other length than 0 and 1.
        return np.asarray(np.linalg.norm(rows, axis=1) > 0.5)


@dataclass(frozen=True, slots=True)
class ScoreOutput:
    """What a reranker asks a network for: one score for each pair."""

    broken: ClassVar[str] = "a score that is not finite"

    role: str = ""
    shape: tuple[int, ...] = ()

    def sound(self, rows: Scores) -> npt.NDArray[np.bool_]:
        """Those that are finite."""
        return np.isfinite(rows)


Output = VectorOutput | ScoreOutput
