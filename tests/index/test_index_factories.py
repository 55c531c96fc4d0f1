"""Every kind of FAISS index: trained when it can be, never returns what is deleted, the same after reopening."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from tiny import TinyEncoder

from youtu_st.errors import InputError, VectorIndexError
from youtu_st.index import VectorIndex
from youtu_st.index.nearest.factory import build, keeps_whole_vectors, tune
from youtu_st.index.nearest.vectors import VectorTable

pytestmark = pytest.mark.usefixtures("one_faiss_thread")

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


@pytest.mark.slow
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
    monkeypatch.setattr("youtu_st.index.nearest.vectors._EXACT_BELOW", 10)
    index = make("PCA16,IVF8,Flat")
    index.add(TEXTS, IDS, [{"n": i % 2} for i in range(COUNT)], vectors=vectors)
    index.train()
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
    from youtu_st.index.nearest.factory import COMFORTABLE, build, training_minimum

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
        ("IVF0,Flat", "its numbers must be 1 to 1048576"),
        (None, "factory string such as"),
        ("PCA8,IDMap,Flat", "leave IDMap out"),
        ("IVF4,FlatDedup", "'IwFd' cannot be checked"),
        ("IVF4,RQ4x4fs", "leave out fs"),
        ("RR1000000,Flat", "more than 8 times as long"),
    ],
)
def test_a_factory_that_cannot_be_used(
    tmp_path: Path, encoder: TinyEncoder, factory: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        VectorIndex.create(tmp_path / "index", encoder, factory)
    assert not (tmp_path / "index").exists()


HOSTILE = {
    "a long chain": "PCA8," * 20_000 + "Flat",
    "a long name": "F" * 100_000,
    "open parentheses": "(" * 100_000,
    "nested lists": "IVF4(" * 5_000 + "Flat" + ")" * 5_000 + ",Flat",
    "nested refinements": "Flat" + ",RFlat" * 5_000,
    "labels": "IDMap," * 20_000 + "Flat",
    "many lists": "IVF1000000000,Flat",
    "more lists than numbers": "IVF99999999999999999999,Flat",
    "no lists": "IVF4,FlatPanorama0",
    "many links": "HNSW1000000000",
    "links that fill the memory": "HNSW100000",
    "many bits": "PQ16x24",
    "many pieces": "PQ1000x24",
    "many of many": "IVF1000000(IVF1000000(IVF1000000,Flat),Flat),Flat",
    "a zero byte": "Flat\0x",
    "a line": "Flat\n,RFlat",
    "no ASCII": "Flät",
    "digits that are none": "IVF٤,Flat",
    "half a character": "Flat\ud800",
}

BUILD = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from test_index_factories import HOSTILE
from youtu_st.errors import InputError
from youtu_st.index.nearest.factory import build

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, factory in HOSTILE.items():
    try:
        build(factory, 16)
        print(name, "builds")
    except InputError as error:
        if "\\n" in str(error) or len(str(error)) > 400 or not str(error).isprintable():
            print(name, repr(str(error)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before >> 10 < 200)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="looks at the memory as POSIX tells it")
def test_a_hostile_factory_is_an_error_in_one_line() -> None:
    """In a process of its own: FAISS's parser would end it, or fill the memory."""
    command = [sys.executable, "-c", BUILD, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


@pytest.mark.parametrize(
    "parameters",
    [
        "nprobe=0", "nprobe=-1", "nprobe=nan", "nprobe=1e300", "nprobe=99999999", "nprobe", "=1", "nprobe=1=2", "nprobe=",
        "n" * 100 + "=1", "nprobe=" + "9" * 100_000, "nprobe=1," * 10_000, "nprobe=4\n", "k_factor_rf=8", "efSearch=8",
    ],
)  # fmt: skip
def test_search_parameters_that_cannot_be_used(parameters: str) -> None:
    with pytest.raises(InputError, match='search_parameters must be what FAISS takes.*"nprobe=64"') as caught:
        tune(build("IVF4,Flat", 16), parameters)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_a_refinement_is_as_wide_as_a_file_may_say() -> None:
    index = build("PQ8x4,RFlat", 16)
    tune(index, "k_factor_rf=1000")
    assert index.k_factor == 1000
    for parameters in ("k_factor_rf=0.5", "k_factor_rf=1001"):  # FAISS would write it, and then not read it
        with pytest.raises(InputError, match="search_parameters"):
            tune(index, parameters)


WHOLE = [
    "Flat", "HNSW32", "HNSW8,Flat", "IVF16,Flat", "IVF4_HNSW8,Flat", "IVF8,PQ4x4,RFlat", "PCA12,IVF8,Flat,RFlat",
]  # fmt: skip
LOSSY = [
    "SQ8",
    "HNSW16_SQ8",
    "IVF4,PQ8x4",
    "PQ8x4fs",
    "PCA12,Flat",
    "OPQ4_8,Flat",
    "RR,Flat",
    "IVF4,PQ8x4,Refine(SQ8)",
]


@pytest.mark.parametrize("factory", [*WHOLE, *LOSSY])
def test_what_keeps_whole_vectors_gives_back_the_very_same(vectors: np.ndarray, factory: str) -> None:
    table = VectorTable(factory, 16)
    table.add(np.arange(1, COUNT + 1), vectors)
    if table.needs_training:
        assert keeps_whole_vectors(table.index)  # Flat stands in
        table.train()
    whole = bool((table.reconstruct(table.keys) == vectors).all())
    assert keeps_whole_vectors(table.index) == whole == (factory in WHOLE)


@pytest.mark.parametrize("factory", ["IVF4,RQ2x4", "IVF4,LSQ2x4", "IVF4,PRQ2x2x4"])
def test_kinds_that_take_no_selector_find_what_is_left(vectors: np.ndarray, factory: str) -> None:
    """FAISS raised "id selector not supported" for a search of these after deletions."""
    table = VectorTable(factory, 16)
    table.add(np.arange(1, COUNT + 1), vectors)
    table.train()
    table.discard(table.keys[::3])
    alive = set(table.keys[table.alive].tolist())
    for hits in table.search(vectors[:20], 50):
        assert len({key for _, key in hits} & alive) == 50
    odd = {key for key in alive if key % 2}
    for hits in table.search(vectors[:20], 50, np.array(sorted(odd))):
        assert len({key for _, key in hits} & odd) == 50


APPROXIMATE_LISTS = [
    "IVF128_HNSW4,Flat", "IVF64(HNSW8_SQ8),SQ8", "IVF64(IVF8,Flat),Flat", "IVF64(PQ4x4),Flat",
    "IVF64_HNSW4,PQ8x4fs", "IVF64_HNSW4,PQ4x4,RFlat", "PCA12,IVF64_HNSW4,Flat",
]  # fmt: skip


@pytest.mark.parametrize("factory", [*APPROXIMATE_LISTS, "IVF64,Flat", "IVF64,PQ8x4", "HNSW4", "HNSW4_SQ8"])
def test_no_match_is_lost_on_an_approximate_way_to_it(
    vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], factory: str
) -> None:
    """The graph of IVF64_HNSW4 leads to some of its lists only: 2,416 of 3,000 vectors were found, 1,209 of 1,500."""
    monkeypatch.setattr(
        "youtu_st.index.nearest.vectors._EXACT_BELOW", 10
    )  # as if all these were too many to be looked at
    table = VectorTable(factory, 16)
    table.add(np.arange(1, COUNT + 1), vectors)
    if table.needs_training:
        table.train()
    queries, odd = vectors[:20] + vectors[100:120], table.keys[::2]
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    stored = dict(zip(table.keys.tolist(), table.reconstruct(table.keys), strict=True))
    for allowed, matching in ((None, table.keys), (odd, odd)):
        for hits in table.search(queries, COUNT, allowed):  # more than the lists that are visited hold
            assert sorted(key for _, key in hits) == matching.tolist()
    if not factory.startswith(
        "HNSW4"
    ):  # a graph of vectors is approximate by its name; one of lists must not be
        for query, hits in zip(queries, table.search(queries, 5, odd), strict=True):
            best = sorted((float(stored[key] @ query) for key in odd.tolist()), reverse=True)[:5]
            assert [score for score, _ in hits] == pytest.approx(best, abs=1e-5)
    assert capfd.readouterr().err == ""  # nothing of FAISS about few points for a centroid


