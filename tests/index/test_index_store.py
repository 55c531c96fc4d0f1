"""VectorIndex: what each method promises, on Flat."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import TinyEncoder

from youtu_st.errors import (
    FilterError,
    IndexExistsError,
    IndexNotFoundError,
    InputError,
    VectorIndexError,
)
from youtu_st.index import Document, Hit, VectorIndex, read_manifest


def test_import_loads_no_torch() -> None:
    code = "import sys, youtu_st.index; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_search_gives_ids_cosines_texts_and_metadata(index: VectorIndex, encoder: TinyEncoder) -> None:
    texts = ["one", "two", "三"]
    ids = index.add(texts, ["a", "b", "c"], [{"n": 1}, None, {"语言": "中文", "tags": ["x", 2, None]}])
    hits = index.search("三", k=2)
    cosines = (encoder.encode_document(texts) @ encoder.encode_query(["三"])[0]).tolist()
    order = sorted(range(3), key=lambda i: -cosines[i])[:2]
    assert ids == ["a", "b", "c"]
    assert [hit.id for hit in hits] == [ids[i] for i in order]
    assert [hit.score for hit in hits] == pytest.approx([cosines[i] for i in order], abs=1e-6)
    assert hits[0] == Hit("c", hits[0].score, "三", {"语言": "中文", "tags": ["x", 2, None]})
    assert type(hits[0].score) is float


def test_ids_are_made_where_none_are_given(index: VectorIndex) -> None:
    ids = index.add(["one", "two"]) + index.add(["one"])
    assert len(set(ids)) == 3
    assert all(len(id) == 32 and int(id, 16) >= 0 for id in ids)
    assert index.ids() == ids


def test_the_same_id_replaces(index: VectorIndex) -> None:
    index.add(["old", "other"], ["a", "b"])
    assert index.add(["new"], ["a"], [{"v": 2}]) == ["a"]
    assert len(index) == 2
    assert index.get(["a"]) == [Document("a", "new", {"v": 2})]
    assert [hit.text for hit in index.search("old", k=9)] != ["old", "other"]
    assert {hit.text for hit in index.search("old", k=9)} == {"new", "other"}
    assert index.ids() == ["b", "a"]  # in the order of adding


def test_an_id_twice_in_one_call_is_as_if_added_in_turn(index: VectorIndex, encoder: TinyEncoder) -> None:
    vectors = encoder.encode_document(["first", "b", "last"])
    assert index.add(["first", "b", "last"], ["a", "b", "a"], [{"n": i} for i in range(3)]) == ["a", "b", "a"]
    assert index.get(["a", "b"]) == [Document("a", "last", {"n": 2}), Document("b", "b", {"n": 1})]
    assert len(index) == 2
    index.add(["first", "b", "last"], ["a", "b", "a"], vectors=vectors)
    np.testing.assert_array_equal(index.vectors(["a", "b"]), vectors[[2, 1]])


def test_delete_counts_and_ignores_unknown_ids(index: VectorIndex) -> None:
    index.add(["one", "two", "three"], ["a", "b", "c"])
    assert index.delete(["a", "nope", "c", "a", "nul\0", "\ud800"]) == 2
    assert index.delete([]) == 0
    assert (len(index), "a" in index, "b" in index, 3 in index) == (1, False, True, False)
    assert [hit.id for hit in index.search("one", k=5)] == ["b"]


def test_get_follows_the_order_of_the_ids(index: VectorIndex) -> None:
    index.add(["one", "two"], ["a", "b"])
    b, a = Document("b", "two", {}), Document("a", "one", {})
    assert index.get(["b", "nope", "a", "b"]) == [b, None, a, b]


def test_ids_that_look_like_json_or_sql(index: VectorIndex) -> None:
    ids = ['"', "\\", "1", "null", "[1]", "'; --", "中", " ", "\n", "a\u2028b", "\x7f", "é", "e\u0301"]
    index.add([f"text {i}" for i in range(len(ids))], ids)
    assert [document and document.text for document in index.get(ids)] == [
        f"text {i}" for i in range(len(ids))
    ]
    assert index.delete(ids[:3]) == 3
    assert index.ids() == ids[3:]


def test_vectors_are_checked_and_normalised(index: VectorIndex) -> None:
    rows = np.random.default_rng(0).standard_normal((4, 16)) * np.array([[1e-3], [1], [1e3], [1e-30]])
    index.add(["a", "b", "c", "d"], list("abcd"), vectors=rows.tolist())
    expected = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(index.vectors(list("dcba")), expected[::-1], atol=2e-7)
    hit = index.search(rows[1] * 50, k=1)[0]
    assert hit.id == "b"
    assert hit.score == pytest.approx(1, abs=1e-6)


def test_filters_confine_the_search(index: VectorIndex, encoder: TinyEncoder) -> None:
    texts = [f"text {i}" for i in range(60)]
    index.add(texts, [str(i) for i in range(60)], [{"n": i} for i in range(60)])
    index.delete(["7"])
    cosines = encoder.encode_document(texts) @ encoder.encode_query(["text 3"])[0]
    allowed = [i for i in range(60) if i < 20 and i != 7]
    expected = sorted(allowed, key=lambda i: -cosines[i])
    assert [int(hit.id) for hit in index.search("text 3", 5, {"n": {"$lt": 20}})] == expected[:5]
    assert [int(hit.id) for hit in index.search("text 3", 99, {"n": {"$lt": 20}})] == expected
    assert index.search("text 3", filter={"n": 7}) == []
    assert index.ids({"n": {"$gte": 58}}) == ["58", "59"]


def test_search_many_is_search_for_each(index: VectorIndex, encoder: TinyEncoder) -> None:
    index.add([f"text {i}" for i in range(50)], metadata=[{"n": i % 3} for i in range(50)])
    queries = [f"text {i}" for i in range(8)]
    many = index.search_many(queries, k=4, filter={"n": 1})
    for one, hits in zip(queries, many, strict=True):
        alone = index.search(one, k=4, filter={"n": 1})
        assert [hit.id for hit in hits] == [hit.id for hit in alone]
        assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in alone], abs=1e-6)
    matrix = encoder.encode_query(queries)
    assert [[h.id for h in hits] for hits in index.search_many(matrix, k=4, filter={"n": 1})] == [
        [h.id for h in hits] for hits in many
    ]
    assert index.search_many([], k=4) == []


def test_equal_scores_come_in_the_order_of_adding(index: VectorIndex) -> None:
    index.add(["same"] * 30, [str(i) for i in range(30)])
    assert [hit.id for hit in index.search("same", k=30)] == [str(i) for i in range(30)]
    assert [hit.id for hit in index.search("same", k=4)] == ["0", "1", "2", "3"]


def test_the_instruction_reaches_the_encoder(index: VectorIndex, encoder: TinyEncoder) -> None:
    index.add(["a", "b", "c"], ["a", "b", "c"])
    hits = index.search("a", k=3, instruction="other: ")
    vector = encoder.encode_query(["a"], instruction="other: ")[0]
    scores = {hit.id: hit.score for hit in hits}
    assert scores["a"] == pytest.approx(float(encoder.encode_document(["a"])[0] @ vector), abs=1e-6)
    assert scores["a"] != pytest.approx(index.search("a", k=1)[0].score, abs=1e-4)


def test_an_empty_index_answers(index: VectorIndex) -> None:
    assert index.add([]) == []
    assert (len(index), index.search("x"), index.search_many(["x", "y"]), index.get(["a"])) == (
        0,
        [],
        [[], []],
        [None],
    )
    assert (index.ids(), index.vectors([]).shape, index.delete(["a"])) == ([], (0, 16), 0)


ONE = [{"a": 1}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"texts": "text"}, r"texts must be a list of str, not one str: pass \[text\]"),
        ({"texts": ["a", 3]}, "text 1 must be a str, not int"),
        ({"texts": ["a", " \n"]}, "text 1 is blank"),
        ({"texts": ["a", ""]}, "text 1 is empty"),
        ({"texts": ["a", "中\ud800"]}, "text 1 holds half a surrogate pair"),
        ({"texts": ["a"], "ids": "a"}, "ids must be a list of str, not 'a'"),
        ({"texts": ["a", "b"], "ids": ["a"]}, "ids must have an entry for each of 2 texts, not 1"),
        ({"texts": ["a", "b"], "ids": ["a", 3]}, "id 1 must be a str, not 3 of type int"),
        ({"texts": ["a"], "ids": [""]}, "id 0 must have at least one character, none of them NUL, not be ''"),
        ({"texts": ["a"], "ids": ["x\0"]}, "NUL"),
        ({"texts": ["a"], "metadata": {"a": 1}}, "metadata must be a list of one dictionary for each text"),
        ({"texts": ["a", "b"], "metadata": ONE}, "metadata must have an entry for each of 2 texts, not 1"),
        (
            {"texts": ["a", "b"], "metadata": [None, "x"]},
            "metadata 1 must be a dictionary, not 'x' of type str",
        ),
        ({"texts": ["a", "b"], "metadata": [None, {3: 1}]}, "metadata 1 must have keys of type str, not 3"),
        (
            {"texts": ["a"], "metadata": [{"a": {"b": {None: 1}}}]},
            r"metadata 0, key 'a', key 'b' must have keys of type str, not None",
        ),
        (
            {"texts": ["a"], "metadata": [{"a": float("nan")}]},
            "metadata 0, key 'a' must be a finite number, not nan",
        ),
        ({"texts": ["a"], "metadata": [{"a": [float("inf")]}]}, "key 'a' must be a finite number, not inf"),
        (
            {"texts": ["a"], "metadata": [{"a": np.int64(1)}]},
            "key 'a' must be a str, a number, .*of type int64",
        ),
        ({"texts": ["a"], "metadata": [{"a": "\ud800"}]}, "metadata 0.*surrogate"),
        (
            {"texts": ["a", "b"], "metadata": [{}, {"a": 2**63}]},
            "metadata 1, key 'a' must be an int of 64 bits, not 9223372036854775808: store",
        ),
        ({"texts": ["a"], "metadata": [{"a": [{"b": -(2**63) - 1}]}]}, "metadata 0, .* an int of 64 bits"),
        ({"texts": ["a"], "metadata": [{"a": 10**5000}]}, "an int of 64 bits, not an int of 16610 bits"),
        ({"texts": ["a", "b"], "metadata": [{}, {"a": "x\0y"}]}, "metadata 1 must have no NUL character"),
        ({"texts": ["a"], "metadata": [{"a": [{"\\\0": 1}]}]}, "metadata 0 must have no NUL character"),
        ({"texts": ["a"], "vectors": [[1.0, 2.0]]}, r"vectors must have shape \(1, 16\), not \(1, 2\)"),
        (
            {"texts": ["a", "b"], "vectors": [[1.0] * 16, [0.0] * 16]},
            "vectors must have a direction, and row 1 is all zeros",
        ),
        ({"texts": ["a"], "vectors": [[float("nan")] * 16]}, "row 0 is not finite"),
        ({"texts": ["a"], "vectors": "abc"}, "vectors must be numbers in a matrix"),
    ],
)
def test_wrong_documents_are_refused_before_anything_happens(
    index: VectorIndex, encoder: TinyEncoder, arguments: dict[str, Any], message: str
) -> None:
    encoder.encoded.clear()
    with pytest.raises(InputError, match=message):
        index.add(**arguments)
    assert (len(index), encoder.encoded) == (0, [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x", 0), "k must be an int of at least 1, not 0"),
        (("x", True), "not True"),
        (("x", 2.5), "not 2.5"),
        ((" ",), "query 0 is blank"),
        (([1.0, 2.0],), r"shape \(1, 16\), not \(1, 2\)"),
        ((np.zeros(16),), "row 0 is all zeros"),
        ((np.ones((2, 16)),), r"one vector, not of shape \(2, 16\): search_many"),
    ],
)
def test_wrong_queries_are_refused(index: VectorIndex, arguments: tuple[Any, ...], message: str) -> None:
    index.add(["a"])
    with pytest.raises(InputError, match=message):
        index.search(*arguments)


def test_other_wrong_arguments(index: VectorIndex, tmp_path: Path, encoder: TinyEncoder) -> None:
    index.add(["a"], ["a"])
    with pytest.raises(InputError, match="instruction must be None for a vector.*not 'x'"):
        index.search(np.ones(16), instruction="x")
    with pytest.raises(InputError, match=r"pass \[id\]"):
        index.delete("a")
    with pytest.raises(InputError, match="no document with the id 'b'"):
        index.vectors(["a", "b"])
    with pytest.raises(FilterError, match=r"did you mean '\$nin'"):
        index.search("a", filter={"a": {"$ni": []}})
    with pytest.raises(InputError, match="search_parameters must be what FAISS takes.*, not 'nprobe=3'"):
        VectorIndex.open(tmp_path / "index", encoder, search_parameters="nprobe=3")


def test_an_encoder_that_breaks_its_promise_is_an_error(
    make: Callable[..., VectorIndex], encoder: TinyEncoder
) -> None:
    index = make()
    index.encoder = TinyEncoder(dimension=8)
    with pytest.raises(InputError, match=r"encoder's vectors must have shape \(1, 16\), not \(1, 8\)"):
        index.add(["a"])
    assert len(index) == 0


def test_reopening_finds_everything(tmp_path: Path, encoder: TinyEncoder) -> None:
    path = tmp_path / "deep" / "nested 目录" / "index"
    with VectorIndex.create(path, encoder) as index:
        index.add(["one", "two"], ["a", "b"], [{"x": [1, {"y": None}]}, {}])
        index.delete(["b"])
        before = index.search("one", k=3)
    with VectorIndex.open(str(path), encoder) as index:
        assert index.search("one", k=3) == before
        assert index.get(["a"]) == [Document("a", "one", {"x": [1, {"y": None}]})]
    assert read_manifest(path).count == 1


def test_keys_are_never_used_twice(tmp_path: Path, encoder: TinyEncoder) -> None:
    import sqlite3

    path = tmp_path / "index"
    seen: set[int] = set()
    VectorIndex.create(path, encoder).close()
    for turn in range(4):
        with VectorIndex.open(path, encoder) as index:
            index.add(["one", "two"], ["a", "b"])
            index.delete(["b"] if turn % 2 else ["a", "b"])
            index.add(["two"], ["b"])
        connection = sqlite3.connect(path / "documents.sqlite")
        ((key,),) = connection.execute("SELECT key FROM documents WHERE id = 'b'").fetchall()
        connection.close()
        assert key > max(seen, default=0)
        seen.add(key)


def test_a_closed_index_says_so(index: VectorIndex) -> None:
    index.close()
    index.close()
    for call in (
        lambda: len(index),
        lambda: index.add(["a"]),
        lambda: index.search("a"),
        lambda: index.delete([]),
    ):
        with pytest.raises(VectorIndexError, match=r"is closed: open it again"):
            call()
    assert repr(index).endswith("'tiny', 'Flat', closed)")


def test_repr_and_manifest(index: VectorIndex, tmp_path: Path) -> None:
    index.add(["a"])
    assert repr(index) == f"VectorIndex({str(tmp_path / 'index')!r}, 'tiny', 'Flat', 1 documents)"
    assert (index.path, index.manifest.dimension, index.manifest.metric) == (tmp_path / "index", 16, "cosine")


def test_create_refuses_what_is_there(tmp_path: Path, index: VectorIndex, encoder: TinyEncoder) -> None:
    with pytest.raises(IndexExistsError, match="holds an index already"):
        VectorIndex.create(tmp_path / "index", encoder)
    (tmp_path / "other").mkdir()
    VectorIndex.create(tmp_path / "other", encoder).close()  # an empty directory is fine
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("dear diary")
    with pytest.raises(IndexExistsError, match=r"must be a new or an empty directory, and holds 'diary.txt'"):
        VectorIndex.create(tmp_path / "notes", encoder)
    with pytest.raises(IndexExistsError, match="empty directory, not a file"):
        VectorIndex.create(tmp_path / "notes" / "diary.txt", encoder)
    assert [entry.name for entry in (tmp_path / "notes").iterdir()] == ["diary.txt"]


def test_create_starts_over_where_it_was_killed(tmp_path: Path, encoder: TinyEncoder) -> None:
    path = tmp_path / "index"
    VectorIndex.create(path, encoder).close()
    (path / "manifest.json").rename(path / "manifest.json.tmp")
    with pytest.raises(IndexNotFoundError, match="there is no index in"):
        VectorIndex.open(path, encoder)
    with VectorIndex.create(path, encoder) as index:
        index.add(["a"], ["a"])
        assert [hit.id for hit in index.search("a")] == ["a"]


def test_a_failing_encoder_leaves_no_directory(tmp_path: Path) -> None:
    class Failing(TinyEncoder):
        def encode_document(self, texts: Any) -> Any:
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        VectorIndex.create(tmp_path / "index", Failing())
    assert not (tmp_path / "index").exists()


def test_open_where_there_is_nothing(tmp_path: Path, encoder: TinyEncoder) -> None:
    for path in (tmp_path, tmp_path / "nope"):
        with pytest.raises(IndexNotFoundError, match=r"no index in .*VectorIndex.create"):
            VectorIndex.open(path, encoder)
    assert not (tmp_path / "nope").exists()


def test_closing_after_a_small_change_leaves_a_large_snapshot_alone(
    tmp_path: Path, encoder: TinyEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("youtu_st.index.storage.folding._SMALL_BYTES", 1000)
    path = tmp_path / "index"
    with VectorIndex.create(path, encoder) as index:
        index.add([f"text {i}" for i in range(100)], [str(i) for i in range(100)])
    assert (path / "vectors-1.faiss").exists()
    with VectorIndex.open(path, encoder) as index:
        index.add(["new"], ["new"])
        index.delete(["5"])
    assert (path / "vectors-1.faiss").exists()  # in the journal still, and found all the same
    assert read_manifest(path).count == 100
    with VectorIndex.open(path, encoder) as index:
        assert index.search("new", k=1)[0].id == "new"
        assert "5" not in {hit.id for hit in index.search("text 5", k=100)}
        index.add([f"more {i}" for i in range(20)])
    assert [file.name for file in path.glob("vectors-*")] == ["vectors-2.faiss"]
    with VectorIndex.open(path, encoder) as index:
        assert len(index) == len(index.search("new", k=999)) == 120


def test_a_long_journal_is_folded_by_add(
    tmp_path: Path, encoder: TinyEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("youtu_st.index.storage.folding._LONG_JOURNAL", 1000)
    reader = None
    with VectorIndex.create(tmp_path / "index", encoder) as index:
        reader = VectorIndex.open(tmp_path / "index", encoder)
        for i in range(60):
            index.add([f"text {i}"], [str(i)])
            assert index.search(f"text {i}", k=1)[0].id == str(i)
            assert len(reader) == i + 1
        generation = int(next((tmp_path / "index").glob("vectors-*.faiss")).stem.split("-")[1])
        assert 2 <= generation <= 6  # each time the journal has doubled the snapshot
        assert index.search("text 3", k=60) == reader.search("text 3", k=60)
    reader.close()


def test_the_longest_numbers_are_told_apart(index: VectorIndex) -> None:
    """Beyond 64 bits, SQLite counts in floats, to which 2**64 and 2**64 + 1 are one."""
    numbers = [2**63 - 1, 2**63 - 2, -(2**63), -(2**63) + 1, 2.0**63, "9" * 30]
    ids = index.add(
        [f"text {n}" for n in range(len(numbers))], metadata=[{"n": number} for number in numbers]
    )
    for id, number in zip(ids, numbers, strict=True):
        assert index.ids({"n": number}) == [id]
        assert index.get([id])[0].metadata == {"n": number}
    assert index.ids({"n": {"$gt": 2**63 - 2}}) == [ids[0], ids[4]]
    assert index.ids({"n": {"$lte": -(2**63)}}) == [ids[2]]
