"""Directories that Chroma has written."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
from pathlib import Path

import pytest
from tiny import TinyEncoder

from youtu_st.errors import InputError
from youtu_st.index import VectorIndex
from youtu_st.index.exchange import import_index, open_source

chromadb = pytest.importorskip("chromadb")

from chromadb.config import Settings  # noqa: E402

TEXTS = [f"Passage {i} of many." for i in range(1500)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("chroma") / "db"
    client = chromadb.PersistentClient(str(path), settings=Settings(anonymized_telemetry=False))
    encoder = TinyEncoder()
    one = client.create_collection("passages", embedding_function=None)
    for first in range(0, 1500, 500):
        texts = TEXTS[first : first + 500]
        one.add(
            ids=[f"c{first + i}" for i in range(500)],
            embeddings=3 * encoder.encode_document(texts),
            documents=texts,
            metadatas=[{"n": first + i, "share": 0.5, "yes": True, "lang": "en"} for i in range(500)],
        )
    other = client.create_collection("other", embedding_function=None)
    other.add(ids=["x"], embeddings=encoder.encode_document(["alone"]))
    return path


def content(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_a_collection_becomes_an_index_and_stays_as_it_is(folder: Path, tmp_path: Path) -> None:
    before, encoder = content(folder), TinyEncoder()
    source = open_source(folder, collection="passages")
    try:
        assert (source.count, source.dimension) == (1500, 16)
        done = import_index(source, tmp_path / "idx", encoder)
    finally:
        source.close()
    assert done.documents == 1500
    with VectorIndex.open(tmp_path / "idx", encoder) as index:
        assert sorted(index.ids()) == sorted(f"c{i}" for i in range(1500))
        (found,) = index.get(["c1203"])
        assert found is not None
        assert (found.text, found.metadata) == (
            TEXTS[1203],
            {"n": 1203, "share": 0.5, "yes": True, "lang": "en"},
        )
        assert index.vectors(["c7"]) == pytest.approx(encoder.encode_document([TEXTS[7]]), abs=1e-6)
    assert content(folder) == before


def test_which_collection(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"several collections: say which .*--collection\): 'other', 'passages'"
    ):
        open_source(folder)
    with pytest.raises(InputError, match="no collection 'passage', and has: 'other', 'passages'"):
        open_source(folder, collection="passage")
    source = open_source(folder, collection="other")
    with pytest.raises(
        InputError, match=r"document 0, 'x': text 0|document 0, 'x': its text must be a str, not NoneType"
    ):
        import_index(source, tmp_path / "idx", TinyEncoder())
    source.close()
    assert not (tmp_path / "idx").exists()


def test_what_a_collection_says_of_its_model_is_not_loaded(folder: Path, tmp_path: Path) -> None:
    import shutil

    from chromadb.utils.embedding_functions import known_embedding_functions

    shutil.copytree(folder, tmp_path / "db")
    named = {"type": "known", "name": "sentence_transformer"}
    config = {"model_name": "evil/model", "device": "cpu", "normalize_embeddings": False}
    evil = {**named, "config": {**config, "kwargs": {"trust_remote_code": True}}}
    connection = sqlite3.connect(tmp_path / "db" / "chroma.sqlite3")
    (text,) = connection.execute("SELECT schema_str FROM collections WHERE name = 'passages'").fetchone()
    schema = json.loads(text)
    for part in (schema["defaults"], schema["keys"]["#embedding"]):
        part["float_list"]["vector_index"]["config"]["embedding_function"] = evil
    values = (json.dumps(schema), json.dumps({"embedding_function": evil}))
    connection.execute("UPDATE collections SET schema_str = ?, config_json_str = ?", values)
    connection.commit()
    connection.close()
    built: list[object] = []
    kind = known_embedding_functions["sentence_transformer"]
    before = kind.build_from_config
    kind.build_from_config = staticmethod(built.append)
    try:
        source = open_source(tmp_path / "db", collection="passages")
        assert sum(len(part.ids) for part in source.parts()) == 1500
        source.close()
    finally:
        kind.build_from_config = before
    assert not built


def test_what_is_no_directory_of_chroma(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "chroma.sqlite3").write_bytes(b"SQLite format 3\0" + b"\xff" * 4000)
    with pytest.raises(InputError, match="Chroma cannot read it") as caught:
        open_source(tmp_path / "db")
    assert "\n" not in str(caught.value)
    (tmp_path / "db" / "link").symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="link is no plain file"):
        open_source(tmp_path / "db")
    monkeypatch.setitem(sys.modules, "chromadb", None)
    with pytest.raises(ImportError, match="the package 'chromadb' must be installed: pip install"):
        open_source(folder)
