"""Two rankings of the same documents made one: what was found by meaning, and what by words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Ranking = Sequence[tuple[float, int]]
"""Documents as (score, key), best first."""

RANK_CONSTANT = 60
DEPTH = 100
"""Documents of each ranking that are fused; more where more are asked for."""


def reciprocal_rank(dense: Ranking, lexical: Ranking, weight: float) -> dict[int, float]:
    """Reciprocal rank fusion: ``weight / (60 + rank) + (1 - weight) / (60 + rank)``, ranks from 1.

    A document that a ranking does not have gets nothing from it. From Cormack, Clarke and Buettcher,
    "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods", SIGIR 2009,
    https://doi.org/10.1145/1571941.1572114, which has no weights.

    Args:
        dense: What was found by meaning.
        lexical: What was found by words.
        weight: The share of meaning, from 0 to 1.

    Returns:
        The score of each document by its key.
    """
    scores: dict[int, float] = {}
    for ranking, share in ((dense, weight), (lexical, 1 - weight)):
        for rank, (_, key) in enumerate(ranking, start=1):
            scores[key] = scores.get(key, 0.0) + share / (RANK_CONSTANT + rank)
    return scores


def weighted_sum(dense: Ranking, lexical: Ranking, weight: float) -> dict[int, float]:
    """The weighted sum of both scores, each brought to 0 to 1 between its least and its greatest value.

    The least that a cosine can be is -1, and a BM25 score 0; the greatest is that of the ranking's first. A
    document that a ranking does not have gets nothing from it. From Bruch, Gai and Ingber, "An Analysis of
    Fusion Functions for Hybrid Retrieval", ACM TOIS 2023, https://doi.org/10.1145/3596512.

    Args:
        dense: What was found by meaning; scores are cosines.
        lexical: What was found by words; scores are BM25's.
        weight: The share of meaning, from 0 to 1.

    Returns:
        The score of each document by its key.
    """
    scores: dict[int, float] = {}
    for ranking, share, least in ((dense, weight, -1.0), (lexical, 1 - weight, 0.0)):
        span = (ranking[0][0] - least if ranking else 0.0) or 1.0
        for score, key in ranking:
            scores[key] = scores.get(key, 0.0) + share * (score - least) / span
    return scores


Fusion = Callable[[Ranking, Ranking, float], dict[int, float]]
FUSIONS: dict[str, Fusion] = {"rrf": reciprocal_rank, "weighted_sum": weighted_sum}
"""By the names that a search takes."""


def in_order(scores: dict[int, float], k: int) -> list[tuple[float, int]]:
    """The ``k`` best, those of equal score in the order of their keys, which is that of adding."""
    return sorted(
        ((score, key) for key, score in scores.items() if score > 0), key=lambda hit: (-hit[0], hit[1])
    )[:k]
