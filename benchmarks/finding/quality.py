"""nDCG@10 of the three modes on whole data sets, with paired intervals against meaning alone."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from finding.data import SETS, encoder, vectors
from youtu_st.evaluation.data.retrieval import RetrievalData
from youtu_st.evaluation.retrieval.measures import MAIN, per_query
from youtu_st.evaluation.retrieval.results import Results
from youtu_st.evaluation.statistics import interval
from youtu_st.index import VectorIndex
from youtu_st.protocol import Vectors

Values = npt.NDArray[np.float64]
WAYS: dict[str, dict[str, Any]] = {
    "dense": {},
    "lexical": {"mode": "lexical"},
    "hybrid": {"mode": "hybrid"},
    "hybrid, weighted sum": {"mode": "hybrid", "fusion": "weighted_sum"},
}


def values(index: VectorIndex, data: RetrievalData, queries: Vectors, options: Mapping[str, Any]) -> Values:
    """nDCG@10 of each query."""
    words = None if not options else list(data.queries.values())
    found = index.search_many(queries, 10, words=words, **options)
    rankings = {
        query: [(hit.id, hit.score) for hit in hits] for query, hits in zip(data.queries, found, strict=True)
    }
    return per_query(data, Results("", data.digest, rankings), [MAIN])[MAIN]


def table(
    models: Sequence[str], sets: Sequence[str], cache: Path, e5: Path | None, weights: Sequence[float]
) -> str:
    """A line for each model and data set."""
    ways = WAYS | {f"weight {weight}": {"mode": "hybrid", "weight": weight} for weight in weights}
    lines = [f"{'nDCG@10':<24}" + "".join(f"{way:>26}" for way in ways)]
    for model in models:
        made = encoder(model, e5)
        for name in sets:
            data = SETS[name]()
            documents, queries = vectors(cache, made, data)
            with (
                tempfile.TemporaryDirectory() as folder,
                VectorIndex.create(Path(folder, "index"), made) as index,
            ):
                texts = [document.content for document in data.corpus.values()]
                index.add(texts, list(data.corpus), vectors=documents)
                found = {way: values(index, data, queries, options) for way, options in ways.items()}
            cells = [f"{found['dense'].mean():>26.4f}"]
            for way in list(ways)[1:]:
                ends = interval(found[way] - found["dense"])
                shown = f"{ends[0]:+.3f}..{ends[1]:+.3f}" if ends else ""
                cells.append(f"{f'{found[way].mean():.4f} ({shown})':>26}")
            lines.append(f"{f'{model}, {name}':<24}" + "".join(cells))
            print(lines[-1], flush=True)
    return "\n".join(lines)
