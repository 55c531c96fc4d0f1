"""Retrieval: do the documents that belong to a query stand at the top of its results?"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from math import log2


def ndcg(ranked: Sequence[Hashable], relevant: Collection[Hashable], *, k: int = 10) -> float:
    r"""Normalised discounted cumulative gain of one query's results, each relevant or not.

    .. math:: \mathrm{nDCG@k} = \sum_{i \le k,\; r_i \in R} \frac{1}{\log_2(i + 1)} \Big/
              \sum_{i \le \min(k, |R|)} \frac{1}{\log_2(i + 1)}

    Source: Järvelin and Kekäläinen, `Cumulated gain-based evaluation of IR techniques
    <https://doi.org/10.1145/582415.582418>`_, with gains of 0 and 1 and the discount of trec_eval.

    Args:
        ranked: What was found, the best first, none of it twice.
        relevant: What belongs to the query.
        k: How many results count.

    Returns:
        From 0 to 1; 0 where nothing belongs to the query.
    """
    wanted = {*relevant}
    gained = sum(1 / log2(i + 2) for i, found in enumerate(ranked[:k]) if found in wanted)
    ideal = sum(1 / log2(i + 2) for i in range(min(k, len(wanted))))
    return gained / ideal if wanted else 0.0
