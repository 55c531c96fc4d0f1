"""Search by words, and by both, on real data sets: the figures of docs/search.md, and its benchmark on a small scale."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))  # behind tests/, which has names of its own

from finding import quality, speed, words  # noqa: E402
from finding.data import DATA, SETS  # noqa: E402

import youtu_st  # noqa: E402
from youtu_st.index import VectorIndex  # noqa: E402

real = pytest.mark.skipif(not DATA.is_dir(), reason="the public data sets are not part of this repository")


@pytest.mark.slow
@real
@pytest.mark.parametrize(
    ("name", "expected"),
    [("SciFact", 0.6874), ("XQuAD en", 0.9663), ("XQuAD zh", 0.9647), ("CMRC 2018", 0.9817)],
)
def test_words_alone(tmp_path: Path, name: str, expected: float) -> None:
    pytest.importorskip("ir_measures")
    data = SETS[name]()
    encoder: Any = speed.GivenVectors()
    with VectorIndex.create(tmp_path / "index", encoder) as index:
        texts = [document.content for document in data.corpus.values()]
        index.add(texts, list(data.corpus), vectors=speed.vectors(len(texts), 0))
        asked = speed.vectors(len(data.queries), 1)
        found = quality.values(index, data, asked, {"mode": "lexical"})
    assert found.mean() == pytest.approx(expected, abs=0.0005)


@real
@pytest.mark.slow
def test_meaning_and_words_are_more_than_either(tmp_path: Path) -> None:
    """XQuAD en with MiniLM; whole data sets take minutes, see benchmarks/search.py."""
    pytest.importorskip("ir_measures")
    data, encoder = SETS["XQuAD en"](), youtu_st.Encoder.shared("minilm")
    queries = encoder.encode_query(list(data.queries.values()))
    with VectorIndex.create(tmp_path / "index", encoder) as index:
        index.add([document.content for document in data.corpus.values()], list(data.corpus))
        found = {
            way: quality.values(index, data, queries, options).mean() for way, options in quality.WAYS.items()
        }
    assert found["dense"] == pytest.approx(0.9436, abs=0.001)
    assert found["hybrid"] == pytest.approx(0.9699, abs=0.001)
    assert found["hybrid, weighted sum"] == pytest.approx(0.9754, abs=0.001)


@pytest.mark.slow
@real
def test_the_benchmark_from_end_to_end() -> None:
    pytest.importorskip("ir_measures")
    lines = speed.report(300, 3).splitlines()
    assert re.match(r"add 300 documents: [\d.]+ s without words, [\d.]+ s with \([\d.]+\); ", lines[0])
    assert [line.split()[0] for line in lines[1:]] == ["dense", "lexical", "hybrid"] * 2 + ["dense"]
    first, second = words.table(["XQuAD zh"]).splitlines()
    assert first.split()[2:4] == ["trigrams", "pairs"]
    assert second.split()[2].startswith("0.88")
