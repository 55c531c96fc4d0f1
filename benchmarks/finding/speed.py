"""Milliseconds of a search in 100,000 documents, and what words cost when documents are added."""

from __future__ import annotations

import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from finding.data import SETS
from youtu_st.index import VectorIndex
from youtu_st.protocol import Vectors

DIMENSION = 384
FIELDS = 20
"""Values of the metadata field that is filtered on: a twentieth of the documents match."""


class GivenVectors:
    """Stands where an encoder stands: speed of a search is asked for, and its vectors are handed in."""

    model_name, dimension, fingerprint = "random", DIMENSION, "random"
    identity: dict[str, str] = {"weights": "random"}
    runtime: dict[str, str] = {}

    def encode_query(self, texts: list[str], **options: Any) -> Vectors:
        return vectors(len(texts), 1)

    encode_document = encode_query


def vectors(count: int, seed: int) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((count, DIMENSION), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def passages(count: int) -> tuple[list[str], list[str]]:
    """So many passages of three sentences of SciFact and XQuAD, and SciFact's questions."""
    data = SETS["SciFact"]()
    sentences = [
        sentence
        for one in (data, SETS["XQuAD en"](), SETS["XQuAD zh"]())
        for document in one.corpus.values()
        for sentence in re.split(r"(?<=[.!?。]) *", document.content)
        if sentence.strip()
    ]
    rng = random.Random(0)
    return [" ".join(rng.sample(sentences, 3)) for _ in range(count)], list(data.queries.values())


def milliseconds(work: Callable[[int], object], times: int) -> float:
    """The median of so many calls, after five that are not counted."""
    taken = []
    for i in range(times + 5):
        began = time.perf_counter()
        work(i)
        taken.append((time.perf_counter() - began) * 1e3)
    return statistics.median(taken[5:])


def report(count: int, times: int) -> str:
    """All figures, a line each."""
    texts, questions = passages(count)
    rows, asked = vectors(count, 0), vectors(len(questions), 2)
    metadata = [{"lang": f"l{i % FIELDS}", "n": i} for i in range(count)]
    encoder: Any = GivenVectors()
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        size, took = {}, {}
        for turn in range(3):
            for lexical in (False, True):
                path = Path(folder, f"{lexical}-{turn}")
                began = time.perf_counter()
                with VectorIndex.create(path, encoder, lexical=lexical) as index:
                    for start in range(0, count, 1000):
                        part = slice(start, start + 1000)
                        index.add(texts[part], None, metadata[part], vectors=rows[part])
                took.setdefault(lexical, []).append(time.perf_counter() - began)
                size[lexical] = sum(file.stat().st_size for file in path.iterdir())
        add = {lexical: statistics.median(each) for lexical, each in took.items()}
        lines.append(
            f"add {count:,} documents: {add[False]:.1f} s without words, {add[True]:.1f} s with "
            f"({add[True] / add[False]:.2f}); {size[False] / 1e6:.0f} MB, {size[True] / 1e6:.0f} MB "
            f"({size[True] / size[False]:.2f})"
        )
        with VectorIndex.open(path, encoder) as index:
            for filtered in (False, True):
                for mode in ("dense", "lexical", "hybrid"):

                    def one(i: int, mode: Any = mode, filtered: bool = filtered) -> object:
                        filter = {"lang": f"l{i % FIELDS}"} if filtered else None
                        place = i % len(questions)
                        words = None if mode == "dense" else questions[place]
                        return index.search(asked[place], 10, filter, mode=mode, words=words)

                    lines.append(
                        f"{mode:<8} {'filtered' if filtered else '':<9} {milliseconds(one, times):8.1f} ms"
                    )
            read = []
            for i in range(5):  # each another field: none is asked for often

                def first(_: int, i: int = i) -> object:
                    return index.search(asked[0], 10, {f"other{i}": "x", "lang": "l1"})

                began = time.perf_counter()
                first(0)
                read.append((time.perf_counter() - began) * 1e3)
            lines.append(f"dense    a field that was not asked for before {statistics.median(read):8.1f} ms")
    return "\n".join(lines)
