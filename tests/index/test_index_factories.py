"""Every kind of FAISS index: trained when it can be, never returns what is deleted, the same after reopening."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from tiny import TinyEncoder

from youtu_st.errors import InputError, VectorIndexError
from youtu_st.index import VectorIndex

COUNT = 900
TEXTS = [f"text {i}" for i in range(COUNT)]
IDS = [str(i) for i in range(COUNT)]
NUMBERS = [{"n": i % 5} for i in range(COUNT)]

# The factory, and how far its scores may be from the cosines of the vectors that it keeps.
FACTORIES = {
    "Flat": 1e-6,
    "HNSW32": 1e-6,
    "IVF16,Flat": 1e-6,
    "IVF4,PQ8x4": 1e-5,
    "PCA12,IVF8,Flat": 1e-5,
    "PQ8x4": 1e-5,
    "SQ8": 1e-5,
    "SQfp16": 1e-5,
    "HNSW16_SQ8": 1e-5,
    "IVF4_HNSW8,SQ8": 1e-5,
    "OPQ4_8,IVF4,PQ4x4": 1e-5,
    "IVF4,PQ8x4fs": 0.03,  # fast scan rounds its tables
    "PQ8x4fs": 0.03,
    "IVF8,PQ4x4,RFlat": 1e-6,
    "PCAR8,SQ8": 1e-5,
    "RQ2x4": 1e-5,
    "L2norm,HNSW8": 1e-6,
}
EXACT = {"Flat", "HNSW32", "IVF16,Flat", "IVF8,PQ4x4,RFlat", "L2norm,HNSW8"}


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return TinyEncoder().encode_document(TEXTS)


@pytest.mark.parametrize("factory", FACTORIES)
def test_add_delete_search_reopen(tmp_path: Path, vectors: np.ndarray, factory: str) -> None:
    encoder, path = TinyEncoder(), tmp_path / "index"
    queries = encoder.encode_query(TEXTS[:8])
    index = VectorIndex.create(path, encoder, factory)
    index.add(TEXTS[:600], IDS[:600], NUMBERS[:600], vectors=vectors[:600])
    index.train()
    index.add(TEXTS[600:], IDS[600:], NUMBERS[600:], vectors=vectors[600:])
    alive = [i for i in range(COUNT) if i % 3]

    index.delete(IDS[::90])  # few: dead vectors are fetched and dropped
    check(index, queries, FACTORIES[factory], {i for i in range(COUNT) if i % 90})
    index.delete(IDS[::3])  # many: they are selected against
    check(index, queries, FACTORIES[factory], set(alive))
    before = index.search_many(queries, k=len(alive))
    index.close()  # and here they are dropped for good
    with VectorIndex.open(path, encoder) as index:
        check(index, queries, FACTORIES[factory], set(alive))
        for old, new in zip(before, index.search_many(queries, k=len(alive)), strict=True):
            # The same documents with the same scores; codes may tie, and a rounded rebuild may move a digit.
            assert {hit.id for hit in old} == {hit.id for hit in new} == {IDS[i] for i in alive}
            assert [hit.score for hit in new] == pytest.approx([hit.score for hit in old], abs=0.05)
        index.add([TEXTS[0]], [IDS[0]], [{"n": 0}])  # after compaction, positions and keys still agree
        check(index, queries, FACTORIES[factory], {*alive, 0})
        if factory in EXACT:
            assert index.search(TEXTS[0], k=1)[0].id == "0"


def check(index: VectorIndex, queries: np.ndarray, tolerance: float, alive: set[int]) -> None:
    """Only living documents, as many as were asked for, best first, scored by the vectors the index keeps."""
    assert len(index) == len(alive)
    stored = dict(zip(index.ids(), index.vectors(index.ids()), strict=True))
    for number in (None, 3):
        matching = {IDS[i] for i in alive if number is None or i % 5 == number}
        for k in (7, len(alive)):
            found = index.search_many(queries, k, None if number is None else {"n": number})
            for query, hits in zip(queries, found, strict=True):
                assert {hit.id for hit in hits} <= matching
                assert len({hit.id for hit in hits}) == min(k, len(matching))
                scores = [hit.score for hit in hits]
                assert scores == sorted(scores, reverse=True)
                assert scores == pytest.approx([float(stored[hit.id] @ query) for hit in hits], abs=tolerance)


@pytest.mark.parametrize("factory", sorted(EXACT))
def test_recall_and_cosines_where_whole_vectors_are_kept(
    make: Callable[..., VectorIndex], encoder: TinyEncoder, vectors: np.ndarray, factory: str
) -> None:
    index = make(factory)
    index.add(TEXTS, IDS, vectors=vectors)
    index.train()
    queries = encoder.encode_query(TEXTS[:100])
    cosines = queries @ vectors.T
    found = index.search_many(queries, k=10)
    recall = np.mean(
        [
            len({int(hit.id) for hit in hits} & set(np.argsort(-row)[:10].tolist())) / 10
            for row, hits in zip(cosines, found, strict=True)
        ]
    )
    assert recall == 1 if factory == "Flat" else recall > 0.6
    for row, hits in zip(cosines, found, strict=True):
        assert [hit.score for hit in hits] == pytest.approx([row[int(hit.id)] for hit in hits], abs=2e-6)


def test_a_restrictive_filter_loses_no_match(
    tmp_path: Path, encoder: TinyEncoder, vectors: np.ndarray
) -> None:
    for factory in ("HNSW8", "IVF64,Flat"):
        with VectorIndex.create(tmp_path / factory[:3], encoder, factory) as index:
            index.add(TEXTS, IDS, [{"rare": i in (5, 500, 899)} for i in range(COUNT)], vectors=vectors)
            index.train()
            cosines = vectors @ encoder.encode_query(["anything"])[0]
            expected = sorted((5, 500, 899), key=lambda i: -cosines[i])
            assert [int(hit.id) for hit in index.search("anything", 3, {"rare": True})] == expected


def test_wide_filters_search_the_structure_itself(
    make: Callable[..., VectorIndex],
    tmp_path: Path,
    vectors: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As if 400 matches were too many to be scored one by one: selectors reach through nested parameters.
    monkeypatch.setattr("youtu_st.index.vectors._EXACT_BELOW", 10)
    index = make("PCA16,IVF8,Flat")
    index.add(TEXTS, IDS, [{"n": i % 2} for i in range(COUNT)], vectors=vectors)
    assert kind_in(tmp_path / "index") is faiss.IndexPreTransform
    cosines = vectors @ vectors[:50].T
    for column, hits in enumerate(index.search_many(vectors[:50], 5, {"n": 1})):
        odd = [i for i in range(COUNT) if i % 2]
        assert [hit.score for hit in hits] == pytest.approx(
            [float(cosines[int(hit.id), column]) for hit in hits], abs=1e-5
        )
        assert {int(hit.id) for hit in hits} <= set(odd)
        assert len(hits) == 5


def test_training_waits_for_enough_vectors(tmp_path: Path, encoder: TinyEncoder, vectors: np.ndarray) -> None:
    """IVF8 asks for 39 * 8 = 312; until then the search is exact, afterwards ``nprobe`` matters."""
    path = tmp_path / "index"
    with VectorIndex.create(path, encoder, "IVF8,Flat") as index:
        index.add(TEXTS[:311], IDS[:311], vectors=vectors[:311])
    assert kind_in(path) is faiss.IndexFlatIP
    with VectorIndex.open(path, encoder, search_parameters="nprobe=1") as index:
        exact = np.argsort(-(vectors[:311] @ encoder.encode_query(["q"])[0]))[:20]
        assert [int(hit.id) for hit in index.search("q", k=20)] == exact.tolist()
        index.add(TEXTS[311:312], IDS[311:312], vectors=vectors[311:312])
        assert kind_in(path) is faiss.IndexIVFFlat  # written at once: training is not in the journal
        assert len(index.search("q", k=312)) == 312
    with VectorIndex.open(path, encoder) as index:
        index.add(TEXTS[312:], IDS[312:], vectors=vectors[312:])
        assert len(index.search("q", k=COUNT)) == COUNT


def kind_in(path: Path) -> type:
    (file,) = path.glob("vectors-*.faiss")
    labelled: Any = faiss.read_index(str(file))
    return type(faiss.downcast_index(labelled.index))


@pytest.mark.parametrize(
    ("factory", "least", "comfortable"),
    [
        ("IVF8,Flat", 8, 39 * 8),
        ("IVF1024,Flat", 1024, 39 * 1024),
        ("IVF4,PQ4", 256, 39 * 256),
        ("PQ4x4", 16, 39 * 16),
        ("PCA8,IVF64,Flat", 64, 39 * 64),
        ("HNSW8_SQ8", 1, 1000),
        ("IVF32_HNSW8,Flat", 32, 39 * 32),
        ("IVF4,PQ4x4,RFlat", 16, 39 * 16),
        ("RQ2x6", 64, 39 * 64),
        ("Flat", 0, 0),
    ],
)
def test_the_training_minimum_is_read_from_the_built_index(
    factory: str, least: int, comfortable: int
) -> None:
    from youtu_st.index.factory import COMFORTABLE, build, training_minimum

    index = build(factory, 16)
    assert (training_minimum(index), training_minimum(index, COMFORTABLE)) == (least, comfortable)


def test_train_says_how_many_it_needs(make: Callable[..., VectorIndex]) -> None:
    index = make("IVF64,Flat")
    index.add(TEXTS[:63], IDS[:63])
    with pytest.raises(VectorIndexError, match="'IVF64,Flat' needs at least 64 documents.*has 63"):
        index.train()
    assert index.search(TEXTS[7], k=1)[0].id == "7"
    index.add(TEXTS[63:64], IDS[63:64])
    index.train()
    index.train()  # nothing left to do
    assert index.search(TEXTS[63], k=1)[0].id == "63"


def test_search_parameters_reach_faiss(tmp_path: Path, encoder: TinyEncoder, vectors: np.ndarray) -> None:
    with VectorIndex.create(tmp_path / "index", encoder, "IVF16,Flat") as index:
        index.add(TEXTS, IDS, vectors=vectors)
    exact = np.argsort(-(encoder.encode_query(TEXTS[:100]) @ vectors.T), axis=1)[:, :10]

    def recall(parameters: str | None) -> float:
        with VectorIndex.open(tmp_path / "index", encoder, search_parameters=parameters) as index:
            found = index.search_many(TEXTS[:100], k=10)
        return float(
            np.mean(
                [len({int(h.id) for h in hits} & set(row)) for hits, row in zip(found, exact, strict=True)]
            )
        )

    assert recall("nprobe=1") < recall(None) < recall("nprobe=16") == 10


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("Bogus", "'Bogus' cannot be used.*could not parse.*; examples: \"Flat\""),
        ("", "'' cannot be used"),
        ("PQ3", "multiple of the number of subquantizers"),
        ("IDMap,Flat", "leave IDMap out"),
        ("LSH", "cannot build it"),
        ("NSG16,Flat", "takes all its vectors at once"),
        ("PCAW8,Flat", "whitening"),
        ("IVF0,Flat", "cannot be searched"),
        (None, "factory string such as"),
    ],
)
def test_a_factory_that_cannot_be_used(
    tmp_path: Path, encoder: TinyEncoder, factory: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        VectorIndex.create(tmp_path / "index", encoder, factory)
    assert not (tmp_path / "index").exists()
