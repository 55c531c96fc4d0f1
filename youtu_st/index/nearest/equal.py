"""Which rows of a matrix are equal, found by their checksums."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.disk import checksums

Checksums = npt.NDArray[np.int64]


def row_sums(rows: npt.NDArray[Any]) -> Checksums:
    """The checksum of each row's bytes, shape ``(n,)``; equal rows have equal ones."""
    content, size = np.ascontiguousarray(rows).tobytes(), rows.itemsize * rows.shape[1]
    return np.array(
        checksums(content[start : start + size] for start in range(0, len(content), size)), dtype=np.int64
    )


def first_of_each(sums: Checksums) -> npt.NDArray[np.int64]:
    """Where each checksum stands for the first time, ascending."""
    _, places = np.unique(sums, return_index=True)
    return np.sort(places)
