"""Out to files and in again, looked at, deleted, and several indexes as one."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import TinyEncoder

from youtu_st.errors import (
    FilterError,
    IndexExistsError,
    IndexMismatchError,
    IndexNotFoundError,
    InputError,
    VectorIndexError,
)
from youtu_st.index import VectorIndex
from youtu_st.index.exchange import (
    export_index,
    import_index,
    list_documents,
    merge_indexes,
    open_source,
    read_documents,
    remove_documents,
)

ODD = ["line\nbreak", "NUL-free \u2028 text", "\U0001f980 crab", '"quoted" \\ back', "中文。", "e\u0301"]


def filled(path: Path, encoder: TinyEncoder, first: int, count: int, factory: str = "Flat") -> Path:
    texts = [f"Text {i}. {ODD[i % len(ODD)]}" for i in range(first, first + count)]
    metadata: list[dict[str, Any] | None] = [
        {"n": i, "deep": {"ü": [1, None, 2.5]}, "text": "x"} if i % 3 else None
        for i in range(first, first + count)
    ]
    with VectorIndex.create(path, encoder, factory) as index:
        index.add(texts, [f"i{i}" for i in range(first, first + count)], metadata)
    return path


def everything(path: Path, encoder: TinyEncoder) -> tuple[list[Any], np.ndarray]:
    with VectorIndex.open(path, encoder) as index:
        ids = index.ids()
        return index.get(ids), index.vectors(ids)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".npy"])
@pytest.mark.parametrize("count", [1, 2500])
def test_out_and_in_again_is_equal_bit_by_bit(
    suffix: str, count: int, tmp_path: Path, encoder: TinyEncoder
) -> None:
    filled(tmp_path / "a", encoder, 0, count)
    with VectorIndex.open(tmp_path / "a", encoder) as index:
        index.delete(["i7"])
    encoder.encoded.clear()
    told: list[tuple[int, int]] = []
    total = export_index(tmp_path / "a", tmp_path / f"t{suffix}", report=lambda *how: told.append(how))
    assert not encoder.encoded
    assert told[-1] == (total, total)
    source = open_source(tmp_path / f"t{suffix}")
    assert (source.count, source.dimension) == (total, 16)
    assert source.model == ("tiny" if suffix == ".parquet" else None)
    import_index(source, tmp_path / "b", encoder)
    (documents, vectors), (others, rows) = (everything(tmp_path / name, encoder) for name in "ab")
    assert len(documents) == total == (count - 1 if count > 7 else count)
    assert documents == others
    assert vectors.tobytes() == rows.tobytes()


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".npy"])
@pytest.mark.parametrize("encode", [False, True])
def test_an_index_without_documents_goes_out_and_in_again(
    suffix: str, encode: bool, tmp_path: Path, encoder: TinyEncoder
) -> None:
    filled(tmp_path / "a", encoder, 0, 3)
    with VectorIndex.open(tmp_path / "a", encoder) as index:
        index.delete(index.ids())
    assert export_index(tmp_path / "a", tmp_path / f"t{suffix}") == 0
    done = import_index(
        open_source(tmp_path / f"t{suffix}", vectors=not encode), tmp_path / "b", encoder, encode=encode
    )
    assert (done.documents, done.agreement) == (0, None)
    assert everything(tmp_path / "b", encoder)[0] == []
    assert export_index(tmp_path / "b", tmp_path / f"u{suffix}") == 0
    assert (tmp_path / f"u{suffix}").read_bytes() == (tmp_path / f"t{suffix}").read_bytes()
    with VectorIndex.open(tmp_path / "b", encoder) as index:
        index.add(["Rain."], ["r"])
        assert index.search("rain", mode="lexical")[0].id == "r"


def test_an_empty_matrix_still_has_a_width(tmp_path: Path, encoder: TinyEncoder) -> None:
    VectorIndex.create(tmp_path / "a", encoder).close()
    export_index(tmp_path / "a", tmp_path / "t.npy")
    with pytest.raises(
        IndexMismatchError, match=r"t\.npy has vectors of 16 numbers, and those of 'wide' have 24"
    ):
        import_index(open_source(tmp_path / "t.npy"), tmp_path / "b", TinyEncoder(24, name="wide"))
    assert not (tmp_path / "b").exists()


def test_odd_vectors_keep_every_bit_in_lines(tmp_path: Path) -> None:
    """Nine digits are enough for every float32, the smallest and those between two powers of two too."""
    from youtu_st.index.exchange.exporting import _numbers

    bits = np.random.default_rng(0).integers(0, 1 << 32, 200_000, dtype=np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    read = np.array(json.loads(f"[{_numbers(values)}]"), dtype=np.float64).astype(np.float32)
    assert read.tobytes() == values.tobytes()


def test_a_file_is_whole_or_not_there(
    tmp_path: Path, encoder: TinyEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path / "a", encoder, 0, 3000)

    def interrupted(done: int, total: int) -> None:
        if done > 1000:
            raise KeyboardInterrupt

    for suffix in (".parquet", ".jsonl", ".npy"):
        (tmp_path / f"t{suffix}").write_text("before")
        with pytest.raises(KeyboardInterrupt):
            export_index(tmp_path / "a", tmp_path / f"t{suffix}", report=interrupted)
        assert (tmp_path / f"t{suffix}").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "t.jsonl", "t.npy", "t.parquet"]
    (tmp_path / "t.npy").unlink()
    with pytest.raises(InputError, match=r"the texts of t\.npy go to .*t\.jsonl, which is there already"):
        export_index(tmp_path / "a", tmp_path / "t.npy")
    with pytest.raises(InputError, match=r"must end in \.parquet, \.jsonl, \.npy, not '\.csv'"):
        export_index(tmp_path / "a", tmp_path / "t.csv")
    with pytest.raises(IndexNotFoundError):
        export_index(tmp_path / "no", tmp_path / "t.jsonl")
    with pytest.raises(VectorIndexError, match="cannot be written"):
        export_index(tmp_path / "a", tmp_path / "no" / "t.jsonl")


def test_an_import_that_is_ended_leaves_nothing(tmp_path: Path, encoder: TinyEncoder) -> None:
    export_index(filled(tmp_path / "a", encoder, 0, 3000), tmp_path / "t.jsonl")
    for what in ("reading", "writing"):

        def interrupted(now: str, done: int, total: int, what: str = what) -> None:
            if (now, done) == (what, 2048):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            import_index(open_source(tmp_path / "t.jsonl"), tmp_path / "b", encoder, report=interrupted)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "t.jsonl"]
    (tmp_path / "b").mkdir()  # an empty one will do
    import_index(open_source(tmp_path / "t.jsonl"), tmp_path / "b", encoder)
    with pytest.raises(IndexExistsError):
        import_index(open_source(tmp_path / "t.jsonl"), tmp_path / "b", encoder)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "mine").touch()
    with pytest.raises(IndexExistsError, match="mine"):
        import_index(open_source(tmp_path / "t.jsonl"), tmp_path / "c", encoder)
    assert os.listdir(tmp_path / "c") == ["mine"]


def test_documents_are_looked_at_and_deleted_without_a_model(tmp_path: Path, encoder: TinyEncoder) -> None:
    path = filled(tmp_path / "a", encoder, 0, 30)
    encoder.encoded.clear()
    found = list_documents(path, {"n": {"$gte": 20}}, limit=2)
    assert ([document.id for document in found.documents], found.matching) == (["i20", "i22"], 7)
    assert found.documents[0].metadata["deep"] == {"ü": [1, None, 2.5]}
    assert list_documents(path).matching == 30
    documents, vectors = read_documents(path, ["i4", "i2"], vectors=True)
    assert [document.id for document in documents] == ["i4", "i2"]
    assert vectors is not None
    assert np.array_equal(vectors, TinyEncoder().encode_document([document.text for document in documents]))
    with pytest.raises(InputError, match="there is no document 'i300' in .*: did you mean 'i0'|'i3'"):
        read_documents(path, ["i300"])
    with pytest.raises(FilterError):
        list_documents(path, {"n": {"$near": 1}})
    assert remove_documents(path, ["i4", "none", "i5"]) == 2
    assert list_documents(path).matching == 28
    assert not encoder.encoded


def test_a_merge_against_brute_force(tmp_path: Path, encoder: TinyEncoder) -> None:
    for name, (first, count) in {"a": (0, 40), "b": (40, 5000), "c": (5040, 7)}.items():
        filled(tmp_path / name, encoder, first, count)
    with VectorIndex.open(tmp_path / "b", encoder) as index:
        index.delete([f"i{i}" for i in range(50, 60)])
    encoder.encoded.clear()
    done = merge_indexes([tmp_path / name for name in "abc"], tmp_path / "all")
    assert not encoder.encoded
    assert (done.documents, done.left_out) == (5037, 0)
    parts = [everything(tmp_path / name, encoder) for name in "abc"]
    documents, vectors = everything(tmp_path / "all", encoder)
    assert documents == [document for part in parts for document in part[0]]
    assert np.array_equal(vectors, np.concatenate([part[1] for part in parts]))
    with VectorIndex.open(tmp_path / "all", encoder) as index:
        for question in ("Text 3.", "Text 4999.", "中文。"):
            scores = vectors @ encoder.encode_query([question])[0]
            hits = index.search(question, k=5)
            assert [hit.score for hit in hits] == pytest.approx(sorted(scores, reverse=True)[:5], abs=1e-6)
            assert hits[0].id == documents[int(scores.argmax())].id
        index.add(["new"], ["n"])  # and it is an index like any other
        assert len(index) == 5038


def test_which_of_two_is_kept(tmp_path: Path, encoder: TinyEncoder) -> None:
    for name, text in (("a", "old"), ("b", "new"), ("c", "newest")):
        with VectorIndex.create(tmp_path / name, encoder) as index:
            index.add([f"{text} of both", f"{text} alone"], ["both", name])
    paths = [tmp_path / name for name in "abc"]
    with pytest.raises(InputError, match=r"/a and .*/b both have a document 'both': say which to keep"):
        merge_indexes(paths, tmp_path / "all")
    assert not (tmp_path / "all").exists()
    for keep, text, ids in (
        ("first", "old of both", ["both", "a", "b", "c"]),
        ("last", "newest of both", ["a", "b", "both", "c"]),
    ):
        done = merge_indexes(paths, tmp_path / keep, keep=keep)  # type: ignore[arg-type]
        assert (done.documents, done.left_out) == (4, 2)
        documents, vectors = everything(tmp_path / keep, encoder)
        assert [document.id for document in documents] == ids
        assert documents[ids.index("both")].text == text
        assert np.array_equal(vectors, encoder.encode_document([document.text for document in documents]))


def test_indexes_of_different_encoders(tmp_path: Path, encoder: TinyEncoder) -> None:
    def refused(other: TinyEncoder, message: str) -> None:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        filled(path, other, 100, 3)
        with pytest.raises(IndexMismatchError, match=message) as caught:
            merge_indexes([tmp_path / "a", path], tmp_path / "all")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "all").exists()

    filled(tmp_path / "a", encoder, 0, 3)
    refused(TinyEncoder(pooling="cls"), r"of different encoders .* pooling: hash and cls")
    refused(TinyEncoder(8), r"fingerprint|dimension")
    refused(TinyEncoder(runtime={"dtype": "int8"}, noise=0.01), r"query probes: lowest cosine 0\.9900")
    filled(tmp_path / "close", TinyEncoder(runtime={"dtype": "bfloat16"}, noise=0.0001), 200, 3)
    assert merge_indexes([tmp_path / "a", tmp_path / "close"], tmp_path / "all").documents == 6
    for paths in ([tmp_path / "a"], [tmp_path / "a", tmp_path / "x" / ".." / "a"]):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(InputError, match="at least two indexes, each of them once"):
            merge_indexes(paths, tmp_path / "more")
    with pytest.raises(IndexNotFoundError):
        merge_indexes([tmp_path / "a", tmp_path / "none"], tmp_path / "more")
    with pytest.raises(IndexExistsError):
        merge_indexes([tmp_path / "a", tmp_path / "close"], tmp_path / "all")


def test_another_factory_and_settings(tmp_path: Path, encoder: TinyEncoder) -> None:
    for name, settings in (
        ("a", {"chunk_tokens": 9}),
        ("b", {"chunk_tokens": 9}),
        ("c", {"chunk_tokens": 8}),
    ):
        filled(tmp_path / name, encoder, ord(name) * 100, 20)
        with VectorIndex.open(tmp_path / name, encoder) as index:
            index.remember(settings)
    merge_indexes([tmp_path / "a", tmp_path / "b"], tmp_path / "ab", factory="HNSW8")
    merge_indexes([tmp_path / "a", tmp_path / "c"], tmp_path / "ac")
    with VectorIndex.open(tmp_path / "ab", encoder) as index:
        assert (index.manifest.factory, dict(index.manifest.settings)) == ("HNSW8", {"chunk_tokens": 9})
    with VectorIndex.open(tmp_path / "ac", encoder) as index:
        assert dict(index.manifest.settings) == {}


def test_a_merge_that_is_ended_leaves_nothing(tmp_path: Path, encoder: TinyEncoder) -> None:
    paths = [filled(tmp_path / "a", encoder, 0, 3), filled(tmp_path / "b", encoder, 3, 3)]

    def interrupted(done: int, total: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        merge_indexes(paths, tmp_path / "all", report=interrupted)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_what_is_imported_or_merged_is_found_by_its_words(tmp_path: Path, encoder: TinyEncoder) -> None:
    for name, word in (("a", "kestrel"), ("b", "buzzard")):
        with VectorIndex.create(tmp_path / name, encoder) as index:
            index.add([f"A {word} above the field.", "Nothing of the kind."], [word, f"{word}-not"])
    merge_indexes([tmp_path / "a", tmp_path / "b"], tmp_path / "all")
    export_index(tmp_path / "all", tmp_path / "t.parquet")
    import_index(open_source(tmp_path / "t.parquet"), tmp_path / "again", encoder)
    for name in ("all", "again"):
        with VectorIndex.open(tmp_path / name, encoder) as index:
            for word in ("kestrel", "buzzard"):
                assert [hit.id for hit in index.search(word, k=3, mode="lexical")] == [word]


def test_who_comes_second_to_a_new_directory_is_told(tmp_path: Path, encoder: TinyEncoder) -> None:
    for name, start in (("a", 0), ("b", 5)):
        filled(tmp_path / name, encoder, start, 5)
    export_index(tmp_path / "a", tmp_path / "t.jsonl")
    sources, before = [tmp_path / "a", tmp_path / "b"], sorted(path.name for path in tmp_path.iterdir())

    def merge(**how: Any) -> int:
        return merge_indexes(sources, tmp_path / "new", **how).documents

    def bring(**how: Any) -> int:
        return import_index(open_source(tmp_path / "t.jsonl"), tmp_path / "new", encoder, **how).documents

    message = (
        "new: another process has put something there meanwhile: choose another directory, or remove that one"
    )
    for first, second, count in (
        (merge, bring, 5),
        (bring, merge, 10),
        (merge, merge, 10),
        (bring, bring, 5),
    ):
        done: list[int] = []

        def meanwhile(*told: object, second: Any = second, done: list[int] = done) -> None:
            if not done:
                done.append(0)
                done.append(second())

        with pytest.raises(IndexExistsError, match=message) as caught:
            first(report=meanwhile)
        assert "\n" not in str(caught.value)
        assert "Errno" not in str(caught.value)
        assert len(everything(tmp_path / "new", encoder)[0]) == done[1] == count  # whole, and the other's
        shutil.rmtree(tmp_path / "new")
        assert sorted(path.name for path in tmp_path.iterdir()) == before  # and nothing is left
