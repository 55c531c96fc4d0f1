"""When a factory that learns is trained, and on what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import pytest
from tiny import TinyEncoder

from youtu_st.errors import IndexDamagedError, VectorIndexError
from youtu_st.index import VectorIndex
from youtu_st.index.nearest.factory import build
from youtu_st.index.nearest.training import Plan, sample
from youtu_st.index.nearest.vectors import VectorTable

pytestmark = pytest.mark.usefixtures("one_faiss_thread")

Make = Callable[..., VectorIndex]


def unit(count: int, dimension: int = 16, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def near(center: int, count: int, seed: int = 0) -> np.ndarray:
    rows = np.eye(1, 16, center, dtype=np.float32) + 0.2 * unit(count, seed=seed)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)


def add(index: VectorIndex, rows: np.ndarray) -> list[str]:
    return index.add(["text"] * len(rows), vectors=rows)


def inside(index: VectorIndex) -> Any:
    (file,) = index.path.glob("vectors-*.faiss")
    labelled = faiss.read_index(str(file))
    labelled.own_fields = False
    return faiss.downcast_index(labelled.index)


@pytest.mark.slow
def test_equal_vectors_teach_nothing(make: Make) -> None:
    """30,000 equal texts gave PQ8 256 equal centroids, and 4 of 100 others were found."""
    index = make("PQ8")
    add(index, np.repeat(unit(1, seed=7), 30_000, axis=0))
    rows = unit(10_000)
    ids = add(index, rows)
    index.close()
    assert isinstance(inside(index), faiss.IndexPQ)
    with VectorIndex.open(index.path, TinyEncoder()) as index:
        found = [hits[0].id for hits in index.search_many(rows[:100], k=1)]
        assert found == ids[:100]
        assert index.manifest.trained == 10_001


def test_what_keeps_less_is_trained_on_all_that_was_added(make: Make) -> None:
    """SQ8 learned the range of the first thousand, and cut off what came later."""
    index = make("SQ8")
    first, later = near(0, 1_500), near(3, 1_500, seed=1)
    ids = add(index, first)
    assert isinstance(inside(index), faiss.IndexFlat)
    ids += add(index, later)
    np.testing.assert_array_equal(index.vectors(ids), np.concatenate([first, later]))
    index.close()
    assert isinstance(inside(index), faiss.IndexScalarQuantizer)
    with VectorIndex.open(index.path, TinyEncoder()) as index:
        np.testing.assert_allclose(index.vectors(ids), np.concatenate([first, later]), atol=0.01)
        add(index, unit(9_000))
    assert index.manifest.trained == 3_000  # once: what it would learn from is gone


def test_what_keeps_less_does_not_wait_for_ever(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("youtu_st.index.nearest.training.WAITING_BYTES", 2_000 * 64)
    index = make("SQ8")
    add(index, unit(1_999))
    assert isinstance(inside(index), faiss.IndexFlat)
    add(index, unit(1, seed=1))
    assert isinstance(inside(index), faiss.IndexScalarQuantizer)


def test_too_few_are_not_trained_on_at_the_end(make: Make) -> None:
    index = make("SQ8")
    add(index, np.concatenate([unit(999), np.repeat(unit(1, seed=1), 500, axis=0)[:0]]))
    add(index, np.repeat(unit(1), 500, axis=0))  # the first of them again
    index.close()
    assert isinstance(inside(index), faiss.IndexFlat)
    assert index.manifest.trained == 0


def test_lists_are_made_anew_when_there_are_twice_as_many(make: Make) -> None:
    index = make("IVF8,Flat")
    add(index, near(0, 312))
    assert index.manifest.trained == 312
    before = centroids(index)
    add(index, near(5, 311, seed=1))
    assert index.manifest.trained == 312
    np.testing.assert_array_equal(centroids(index), before)
    assert before[:, 5].max() < 0.3
    add(index, near(5, 1, seed=2))
    assert index.manifest.trained == 624
    assert centroids(index)[:, 5].max() > 0.8
    assert centroids(index)[:, 0].max() > 0.8
    rows = np.concatenate([near(0, 312), near(5, 311, seed=1), near(5, 1, seed=2)])
    np.testing.assert_array_equal(index.vectors(index.ids()), rows)
    index.close()
    with VectorIndex.open(index.path, TinyEncoder()) as index:
        assert index.manifest.trained == 624
        add(index, np.repeat(near(0, 1), 5_000, axis=0))  # equal ones are nothing more to learn from
        assert index.manifest.trained == 624


def centroids(index: VectorIndex) -> np.ndarray:
    file = inside(index)
    centers: np.ndarray = faiss.downcast_index(file.quantizer).reconstruct_n(0, file.nlist)
    return centers


def test_an_index_of_an_earlier_release_was_trained_on_the_first_that_were_enough() -> None:
    plan = Plan.of(build("IVF8,Flat", 16))
    assert plan == Plan(enough=312, whole=True, dimension=16)
    assert plan.needed(0, trained=True, ending=False) == 2 * 312
    assert plan.needed(501, trained=True, ending=False) == 1_002
    assert plan.needed(501, trained=True, ending=True) == 752
    assert plan.needed(0, trained=False, ending=False) == 312
    lossy = Plan.of(build("PQ8", 16))
    assert lossy.needed(0, trained=False, ending=True) == 39 * 256
    assert lossy.needed(0, trained=False, ending=False) == (1 << 30) // 64
    assert lossy.needed(0, trained=True, ending=True) is None
    assert Plan.of(build("HNSW8", 16)).needed(0, trained=False, ending=True) is None


def test_a_sample_is_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("youtu_st.index.nearest.training._SAMPLE", 1)
    positions = np.arange(0, 40_000, 2)
    drawn = sample(positions, build("IVF8,Flat", 16))
    assert len(drawn) == 256 * 8
    assert set(drawn.tolist()) <= set(positions.tolist())
    assert (np.diff(drawn) > 0).all()
    assert abs(drawn.mean() - positions.mean()) < 1_000  # from the first to the last
    np.testing.assert_array_equal(drawn, sample(positions, build("IVF8,Flat", 16)))
    few = positions[:100]
    np.testing.assert_array_equal(sample(few, build("IVF8,Flat", 16)), few)


def test_different_vectors_are_counted_among_the_living() -> None:
    table = VectorTable("IVF8,Flat", 16)
    rows = unit(300)
    table.add(np.arange(1, 601), np.concatenate([rows, rows]))
    assert table.has_distinct(300)
    assert not table.has_distinct(301)
    table.add(np.arange(601, 603), unit(2, seed=1))
    assert table.has_distinct(302)
    assert not table.has_distinct(303)
    table.discard(np.arange(1, 51))  # the others of the same are there
    assert table.has_distinct(302)
    table.discard(np.arange(301, 311))
    assert not table.has_distinct(302)
    assert table.has_distinct(292)


def test_training_by_hand_counts_different_vectors(make: Make) -> None:
    index = make("IVF64,Flat")
    add(index, np.repeat(unit(63), 3, axis=0))
    with pytest.raises(VectorIndexError, match="at least 64 documents.*has 189 with fewer than 64 different"):
        index.train()
    add(index, unit(1, seed=1))
    index.train()
    assert index.manifest.trained == 64


def test_a_manifest_that_says_another_thing_is_damaged(make: Make) -> None:
    import json

    index = make("IVF8,Flat")
    index.close()
    file = index.path / "manifest.json"
    content = json.loads(file.read_text())
    assert "trained" not in content
    file.write_text(json.dumps({**content, "trained": "many"}))
    with pytest.raises(IndexDamagedError, match="\"trained\" is 'many', not a number of vectors"):
        VectorIndex.open(index.path, TinyEncoder())
