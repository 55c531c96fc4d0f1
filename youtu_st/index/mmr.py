"""Maximal marginal relevance: results that are near the query and not near each other."""

from __future__ import annotations

import numpy as np

from youtu_st.protocol import Vectors


def mmr(query: Vectors, candidates: Vectors, *, k: int, lambda_mult: float) -> list[int]:
    """Choose candidates that are relevant and unlike those chosen before them.

    The most relevant comes first, then always the one with the greatest value of::

        lambda_mult * cosine(query, c) - (1 - lambda_mult) * max(cosine(chosen, c) over all chosen so far)

    Of equal values, the earlier candidate's counts. From Carbonell and Goldstein, "The Use of MMR,
    Diversity-Based Reranking for Reordering Documents and Producing Summaries", SIGIR 1998,
    https://doi.org/10.1145/290941.291025.

    Args:
        query: Unit vector, shape ``(dimension,)``.
        candidates: Unit rows, shape ``(n, dimension)``.
        k: How many to choose; all of them if there are fewer.
        lambda_mult: From 0 (only diversity) to 1 (only relevance).

    Returns:
        Positions in ``candidates``, in the order they were chosen.
    """
    # einsum, not a matrix product, which may give equal rows products that differ in the last digit.
    relevance = np.einsum("ij,j->i", candidates, query, dtype=np.float64)
    redundancy = np.full(len(candidates), -np.inf)
    value = relevance
    chosen: list[int] = []
    while len(chosen) < min(k, len(candidates)):
        best = int(np.argmax(value))
        chosen.append(best)
        similar = np.einsum("ij,j->i", candidates, candidates[best], dtype=np.float64)
        np.maximum(redundancy, similar, out=redundancy)
        value = lambda_mult * relevance - (1 - lambda_mult) * redundancy
        value[chosen] = -np.inf
    return chosen
