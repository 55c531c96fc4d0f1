"""What a durable index costs over the libraries under it: against raw FAISS and a raw SQLite insert.

Both sides run in one process, in turns, on the same rows; the medians of five turns are compared. The raw
side of ``add`` is ``IndexFlatIP.add`` and the SQLite insert of the same rows into the same tables (WAL,
``synchronous=NORMAL``), without a journal, checks or a flush to disk. The raw side of ``search`` is
``IndexFlatIP.search``, which gives row numbers and no texts: one query a call, and for ``batch`` all in one.

    python benchmarks/index.py [--json PATH] [--count 100000] [--dimension 384]
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import faiss
import numpy as np

from youtu_st.index import VectorIndex

TURNS = 5
LIMITS = {"add": 2.0, "search": 1.3, "batch": 1.3}


class RandomEncoder:
    """Seeded random unit vectors; the benchmark times the index, not a network."""

    model_name = fingerprint = "random"
    identity: Mapping[str, str] = {"weights": "random"}
    runtime: Mapping[str, str] = {"backend": "numpy"}

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        return unit_rows(len(texts), self.dimension, seed=len(texts))

    def encode_query(self, texts: Sequence[str], *, instruction: object = None) -> np.ndarray:
        return self.encode_document(texts)


def unit_rows(count: int, dimension: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dimension), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def raw_add(path: Path, vectors: np.ndarray, rows: list[tuple[int, str, str, str]]) -> faiss.Index:
    """The least there is to do: the vectors in memory, the rows in a file."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(
        "CREATE TABLE documents (key INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, text TEXT NOT NULL, "
        "metadata TEXT NOT NULL)"
    )
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO documents VALUES (?, ?, ?, ?)", rows)
    connection.execute("COMMIT")
    connection.close()
    return index


def raw_batch(made: list[faiss.Index], queries: np.ndarray, k: int) -> None:
    made[0].search(queries, k)


def measure(count: int, dimension: int, searches: int, k: int) -> dict[str, list[float]]:
    vectors = unit_rows(count, dimension, seed=0)
    queries = unit_rows(searches, dimension, seed=1)
    texts = [f"Passage {i}: " + "words that a passage of two sentences may have. " * 4 for i in range(count)]
    ids = [f"passage-{i}" for i in range(count)]
    metadata = [{"lang": ("en", "zh")[i % 2], "page": i % 100} for i in range(count)]
    json_texts = [json.dumps(value, ensure_ascii=False) for value in metadata]
    rows = list(zip(range(1, count + 1), ids, texts, json_texts, strict=True))
    times: dict[str, list[float]] = {side + name: [] for name in LIMITS for side in ("raw_", "")}
    for turn in range(TURNS):
        with tempfile.TemporaryDirectory() as folder:
            index = VectorIndex.create(Path(folder, "index"), RandomEncoder(dimension))
            raw: list[faiss.Index] = []

            def add_raw(raw: list[faiss.Index] = raw, path: Path = Path(folder, "raw.sqlite")) -> None:
                raw.append(raw_add(path, vectors, rows))

            def add(index: VectorIndex = index) -> None:
                index.add(texts, ids, metadata, vectors=vectors)

            both: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
                "batch": (partial(raw_batch, raw, queries, k), partial(index.search_many, queries, k=k)),
                "add": (add_raw, add),
            }
            for name in ("add", "batch"):
                order = [("raw_" + name, both[name][0]), (name, both[name][1])]
                for side, action in order if turn % 2 == 0 else order[::-1]:
                    os.sync()  # so that neither pays for what the other left to be written
                    times[side].append(seconds(action))
            sums = {"raw_search": 0.0, "search": 0.0}
            for query in queries:
                sums["raw_search"] += seconds(partial(raw[0].search, query[None], k))
                sums["search"] += seconds(partial(index.search, query, k=k))
            for side, value in sums.items():
                times[side].append(value)
            index.close()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--searches", type=int, default=1_000)
    arguments = parser.parse_args()
    times = measure(arguments.count, arguments.dimension, arguments.searches, k=10)
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratios = {name: medians[name] / medians["raw_" + name] for name in LIMITS}
    print(f"{arguments.count} x {arguments.dimension}, {arguments.searches} searches")
    print(f"medians of {TURNS}   ours s    raw s   ratio   limit")
    for name, limit in LIMITS.items():
        print(
            f"{name:12} {medians[name]:8.3f} {medians['raw_' + name]:8.3f} {ratios[name]:7.2f} {limit:7.1f}"
        )
    if arguments.json:
        settings = {name: getattr(arguments, name) for name in ("count", "dimension", "searches")}
        figures = {**settings, "ratios": ratios, "limits": LIMITS, "medians": medians, "seconds": times}
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