def test_lists_are_looked_for_as_widely_as_they_are_searched() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((6_000, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = vectors[::60]
    exact = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]

    def recall(factory: str) -> float:
        table = VectorTable(factory, 16)
        table.add(np.arange(len(vectors)), vectors)
        table.train()
        found = table.search(queries, 10)
        return float(
            np.mean([len({k for _, k in hits} & {*row}) / 10 for hits, row in zip(found, exact, strict=True)])
        )

    plain = recall("IVF128,Flat")
    for factory in ("IVF128_HNSW8,Flat", "IVF128(IVF8,Flat),Flat"):
        assert recall(factory) > plain - 0.03


@pytest.mark.slow
def test_a_filter_that_many_documents_match_finds_all_of_them(make: Callable[..., VectorIndex]) -> None:
    """8,602 of 20,500 were found, which are too many to be looked at one by one by themselves."""
    generator = np.random.default_rng(0)
    count = 41_000
    vectors = generator.standard_normal((count, 16)).astype(np.float32)
    index = make("IVF1024_HNSW32,Flat")
    numbers = [{"even": n % 2 == 0} for n in range(count)]
    index.add([f"text {n}" for n in range(count)], [str(n) for n in range(count)], numbers, vectors=vectors)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors[::2] @ vectors[7]
    hits = index.search(vectors[7], 20_500, {"even": True})
    assert [int(hit.id) for hit in hits[:50]] == (2 * np.argsort(-cosines, kind="stable")[:50]).tolist()
    assert sorted(int(hit.id) for hit in hits) == list(range(0, count, 2))
    assert len(index.search(vectors[7], count)) == count
