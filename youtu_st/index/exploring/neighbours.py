"""Who is nearest to whom, exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.protocol import Vectors

_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest others of each point, the nearest first.

    Attributes:
        rows: Which they are, shape ``(n, k)``, int64.
        cosines: Of the point and each of them, shape ``(n, k)``, float32.
    """

    rows: npt.NDArray[np.int64]
    cosines: Vectors


def nearest(
    vectors: Vectors, k: int, *, report: Callable[[float], object] = lambda share: None
) -> Neighbours:
    """The ``k`` nearest of each row by cosine: all pairs are looked at, in blocks of rows.

    A row is not among its own; of others that are equally near, which come first is decided by their order.

    Args:
        vectors: Unit rows, shape ``(n, dimension)``.
        k: How many; all others where there are fewer.
        report: Is called with the share that is done.
    """
    count = len(vectors)
    k = max(min(k, count - 1), 0)
    rows = np.empty((count, k), dtype=np.int64)
    cosines = np.empty((count, k), dtype=np.float32)
    for start in range(0, count if k else 0, _BLOCK):
        block: npt.NDArray[np.floating[Any]] = vectors[start : start + _BLOCK] @ vectors.T
        mine = np.arange(len(block))
        block[mine, mine + start] = -np.inf
        found = np.argpartition(block, count - k, axis=1)[:, count - k :]
        values = np.take_along_axis(block, found, axis=1)
        order = np.lexsort((found, -values), axis=1)
        rows[start : start + len(block)] = np.take_along_axis(found, order, axis=1)
        cosines[start : start + len(block)] = np.take_along_axis(values, order, axis=1)
        report((start + len(block)) / count)
    return Neighbours(rows, np.clip(cosines, -1, 1))
