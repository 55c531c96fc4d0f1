"""Whether what has arrived is what was sent: counts, rows, and what searches find."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from youtu_st.protocol import Vectors
from youtu_st.scale.copying.rows import Rows, values_of
from youtu_st.scale.copying.stores import Destination, Source

COMPARED = 200
QUERIES = 100
BEST = 10
LEAST_OVERLAP = 0.95
MOST_DIFFERENCE = 1e-6
"""Of one number of a vector. Stores of float32 have none."""

_EQUAL = 1e-6  # scores that a store's arithmetic may put in either order


@dataclass(frozen=True, slots=True)
class Proof:
    """What was compared when all rows were there.

    Attributes:
        source: Rows of the source.
        destination: Rows of the destination.
        compared: Rows that were compared.
        different: Those of them whose id, text or metadata are not what they were.
        difference: The largest difference between two numbers of their vectors.
        queries: Searches that were compared.
        overlap: Share of the exact best ten that they found.
        written: Rows that this copy has written; the others were there.
    """

    source: int
    destination: int
    compared: int
    different: int
    difference: float
    queries: int
    overlap: float
    written: int

    @property
    def holds(self) -> bool:
        """Whether all of it is as it must be."""
        return (
            self.source == self.destination
            and not self.different
            and self.difference <= MOST_DIFFERENCE
            and self.overlap >= LEAST_OVERLAP
        )


class Oracle:
    """The exact best of all rows for some queries, from rows that come by in blocks.

    Args:
        queries: Unit rows, shape ``(n, dimension)``.
        k: How many are the best.
    """

    def __init__(self, queries: Vectors, k: int = BEST) -> None:
        self.queries = queries
        self._k = k
        self._scores: list[npt.NDArray[np.float32]] = [np.empty(0, dtype=np.float32) for _ in queries]
        self._ids: list[list[str]] = [[] for _ in queries]
        self._least = np.full((len(queries), 1), -np.inf, dtype=np.float32)

    def see(self, rows: Rows) -> None:
        """Take rows into account."""
        scores = self.queries @ rows.vectors.T
        better = scores > self._least
        for place in np.flatnonzero(better.any(axis=1)):
            (columns,) = np.nonzero(better[place])
            merged = np.concatenate([self._scores[place], scores[place, columns]])
            best = np.argsort(-merged, kind="stable")[: self._k]
            names = [*self._ids[place], *(rows.ids[column] for column in columns)]
            self._scores[place] = merged[best]
            self._ids[place] = [names[one] for one in best]
            if len(best) == self._k:
                self._least[place] = merged[best[-1]]

    def overlap(self, found: list[list[str]], source: Source) -> float:
        """Share of the best that searches have found.

        A hit that is as good as the last of the best counts as one of them: of equal rows, any will do.

        Args:
            found: For each query the ids that a search gave.
            source: Where the vectors of ids are looked up that are not among the best.
        """
        total = sum(map(len, self._ids))
        others = {id for hits, best in zip(found, self._ids, strict=True) for id in hits if id not in best}
        rows = source.rows_of(sorted(others))
        vectors = dict(zip(rows.ids, rows.vectors, strict=True))
        good = 0
        for query, hits, best, scores in zip(self.queries, found, self._ids, self._scores, strict=True):
            for id in dict.fromkeys(hits[: len(best)]):
                as_good = id in vectors and float(vectors[id] @ query) >= float(scores[-1]) - _EQUAL
                good += id in best or as_good
        return good / total if total else 1.0


def queries_between(vectors: Vectors) -> Vectors:
    """Unit vectors halfway between pairs of others, so that no query is a row that finds itself.

    Args:
        vectors: Unit rows, shape ``(n, dimension)``; the first is paired with the last.

    Returns:
        At most ``n / 2`` rows; a single vector is its own.
    """
    if len(vectors) == 1:
        return vectors
    half = len(vectors) // 2
    sums = vectors[:half] + vectors[-half:]
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    usable = lengths[:, 0] > 1e-3  # two opposite ones have no middle
    made: Vectors = (sums[usable] / lengths[usable]).astype(np.float32)
    return made


def differences(sent: Rows, arrived: Rows) -> tuple[int, float]:
    """How many rows are not what they were, but for the vectors; and the largest difference of these."""
    if sent.ids != arrived.ids:
        common = set(sent.ids) & set(arrived.ids)
        missing = len(sent) - len(common)
        kept = [id for id in sent.ids if id in common]
        different, difference = differences(sent.in_order(kept), arrived.in_order(kept))
        return different + missing, difference
    different = 0
    columns = zip(sent.texts, arrived.texts, sent.metadata, arrived.metadata, strict=True)
    for text, other_text, metadata, other in columns:
        different += text != other_text or not same_values(values_of(metadata), values_of(other))
    gap = np.abs(sent.vectors - arrived.vectors).max(initial=0.0)
    return different, float(gap)


def same_values(one: object, other: object) -> bool:
    """Whether two values of JSON are equal, and of one type: 1 is neither True nor 1.0."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_values(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_values, one, other))
    return type(one) is type(other) and one == other


def prove(
    source: Source, destination: Destination, oracle: Oracle, sent: Rows, rows: int, written: int
) -> Proof:
    """Compare a destination with its source.

    Args:
        source: The source.
        destination: The destination, ready for searches.
        oracle: Has seen all rows.
        sent: Some rows of the source.
        rows: How many the source has.
        written: How many were written.
    """
    different, difference = differences(sent, destination.rows_of(sent.ids))
    found = destination.search(oracle.queries, BEST)
    return Proof(
        source=rows,
        destination=destination.count(),
        compared=len(sent),
        different=different,
        difference=difference,
        queries=len(oracle.queries),
        overlap=oracle.overlap(found, source),
        written=written,
    )
