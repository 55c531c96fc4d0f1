"""BM25: how well the words of documents fit those of a question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

K1, B = 1.2, 0.75
_LEAST = 1e-6

Positions = npt.NDArray[np.int64]


class Postings(NamedTuple):
    """Where a word stands.

    Attributes:
        positions: Of the documents that hold it, each once.
        counts: How often each of them does.
    """

    positions: Positions
    counts: npt.NDArray[np.float64]


def bm25(
    words: Sequence[Postings], lengths: npt.NDArray[np.float64], living: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """The score of every document for a question; 0 for those that hold none of its words.

    The formula of SQLite's FTS5 (https://www.sqlite.org/fts5.html#the_bm25_function), which is that of
    Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, with k1 = 1.2 and
    b = 0.75. A word that more than half of the documents hold counts next to nothing.

    Args:
        words: Of each word of the question where it stands; of dead documents too.
        lengths: The number of words of each document, shape ``(n,)``.
        living: Which documents there are, shape ``(n,)``; the others count nowhere.
    """
    scores = np.zeros(len(lengths))
    documents = int(np.count_nonzero(living))
    if not documents:
        return scores
    mean = float(lengths[living].mean()) or 1.0
    for positions, counts in words:
        alive = living[positions]
        if not alive.all():
            positions, counts = positions[alive], counts[alive]
        holding = len(positions)
        if not holding:
            continue
        idf = max(math.log((documents - holding + 0.5) / (holding + 0.5)), _LEAST)
        norm = K1 * (1 - B + B * lengths[positions] / mean)
        scores[positions] += idf * counts * (K1 + 1) / (counts + norm)
    return scores


def best(scores: npt.NDArray[np.float64], k: int) -> Positions:
    """The positions of the ``k`` greatest scores above 0, best first, equal ones by position."""
    found = np.flatnonzero(scores)
    if len(found) > k:
        least = np.partition(scores[found], len(found) - k)[len(found) - k]
        found = found[scores[found] >= least]
    return found[np.lexsort((found, -scores[found]))][:k]
