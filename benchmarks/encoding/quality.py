"""Retrieval quality of a contestant: nDCG@10 on SciFact."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence

import numpy as np

from encoding.contestants import CONTESTANTS
from encoding.players import quiet
from encoding.texts import DATA
from encoding.workloads import Workload


def ndcg(grades: Mapping[str, int], found: Sequence[str], k: int = 10) -> float:
    """Normalised discounted cumulative gain of one query, with linear gains as BEIR and trec_eval have it.

    Args:
        grades: Relevance of each document that has any.
        found: Documents, best first.
        k: How many of them count.
    """
    gain = sum(grades.get(name, 0) / math.log2(rank + 2) for rank, name in enumerate(found[:k]))
    best = sorted(grades.values(), reverse=True)[:k]
    return gain / sum(grade / math.log2(rank + 2) for rank, grade in enumerate(best))


def scifact(name: str, workload: Workload) -> float:
    """A contestant's mean nDCG@10 over the 300 test queries, from the whole corpus."""
    folder = DATA / "scifact"
    quiet()
    corpus = [json.loads(line) for line in (folder / "corpus.jsonl").open(encoding="utf-8")]
    asked = {
        row["_id"]: row["text"] for row in map(json.loads, (folder / "queries.jsonl").open("r", -1, "utf-8"))
    }
    relevant: dict[str, dict[str, int]] = {}
    with (folder / "qrels" / "test.tsv").open(encoding="utf-8") as file:
        for query, document, grade in list(csv.reader(file, delimiter="\t"))[1:]:
            relevant.setdefault(query, {})[document] = int(grade)
    built = CONTESTANTS[name](workload)
    documents = unit(built.documents([f"{row['title']} {row['text']}".strip() for row in corpus]))
    queries = unit([built.query(asked[query]) for query in relevant])
    best = np.argsort(-(queries @ documents.T), axis=1)[:, :10]
    ranked = [[corpus[i]["_id"] for i in row] for row in best]
    scores = [ndcg(grades, found) for grades, found in zip(relevant.values(), ranked, strict=True)]
    return sum(scores) / len(scores)


def unit(rows: object) -> np.ndarray:
    vectors = np.array(rows, dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors
