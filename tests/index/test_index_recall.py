"""What an approximate index loses, against a brute force written here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny import TinyEncoder

from youtu_st.errors import IndexMismatchError, InputError
from youtu_st.index import Recall, VectorIndex, measure_recall

pytestmark = pytest.mark.usefixtures("one_faiss_thread")

TEXTS = [f"text {i}" for i in range(700)]
IDS = [str(i) for i in range(700)]


def build(path: Path, factory: str, texts: list[str] = TEXTS) -> np.ndarray:
    """What the index keeps of the vectors."""
    with VectorIndex.create(path, TinyEncoder(), factory) as index:
        index.add(texts, map(str, range(len(texts))))
        index.train()
        index.delete(["0", "5"])
        return index.vectors(index.ids())


def brute_force(path: Path, truth: np.ndarray, queries: np.ndarray, k: int) -> float:
    """Every document asked for; ``truth`` and ``queries`` are in the order of the ids."""
    shares = []
    with VectorIndex.open(path, TinyEncoder()) as index:
        ids = index.ids()
        for row, hits in enumerate(index.search_many(queries, k + 1)):
            scores = truth @ queries[row]
            scores[row] = -2
            best = np.sort(scores)[::-1][k - 1]
            found = [hit.id for hit in hits if hit.id != ids[row]][:k]
            shares.append(np.mean([scores[ids.index(id)] >= best - 1e-6 for id in found]))
    return float(np.mean(shares))


@pytest.mark.parametrize("factory", ["IVF32,Flat", "HNSW4", "IVF32,PQ4x4,RFlat"])
def test_what_keeps_whole_vectors_is_compared_with_them(tmp_path: Path, factory: str) -> None:
    stored = build(tmp_path / "index", factory)
    found = measure_recall(tmp_path / "index", 1000, k=5)
    assert found is not None
    assert (found.k, found.queries, found.compared) == (5, 698, "vectors")
    assert found.recall == pytest.approx(brute_force(tmp_path / "index", stored, stored, 5), abs=1e-6)
    assert 0.3 < found.recall < 1
    assert found.milliseconds > 0
    assert found.exact_milliseconds > 0
    # An encoder adds nothing to that.
    again = measure_recall(tmp_path / "index", 1000, k=5, encoder=TinyEncoder())
    assert again is not None
    assert (again.recall, again.compared) == (found.recall, "vectors")


@pytest.mark.parametrize("factory", ["PQ4x4", "IVF8,SQ4"])
def test_what_keeps_less_is_compared_with_what_it_keeps_or_with_the_texts(
    tmp_path: Path, factory: str
) -> None:
    stored = build(tmp_path / "index", factory)
    found = measure_recall(tmp_path / "index", 1000)
    assert found is not None
    assert found.compared == "stored vectors"
    queries = stored / np.linalg.norm(stored, axis=1, keepdims=True)
    assert found.recall == pytest.approx(brute_force(tmp_path / "index", stored, queries, 10), abs=1e-3)
    encoder = TinyEncoder()
    again = measure_recall(tmp_path / "index", 1000, encoder=encoder)
    truth = TinyEncoder().encode_document([text for i, text in enumerate(TEXTS) if i not in (0, 5)])
    assert again is not None
    assert again.compared == "texts encoded again"
    assert again.recall == pytest.approx(brute_force(tmp_path / "index", truth, truth, 10), abs=1e-6)
    assert again.recall < found.recall


def test_where_nothing_is_lost_nothing_is_said(tmp_path: Path) -> None:
    build(tmp_path / "flat", "Flat")
    assert measure_recall(tmp_path / "flat") is None
    VectorIndex.create(tmp_path / "untrained", TinyEncoder(), "IVF64,Flat").close()
    assert measure_recall(tmp_path / "untrained") is None
    with VectorIndex.create(tmp_path / "one", TinyEncoder(), "HNSW8") as index:
        index.add(["one"])
    assert measure_recall(tmp_path / "one") is None


def test_equal_documents_stand_for_each_other(tmp_path: Path) -> None:
    """Of 300 equal ones any ten are the right ten, and fewer others than ``k`` are all there are."""
    build(tmp_path / "index", "HNSW8", ["same"] * 300 + ["other", "third"])
    found = measure_recall(tmp_path / "index", 1000)
    assert found is not None
    assert (found.recall, found.queries) == (1, 300)
    with VectorIndex.create(tmp_path / "few", TinyEncoder(), "HNSW8") as index:
        index.add(["one", "two", "three"])
    found = measure_recall(tmp_path / "few")
    assert found is not None
    assert (found.k, found.recall) == (2, 1)


def test_a_sample_is_the_same_each_time(tmp_path: Path) -> None:
    build(tmp_path / "index", "IVF32,Flat")

    def recall(seed: int) -> tuple[float, int]:
        found = measure_recall(tmp_path / "index", 50, seed=seed)
        assert isinstance(found, Recall)
        return found.recall, found.queries

    assert recall(0) == recall(0)
    assert recall(0)[1] == 50
    assert len({recall(seed) for seed in range(5)}) > 1


def test_mistakes(tmp_path: Path, make: Callable[..., VectorIndex]) -> None:
    index = make("HNSW8")
    index.add(["one", "two"])
    with pytest.raises(InputError, match="most must be"):
        measure_recall(index.path, 0)
    with pytest.raises(InputError, match="k must be"):
        measure_recall(index.path, k=0)
    with pytest.raises(IndexMismatchError, match="another encoder"):
        measure_recall(index.path, encoder=TinyEncoder(name="other"))
