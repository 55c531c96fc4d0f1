"""Measures of rankings, per query, by ir-measures over trec_eval's own code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from youtu_st.errors import require
from youtu_st.evaluation.data.retrieval import RetrievalData
from youtu_st.evaluation.retrieval.results import Results
from youtu_st.evaluation.retrieval.searching import DEPTH

Values = npt.NDArray[np.float64]
"""A measure of each query, shape ``(n,)``, from 0 to 1, in the order of the judgements."""

MAIN = "nDCG@10"
"""The measure by which systems are compared."""
MEASURES = (MAIN, f"AP@{DEPTH}", "RR@10", "R@5", "R@10", "R@20", f"R@{DEPTH}")
"""Means of ``AP`` and ``RR`` over queries are called MAP and MRR, ``R`` is recall."""


def per_query(data: RetrievalData, results: Results, measures: Sequence[str] = MEASURES) -> dict[str, Values]:
    """The measures of all judged queries; 0 where nothing was found, or nothing is relevant.

    trec_eval orders documents of equal score by their ids, backwards. Here the order of the ranking counts,
    whatever the scores.

    Args:
        data: The data set.
        results: What was found.
        measures: Names as ir-measures has them.

    Raises:
        MissingDependencyError: If ir-measures is not installed.
    """
    library = require("ir_measures", "eval")
    numbers: dict[str, str] = {}

    def number(document: str) -> str:
        """What stands for an id: trec_eval's texts end at a character of code 0, as an index may have it."""
        return numbers.setdefault(document, str(len(numbers)))

    # pytrec_eval reads memory that is not its own for a grade below 0; trec_eval counts it as not relevant.
    qrels = {
        query: {number(document): max(0, grade) for document, grade in judged.items()}
        for query, judged in data.qrels.items()
    }
    run = {
        query: {number(document): float(len(ranking) - place) for place, (document, _) in enumerate(ranking)}
        for query, ranking in results.rankings.items()
        if ranking
    }
    parsed = {library.parse_measure(name): name for name in measures}
    places = {query: place for place, query in enumerate(data.qrels)}
    values = {name: np.zeros(len(places)) for name in measures}
    for found in library.iter_calc(list(parsed), qrels, run):
        values[parsed[found.measure]][places[found.query_id]] = found.value
    return values


def means(values: Mapping[str, Values]) -> dict[str, float]:
    """The mean of each measure over the queries."""
    return {name: float(each.mean()) for name, each in values.items()}
