"""How vectors lie, without a label: copies, hubs, directions that are used, and whether length decides.

All measures take unit rows and look at cosines. A neighbour of a point is never the point itself, and points
that are equally near share a place among the nearest, so that no order of the rows decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.errors import InputError
from youtu_st.evaluation.sts import spearman
from youtu_st.inputs import check_count, unit_rows
from youtu_st.protocol import Vectors

Floats = npt.NDArray[np.float64]
Cosines = npt.NDArray[np.floating[Any]]

NEIGHBOURS = 10
SAME = 1e-6
"""Cosines closer than that are equal, and vectors whose cosine is that close to 1: float32 tells no more."""
NEAR = 0.05
"""A near copy lies within this share of the mean distance, 1 - cosine, of two points."""
CARRIED = 0.9
_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Who is near to whom.

    Attributes:
        occurrences: For each point, how many have it among their k nearest, shape ``(n,)``; the mean is k.
        duplicates: Whether an earlier point has the same vector, shape ``(n,)``.
        near: Whether a near copy of it, and no duplicate, is there, shape ``(n,)``.
        k: Neighbours that were looked at.
    """

    occurrences: Floats
    duplicates: npt.NDArray[np.bool_]
    near: npt.NDArray[np.bool_]
    k: int


@dataclass(frozen=True, slots=True)
class Geometry:
    """The measures of a set of points.

    Attributes:
        points: How many.
        dimension: Of their vectors.
        k: Neighbours that were looked at.
        duplicates: Points that have the vector of an earlier one.
        near: Points that have a near copy, and no duplicate.
        most: How many points have the most frequent neighbour among their k nearest.
        hub: The row of that neighbour.
        skewness: Of how often points are found: 0 where all are found alike, large where few are by many.
        mean_cosine: Of two points: 0 where all directions are used alike.
        carrying: Dimensions of the spectrum that carry 90 % of the variance.
        length_correlation: Spearman's, of a text's length and how often it is found; None where either is
            the same for all.
        occurrences: As in :class:`Neighbourhood`.
        spectrum: Shares of the variance, the largest first, shape ``(dimension,)``.
    """

    points: int
    dimension: int
    k: int
    duplicates: int
    near: int
    most: float
    hub: int
    skewness: float
    mean_cosine: float
    carrying: int
    length_correlation: float | None
    occurrences: Floats
    spectrum: Floats


def geometry(vectors: Vectors, lengths: Sequence[int], *, k: int = NEIGHBOURS) -> Geometry:
    """Measure a set of points.

    Args:
        vectors: Rows of any length but zero, shape ``(n, dimension)``.
        lengths: Of the texts, in any unit, shape ``(n,)``.
        k: Neighbours to look at; at most all others.

    Raises:
        InputError: If there are fewer than three points, or one has no direction.
    """
    count = len(vectors)
    if count < 3:
        raise InputError(f"neighbours are counted among at least 3 points, and there are {count}")
    k = min(check_count("k", k), count - 1)
    vectors = unit_rows(vectors, vectors.shape, "vectors")
    cosine = mean_cosine(vectors)
    around = neighbourhood(vectors, k, near=1 - NEAR * (1 - cosine))
    shares = spectrum(vectors)
    hub = int(around.occurrences.argmax())
    return Geometry(
        points=count,
        dimension=vectors.shape[1],
        k=k,
        duplicates=int(around.duplicates.sum()),
        near=int(around.near.sum()),
        most=float(around.occurrences[hub]),
        hub=hub,
        skewness=skewness(around.occurrences),
        mean_cosine=cosine,
        carrying=carrying(shares),
        length_correlation=_correlation(lengths, around.occurrences),
        occurrences=around.occurrences,
        spectrum=shares,
    )


def neighbourhood(vectors: Vectors, k: int, *, near: float) -> Neighbourhood:
    """Count who is among whose ``k`` nearest: exact, in blocks of rows.

    Source of k-occurrences: Radovanović and others, `Hubs in space
    <https://jmlr.org/papers/v11/radovanovic10a.html>`_.

    Args:
        vectors: Unit rows, shape ``(n, dimension)``.
        k: Neighbours of each, fewer than points.
        near: Cosine from which another point is a near copy.
    """
    occurrences = np.zeros(len(vectors))
    duplicates, close = (np.zeros(len(vectors), dtype=np.bool_) for _ in range(2))
    for start, cosines in _cosines(vectors):
        rows = np.arange(start, start + len(cosines))
        same = cosines >= 1 - SAME
        duplicates[rows] = (same & (np.arange(len(vectors)) < rows[:, None])).any(axis=1)
        close[rows] = ((cosines >= near) & ~same).any(axis=1) & ~same.any(axis=1)
        occurrences += _weights(cosines, k).sum(axis=0)
    return Neighbourhood(occurrences, duplicates, close, k)


def _cosines(vectors: Vectors) -> Iterator[tuple[int, Cosines]]:
    """Blocks of rows of all cosines, each with its first row; a point's own is -inf."""
    for start in range(0, len(vectors), _BLOCK):
        cosines: Cosines = vectors[start : start + _BLOCK] @ vectors.T
        rows = np.arange(len(cosines))
        cosines[rows, rows + start] = -np.inf
        yield start, cosines


def _weights(cosines: Cosines, k: int) -> Floats:
    """For each row, 1 for what is among the k nearest; the last places are shared by all that are as near."""
    last = np.partition(cosines, -k, axis=1)[:, -k, None]
    above, tied = cosines > last + SAME, np.abs(cosines - last) <= SAME
    left = k - above.sum(axis=1, keepdims=True)
    shared: Floats = above + tied * (left / tied.sum(axis=1, keepdims=True))
    return shared


def skewness(values: Floats) -> float:
    """The third standardised moment; 0 where all values are the same."""
    centred = values - values.mean()
    spread = float(np.sqrt(np.mean(centred**2)))
    return float(np.mean(centred**3)) / spread**3 if spread > SAME else 0.0


def mean_cosine(vectors: Vectors) -> float:
    """Of two different points, over all pairs."""
    total = vectors.sum(axis=0, dtype=np.float64)
    count = len(vectors)
    own = float(np.square(vectors, dtype=np.float64).sum())
    return (float(total @ total) - own) / (count * (count - 1))


def spectrum(vectors: Vectors) -> Floats:
    """Shares of the variance along the principal directions, the largest first; zeros where there is none."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    found = np.linalg.eigvalsh(centred.T @ centred)[::-1].clip(min=0)
    total = float(found.sum())
    return found / total if total > len(vectors) * SAME**2 else np.zeros_like(found)


def carrying(shares: Floats, share: float = CARRIED) -> int:
    """How many of the largest shares make up so much of the whole; 0 where there is no variance."""
    if not shares.any():
        return 0
    return int(np.searchsorted(np.cumsum(shares), share - 1e-9)) + 1


def _correlation(lengths: Sequence[int], occurrences: Floats) -> float | None:
    if len(set(lengths)) < 2 or np.ptp(occurrences) < SAME:
        return None
    return spearman(lengths, occurrences.round(6))  # what ties is a tie
