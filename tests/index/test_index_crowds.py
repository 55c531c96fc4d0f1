"""Many equal vectors: they share a node of a graph, and hide nobody."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import faiss
import numpy as np
import pytest
from tiny import TinyEncoder

import youtu_st.index
from youtu_st.index import VectorIndex, check_index
from youtu_st.index.nearest.factory import build
from youtu_st.index.nearest.graph import Graph
from youtu_st.index.nearest.vectors import VectorTable

pytestmark = pytest.mark.usefixtures("one_faiss_thread")

OURS = str(Path(youtu_st.index.__file__).parent)
GRAPHS = [
    "HNSW32",
    "HNSW16_SQ8",
    "L2norm,HNSW8",
    "HNSW16,RFlat",
    "PCA16,HNSW16,RFlat",
    "HNSW8_SQ8,Refine(SQ8)",
]


def unit(count: int, dimension: int = 16, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


@pytest.mark.parametrize("factory", ["HNSW32", "IVF16,Flat", "PQ8", "SQ8"])
@pytest.mark.parametrize("together", [True, False])
def test_thirty_thousand_equal_texts_hide_nobody(
    tmp_path: Path, encoder: TinyEncoder, factory: str, together: bool
) -> None:
    """HNSW32 found none of them, PQ8 4: all its centroids were one and the same."""
    others, crowd = unit(100), np.repeat(unit(1, seed=1), 30_000, axis=0)
    texts, ids = [f"other {i}" for i in range(100)], [str(i) for i in range(100)]
    with VectorIndex.create(tmp_path / "index", encoder, factory) as index:
        if together:
            index.add(["same"] * 30_000 + texts, [*map("c{}".format, range(30_000)), *ids],
                      vectors=np.concatenate([crowd, others]))  # fmt: skip
        else:
            index.add(["same"] * 30_000, map("c{}".format, range(30_000)), vectors=crowd)
            index.add(texts, ids, vectors=others)
        assert [hits[0].id for hits in index.search_many(others, k=1)] == ids
    with VectorIndex.open(tmp_path / "index", encoder) as index:
        assert [hits[0].id for hits in index.search_many(others, k=1)] == ids
        # Of equal ones those that were added first; what is deleted leaves its place to the next.
        index.delete(["c0", "c2"])
        assert [hit.id for hit in index.search(crowd[0], k=3)] == ["c1", "c3", "c4"]
        assert len(index.search(crowd[0], k=29_000)) == 29_000
    assert not check_index(tmp_path / "index").damage


def copies(count: int = 600, different: int = 60) -> np.ndarray:
    """Rows of which many are equal: the first most often."""
    chance = np.random.default_rng(3)
    return unit(different)[(different * chance.random(count) ** 2).astype(int)]


@pytest.mark.parametrize("factory", GRAPHS)
@pytest.mark.parametrize("runs", [2, 2_000])
def test_equal_codes_share_a_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factory: str, runs: int
) -> None:
    """Whether they are linked run by run, or all at once and then put in order."""
    monkeypatch.setattr("youtu_st.index.nearest.graph._MANY_RUNS", runs)
    monkeypatch.setattr("youtu_st.index.nearest.vectors._EXACT_BELOW", 10)  # as if these were many
    rows, keys = copies(), np.arange(1, 601)
    table = VectorTable(factory, 16)
    table.add(keys[:200], rows[:200])
    if table.needs_training:
        table.train()
    for start in (200, 350):
        table.add(keys[start : start + 150], rows[start : start + 150])
    check(table, rows[:500])
    table.discard(keys[[0, 1, 2, 3, 70, 71, 300, 301]])
    check(table, rows[:500])
    table.write(tmp_path / "v.faiss")
    dead = table.dead_keys
    table = VectorTable(factory, 16)
    table.read(tmp_path / "v.faiss")
    table.discard(dead)
    check(table, rows[:500])
    table.add(keys[500:], rows[500:])  # and those that were read are known again
    check(table, rows)
    table.discard(keys[::3])
    table.compact()  # many are dead: built anew
    assert len(table) == table.alive_count == 600 - len(set(keys[::3]) | set(dead))
    check(table, rows)


def check(table: VectorTable, rows: np.ndarray) -> None:
    """Nodes by the bytes that are stored, and searches against all that is stored."""
    graph = table._graph
    assert graph is not None
    codes, seen = graph._codes(np.arange(len(table))), dict[bytes, int]()
    assert graph.first.tolist() == [seen.setdefault(code.tobytes(), i) for i, code in enumerate(codes)]
    assert graph.node_count == len(seen) < len(table) / 3
    assert not graph.crowded
    living = table.keys[table.alive]
    stored = table.reconstruct(living)
    np.testing.assert_allclose(stored, rows[living - 1], atol=0.15)
    queries = unit(5, seed=9)
    for allowed in (None, living[1::2]):
        matching = np.isin(living, living if allowed is None else allowed)
        for k in (1, 7, 200):
            for query, hits in zip(queries, table.search(queries, k, allowed), strict=True):
                scores = stored[matching] @ query
                expected = np.argsort(-scores, kind="stable")[: min(k, matching.sum())]
                assert [score for score, _ in hits] == pytest.approx(scores[expected].tolist(), abs=2e-5)
                found = [key for _, key in hits]
                assert len(set(found)) == len(found)
                assert set(found) <= set(living[matching].tolist())
                # Those of one node stand in the order in which they were added, and none is left out.
                by_node: dict[int, list[int]] = {}
                for key in found:
                    by_node.setdefault(int(graph.first[np.searchsorted(table.keys, key)]), []).append(key)
                places = graph.first[np.searchsorted(table.keys, living[matching])]
                for node, keys in by_node.items():
                    assert keys == living[matching][places == node][: len(keys)].tolist()


def test_rows_with_one_checksum_are_not_equal_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "youtu_st.index.nearest.graph.row_sums", lambda rows: np.zeros(len(rows), dtype=np.int64)
    )
    rows = unit(40)
    rows[20:30] = rows[0]  # the one that holds the checksum
    table = VectorTable("HNSW8", 16)
    table.add(np.arange(1, 26), rows[:25])
    table.add(np.arange(26, 41), rows[25:])
    assert table._graph is not None
    assert table._graph.first.tolist() == [*range(20), *[0] * 10, *range(30, 40)]
    assert [hits[0][1] for hits in table.search(rows[30:], 1)] == list(range(31, 41))


def test_a_crowded_graph_of_an_earlier_release_is_built_anew(tmp_path: Path) -> None:
    rows = np.concatenate([unit(50), np.repeat(unit(1, seed=5), 400, axis=0), unit(50, seed=6)])
    old = VectorTable("HNSW8", 16)
    old.index.add(rows)  # each linked, as it was
    old.keys = np.arange(1, 501)
    old.alive = np.ones(500, dtype=np.bool_)
    old.write(tmp_path / "v.faiss")
    table = VectorTable("HNSW8", 16)
    table.read(tmp_path / "v.faiss")
    assert table._graph is not None
    assert table._graph.crowded
    assert table._graph.node_count == 500
    assert len(table.search(rows[:1], 500)[0]) == 500
    table.add(np.array([501]), rows[60:61])  # one more of the crowd is one more of a node
    assert table._graph.node_count == 500
    assert table.search(rows[60:61], 3)[0][0][1] == 51
    table.compact()
    assert (table._graph.node_count, table._graph.crowded, len(table)) == (101, False, 501)
    assert [hits[0][1] for hits in table.search(rows, 1)] == [*range(1, 51), *[51] * 400, *range(451, 501)]


def test_a_graph_without_equal_vectors_is_the_one_that_faiss_makes() -> None:
    rows = unit(300)
    table = VectorTable("HNSW8", 16)
    table.add(np.arange(1, 201), rows[:200])
    table.add(np.arange(201, 301), rows[200:])
    plain = build("HNSW8", 16)
    plain.add(rows[:200])
    plain.add(rows[200:])
    for name in ("neighbors", "offsets", "levels"):
        np.testing.assert_array_equal(
            faiss.vector_to_array(getattr(table.index.hnsw, name)),
            faiss.vector_to_array(getattr(plain.hnsw, name)),
        )
    assert Graph.of(build("IVF4,Flat", 16)) is None


def test_plain_faiss_reads_what_is_shared(make: Callable[..., VectorIndex]) -> None:
    """The storage inside a graph holds every vector, whatever has links."""
    index = make("HNSW8")
    index.add(["same", "same", "other", "same"], ["a", "b", "c", "d"])
    index.close()
    (file,) = index.path.glob("vectors-*.faiss")
    labelled = faiss.read_index(str(file))
    graph = faiss.downcast_index(labelled.index)
    assert faiss.vector_to_array(labelled.id_map).tolist() == [1, 2, 3, 4]
    encoded = TinyEncoder().encode_document(["same", "same", "other", "same"])
    np.testing.assert_array_equal(faiss.downcast_index(graph.storage).reconstruct_n(0, 4), encoded)


def interrupts(work: Callable[[], Callable[[], object]], step: int) -> int:
    """Run ``work`` again and again, each time stopped at a later line of the index."""
    count = 0
    for line in range(1, 100_000, step):
        left = line

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal left
            if not frame.f_code.co_filename.startswith(OURS):
                return None
            left -= event == "line"
            if event == "line" and not left:
                raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        try:
            action = work()
            sys.settrace(trace)
            action()
        except KeyboardInterrupt:
            count += 1
        finally:
            sys.settrace(before)
        if left > 0:
            break
    return count


@pytest.mark.slow
@pytest.mark.parametrize("factory", ["HNSW8", "HNSW8,RFlat"])
def test_an_interrupt_while_a_crowd_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factory: str
) -> None:
    """All of it is there or nothing, and those that are equal are known as equal."""
    texts = ["same", "one", "same", "two", "same", "same", "one", "three"]
    encoder, made = TinyEncoder(), list[VectorIndex]()
    vectors = encoder.encode_document(texts)

    def start() -> Callable[[], object]:
        number = len(made)
        monkeypatch.setattr("youtu_st.index.nearest.graph._MANY_RUNS", (2, 2_000)[number % 2])
        made.append(VectorIndex.create(tmp_path / str(number), encoder, factory))
        made[-1].add(texts[:3], vectors=vectors[:3])
        return lambda: made[-1].add(texts, vectors=vectors)

    assert interrupts(start, 41) > 3
    sizes = set()
    for index in made:
        for again in (index, VectorIndex.open(index.path, encoder)):
            sizes.add(len(again))
            table = again._directory.table
            assert table._graph is not None
            assert table._graph.node_count == (2 if len(again) == 3 else 4)
            found = again.search(vectors[0], k=20)
            expected = ["same"] * (2 if len(again) == 3 else 6)
            assert [hit.text for hit in found][: len(expected)] == expected
            assert sorted(hit.id for hit in found) == sorted(again.ids())
            again.close()
    assert sizes == {3, 11}


@pytest.mark.slow
@pytest.mark.parametrize("factory", ["PQ4x2", "IVF4,PQ4x2"])
def test_an_interrupt_while_closing_trains(tmp_path: Path, factory: str) -> None:
    encoder, made = TinyEncoder(), list[VectorIndex]()
    rows = unit(160)

    def start() -> Callable[[], object]:
        made.append(VectorIndex.create(tmp_path / str(len(made)), encoder, factory))
        made[-1].add(["text"] * len(rows), vectors=rows)
        assert made[-1]._directory.table.needs_training
        return made[-1].close

    assert interrupts(start, 97) > 2
    for index in made:
        index.close()
        with VectorIndex.open(index.path, encoder) as again:
            assert len(again) == len(rows) == len(again.search(rows[0], k=len(rows)))
            again.delete(again.ids()[:1])  # the next writer trains it, if it is not
        with VectorIndex.open(index.path, encoder) as again:
            assert not again._directory.table.needs_training
            assert len(again) == len(rows) - 1
        assert not check_index(index.path).damage
