"""Which of two systems is better, by how much, and whether that could be chance."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from youtu_st.errors import InputError, brief
from youtu_st.evaluation.data.retrieval import RetrievalData
from youtu_st.evaluation.retrieval.measures import MAIN, Values, per_query
from youtu_st.evaluation.retrieval.results import Results
from youtu_st.evaluation.statistics import (
    ALPHA,
    Interval,
    holm,
    interval,
    permutation_test,
    smallest_difference,
)

Verdict = Literal["better", "worse", "no difference seen"]
MOST_MOVED = 10


@dataclass(frozen=True, slots=True)
class Judged:
    """One system on a data set.

    Attributes:
        results: What it found.
        values: Its measures, per query.
        without_results: Queries for which it found nothing.
    """

    results: Results
    values: Mapping[str, Values]
    without_results: Sequence[str]

    @classmethod
    def of(cls, data: RetrievalData, results: Results) -> Judged:
        """Judge results.

        Raises:
            InputError: If they are of other data, or nothing was found at all.
        """
        results.check(data)
        return cls(results, per_query(data, results), results.without_results(data))

    def summary(self) -> dict[str, tuple[float, Interval | None]]:
        """The mean of each measure, and its 95 % interval."""
        return {name: (float(each.mean()), interval(each)) for name, each in self.values.items()}


@dataclass(frozen=True, slots=True)
class Moved:
    """A query whose value differs: its id, its text, and both values."""

    query: str
    text: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A system beside the one that all are compared with.

    Attributes:
        measure: By what.
        difference: Of the means: above 0 where this one is better.
        interval: Of the difference, 95 %. None of a single query.
        p: Of the paired permutation test.
        adjusted: The same after Holm, over all that were compared.
        won: Queries of which its value is higher.
        lost: Queries of which its value is lower.
        verdict: In words, at the level of 5 %, after Holm.
        smallest: The smallest difference that these queries would show in four of five cases.
        moved: The queries that moved most.
    """

    measure: str
    difference: float
    interval: Interval | None
    p: float
    adjusted: float
    won: int
    lost: int
    verdict: Verdict
    smallest: float | None
    moved: Sequence[Moved]


def compare(
    data: RetrievalData, base: Judged, others: Sequence[Judged], measure: str = MAIN
) -> list[Comparison]:
    """Compare systems with one.

    Args:
        data: The data set.
        base: The one.
        others: The others.
        measure: By what.

    Raises:
        InputError: If they are over different queries.
    """
    for other in others:
        one, two = base.results, other.results
        check_queries(one.system, one.rankings, two.system, two.rankings)
    pairs = [(base.values[measure], other.values[measure]) for other in others]
    tests = [permutation_test(after - before) for before, after in pairs]
    return [
        _comparison(data, measure, before, after, p, adjusted)
        for (before, after), p, adjusted in zip(pairs, tests, holm(tests), strict=True)
    ]


def verdict(difference: float, p: float) -> Verdict:
    """What may be said of a difference."""
    if p >= ALPHA or not difference:
        return "no difference seen"
    return "better" if difference > 0 else "worse"


def _comparison(
    data: RetrievalData, measure: str, before: Values, after: Values, p: float, adjusted: float
) -> Comparison:
    differences = after - before
    difference = float(differences.mean())
    queries = list(data.qrels)
    order = sorted(np.flatnonzero(differences), key=lambda i: (-abs(differences[i]), queries[i]))
    return Comparison(
        measure=measure,
        difference=difference,
        interval=interval(differences),
        p=p,
        adjusted=adjusted,
        won=int((differences > 0).sum()),
        lost=int((differences < 0).sum()),
        verdict=verdict(difference, adjusted),
        smallest=smallest_difference(differences),
        moved=[
            Moved(queries[i], data.queries.get(queries[i], ""), float(before[i]), float(after[i]))
            for i in order[:MOST_MOVED]
        ],
    )


def check_queries(base: str, asked: Collection[str], other: str, others: Collection[str]) -> None:
    """Refuse two systems that were not asked the same: a query that one of them was not asked is no zero.

    Args:
        base: The name of one.
        asked: Its queries, those without results among them.
        other: The name of the other.
        others: Its queries.

    Raises:
        InputError: Naming what one of them lacks.
    """
    if lone := sorted({*asked} ^ {*others}):
        raise InputError(
            f"{base} and {other} are over different queries: {len(lone):,} are in one of them only, such as "
            f"{', '.join(map(brief, lone[:3]))}; search again with one of them"
        )
