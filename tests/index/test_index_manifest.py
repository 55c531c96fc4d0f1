"""Which encoder may open an index, and what the error says otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import TinyEncoder

from youtu_st.errors import IndexDamagedError, IndexLockedError, IndexMismatchError, VectorIndexError
from youtu_st.index import VectorIndex, read_manifest

OTHER = {"dtype": "bfloat16", "device": "cuda", "backend": "numpy"}


@pytest.fixture
def path(tmp_path: Path, encoder: TinyEncoder) -> Path:
    with VectorIndex.create(tmp_path / "index", encoder) as index:
        index.add(["one", "two"], ["a", "b"])
    return tmp_path / "index"


def test_the_manifest_says_what_it_was_built_with(path: Path, encoder: TinyEncoder) -> None:
    manifest = read_manifest(path)
    assert (manifest.model, manifest.fingerprint, manifest.factory) == ("tiny", encoder.fingerprint, "Flat")
    assert (manifest.identity, manifest.runtime) == (encoder.identity, encoder.runtime)
    assert (manifest.metric, manifest.dimension, manifest.count, manifest.version) == ("cosine", 16, 2, 3)
    assert len(manifest.probe_texts) == 4
    np.testing.assert_array_equal(manifest.query_probes, encoder.encode_query(manifest.probe_texts))
    np.testing.assert_array_equal(manifest.document_probes, encoder.encode_document(manifest.probe_texts))


def test_an_equal_encoder_opens_without_encoding(path: Path) -> None:
    encoder = TinyEncoder()
    VectorIndex.open(path, encoder).close()
    assert encoder.encoded == []


def test_another_encoder_is_an_error_that_lists_every_difference(path: Path) -> None:
    with pytest.raises(IndexMismatchError) as caught:
        VectorIndex.open(path, TinyEncoder(8, name="huge", pooling="mean"))
    message = str(caught.value)
    assert "built with another encoder (tiny, this is huge)" in message
    assert "  pooling: index has hash, encoder has mean\n" in message
    assert "  weights: index has tiny, encoder has huge\n" in message
    assert "  dimension: index has 16, encoder has 8\n" in message
    assert "device" not in message


def test_a_part_that_only_one_side_has_is_a_difference(path: Path) -> None:
    encoder = TinyEncoder()
    encoder.identity["prompt"] = "Query: "
    with pytest.raises(IndexMismatchError, match="prompt: index has none, encoder has Query: "):
        VectorIndex.open(path, encoder)


def test_a_fingerprint_alone_is_a_difference(path: Path) -> None:
    encoder = TinyEncoder()
    encoder.fingerprint = "ffff"
    with pytest.raises(IndexMismatchError, match=r"fingerprint: index has \w{12}, encoder has ffff"):
        VectorIndex.open(path, encoder)


def test_another_runtime_opens_where_the_probes_agree(path: Path) -> None:
    encoder = TinyEncoder(runtime=OTHER, noise=0.0005)  # every cosine is 0.9995
    with VectorIndex.open(path, encoder) as index:
        assert index.search("one", k=1)[0].id == "a"
    assert encoder.encoded[:8] == [*read_manifest(path).probe_texts] * 2


def test_another_runtime_is_refused_where_the_probes_differ(path: Path) -> None:
    with pytest.raises(IndexMismatchError) as caught:
        VectorIndex.open(path, TinyEncoder(runtime=OTHER, noise=0.01))
    message = str(caught.value)
    assert "query probes: lowest cosine 0.9900, at least 0.999 is needed" in message
    assert "document probes: lowest cosine 0.9900" in message
    assert (
        "index has dtype=float32 device=cpu backend=numpy, encoder has dtype=bfloat16 device=cuda" in message
    )


def test_one_role_that_differs_is_enough(path: Path) -> None:
    class Queries(TinyEncoder):
        def encode_query(self, texts: Any, *, instruction: Any = None) -> Any:
            return super().encode_query(texts, instruction="something else")

    with pytest.raises(IndexMismatchError) as caught:
        VectorIndex.open(path, Queries(runtime=OTHER))
    assert "query probes" in str(caught.value)
    assert "document probes" not in str(caught.value)


def test_check_goes_by_the_vectors_alone(path: Path) -> None:
    named_otherwise = TinyEncoder(name="something else", runtime=OTHER, noise=0.0005)
    with VectorIndex.open(path, TinyEncoder()) as index:
        index.check(named_otherwise)
        assert named_otherwise.encoded == [*index.manifest.probe_texts] * 2
        equal_by_name = TinyEncoder(noise=0.01)
        with pytest.raises(IndexMismatchError, match=r"(?s)tiny, this is tiny.*lowest cosine 0\.9900"):
            index.check(equal_by_name)
        with pytest.raises(IndexMismatchError, match="dimension: index has 16, encoder has 8"):
            index.check(TinyEncoder(8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, r'"format" is not "youtu-st-index"'),
        ({"dimension": "16"}, "\"dimension\" is '16', not of type int"),
        ({"dimension": 0}, '"dimension" is 0, less than 1'),
        ({"count": True}, '"count" is True'),
        ({"metric": "l2"}, "'l2'"),
        ({"version": "1"}, "unknown"),
        ({"identity": None}, '"identity" is None'),
        ({"probes": {"texts": ["a"]}}, "'query' is missing"),
        ({"created": "2001-01-01"}, "it is not what was written"),
        ({"probes": {"texts": ["a"], "query": "!!", "document": "!!"}}, "damaged"),
        ({"probes": {"texts": ["a"], "query": "AAAA", "document": "AAAA"}}, "damaged"),
        ({"factory": None}, '"factory" is None'),
    ],
)
def test_a_wrong_manifest_is_damage(path: Path, change: dict[str, Any], message: str) -> None:
    file = path / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(IndexDamagedError, match=message) as caught:
        read_manifest(path)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"format": "youtu-st-index"}', b"[" * 9999]
)
def test_an_unreadable_manifest_is_damage(path: Path, content: bytes) -> None:
    (path / "manifest.json").write_bytes(content)
    with pytest.raises(IndexDamagedError, match=r"manifest\.json is damaged"):
        read_manifest(path)


def test_a_newer_format_asks_for_an_upgrade(path: Path) -> None:
    file = path / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"version": 4, "probes": "unheard of"}))
    with pytest.raises(
        VectorIndexError, match=r"format version 4; this release reads up to 3: upgrade youtu-st"
    ):
        read_manifest(path)


def test_identity_and_fingerprint_are_asked_for_once(tmp_path: Path) -> None:
    """An encoder may have to sample its weights to tell them."""
    looks: list[str] = []

    class Counting(TinyEncoder):
        def __getattribute__(self, name: str) -> Any:
            if name in ("identity", "fingerprint"):
                looks.append(name)
            return super().__getattribute__(name)

    same, elsewhere = Counting(), Counting(runtime=OTHER, noise=0.0005)
    other = Counting(pooling="mean")
    looks.clear()
    VectorIndex.create(tmp_path / "index", same).close()
    assert sorted(looks) == ["fingerprint", "identity"]
    for encoder in (same, elsewhere):
        looks.clear()
        VectorIndex.open(tmp_path / "index", encoder).close()
        assert sorted(looks) == ["fingerprint", "identity"]
    looks.clear()
    with pytest.raises(IndexMismatchError, match="pooling: index has hash, encoder has mean"):
        VectorIndex.open(tmp_path / "index", other)
    assert looks == ["identity"]


def test_what_create_returns_has_the_manifest_that_is_written(tmp_path: Path, encoder: TinyEncoder) -> None:
    with VectorIndex.create(tmp_path / "index", encoder) as index:
        made, read = index.manifest, read_manifest(tmp_path / "index")
    for name in ("model", "fingerprint", "identity", "runtime", "dimension", "factory", "created", "count"):
        assert getattr(made, name) == getattr(read, name)
    assert made.probe_texts == read.probe_texts
    np.testing.assert_array_equal(made.query_probes, read.query_probes)
    np.testing.assert_array_equal(made.document_probes, read.document_probes)


def test_settings_are_kept_until_others_take_their_place(path: Path, encoder: TinyEncoder) -> None:
    assert read_manifest(path).settings == {}
    assert "settings" not in json.loads((path / "manifest.json").read_text())
    with VectorIndex.open(path, encoder) as index:
        index.remember({"chunk_tokens": 9, "overlap": 0})
        assert read_manifest(path).settings == {"chunk_tokens": 9, "overlap": 0}  # before the index is closed
        with VectorIndex.open(path, encoder) as other, pytest.raises(IndexLockedError):
            other.remember({})
        index.add(["three"], ["c"])
    manifest = read_manifest(path)
    assert (manifest.settings, manifest.count) == ({"chunk_tokens": 9, "overlap": 0}, 3)
    with VectorIndex.open(path, encoder) as index:
        index.remember({"chunk_tokens": 7})
        assert index.manifest.settings == {"chunk_tokens": 7}
    assert read_manifest(path).settings == {"chunk_tokens": 7}


@pytest.mark.parametrize(
    "settings", [[], "x", {"chunk_tokens": "9"}, {"chunk_tokens": True}, {"overlap": 0.5}]
)
def test_settings_that_are_no_ints_are_damage(path: Path, encoder: TinyEncoder, settings: object) -> None:
    manifest = path / "manifest.json"
    content = json.loads(manifest.read_text()) | {"settings": settings}
    manifest.write_text(json.dumps(content))
    with pytest.raises(IndexDamagedError, match='"settings" is '):
        read_manifest(path)
