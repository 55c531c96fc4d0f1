"""Directories from elsewhere: whatever stands in them, nothing is run, nothing else is touched, one clear error."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import TinyEncoder

from youtu_st.disk import checksum
from youtu_st.errors import IndexDamagedError, YoutuError
from youtu_st.index import VectorIndex, count_documents, read_manifest
from youtu_st.index.storage.rows import row_checksum

NAMES = ["manifest.json", "documents.sqlite", "vectors-1.faiss", "journal-1.f32", "committed", "write.lock"]

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="files as POSIX has them")


@pytest.fixture
def path(tmp_path: Path, encoder: TinyEncoder) -> Path:
    with VectorIndex.create(tmp_path / "index", encoder) as index:
        index.add(
            [f"text {i}" for i in range(20)], [str(i) for i in range(20)], [{"n": i} for i in range(20)]
        )
    (tmp_path / "index" / "write.lock").touch()
    return tmp_path / "index"


def use(path: Path) -> None:
    with VectorIndex.open(path, TinyEncoder()) as index:
        index.search("text 3", k=3, filter={"n": {"$lt": 9}})
        index.get(index.ids())
        index.add(["more"], ["more"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "directory"])
def test_only_plain_files_are_opened(path: Path, tmp_path: Path, name: str, kind: str) -> None:
    """A link would have the journal written over its target; a pipe would be waited for."""
    victim, file = tmp_path / "victim", path / name
    content = file.read_bytes()
    victim.write_bytes(content)
    file.unlink()
    if kind == "directory":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to(victim if kind == "link" else tmp_path / "nowhere")
    with pytest.raises(IndexDamagedError) as caught:
        use(path)
    assert str(file) in str(caught.value)
    assert ("a link to elsewhere" if "link" in kind else "not a plain file") in str(caught.value)
    assert victim.read_bytes() == content
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["index", "victim"]


@pytest.mark.parametrize(
    "name", ["documents.sqlite-wal", "documents.sqlite-shm", "vectors-2.faiss.tmp", "journal-2.f32"]
)
def test_links_that_wait_for_a_writer(path: Path, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (path / name).symlink_to(victim)
    with pytest.raises(IndexDamagedError, match="a link to elsewhere"):
        use(path)
    assert victim.read_bytes() == b"precious"


def test_a_rollback_journal_is_not_played_back(path: Path, tmp_path: Path) -> None:
    (path / "documents.sqlite-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(600))
    with pytest.raises(
        IndexDamagedError, match="documents.sqlite-journal does not belong to an index: remove it"
    ):
        use(path)


FOREIGN = [
    "CREATE TRIGGER t AFTER INSERT ON documents BEGIN UPDATE documents SET text = 'owned'; END",
    "CREATE TRIGGER t BEFORE DELETE ON documents BEGIN SELECT RAISE(IGNORE); END",
    "CREATE VIEW v AS SELECT load_extension('x')",
    "CREATE TABLE more (x)",
    "CREATE INDEX i ON documents (text)",
    "CREATE VIRTUAL TABLE f USING fts5(x)",
    "ALTER TABLE documents ADD COLUMN g TEXT GENERATED ALWAYS AS (upper(text))",
    "ALTER TABLE state RENAME COLUMN value TO other",
]


@pytest.mark.parametrize("statement", FOREIGN)
def test_a_database_with_more_than_ours_is_refused(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path / "documents.sqlite")
    try:
        connection.execute(statement)
    except sqlite3.OperationalError as error:
        pytest.skip(str(error))
    connection.commit()
    connection.close()
    with pytest.raises(
        IndexDamagedError, match=r"documents\.sqlite is damaged: its tables are others than ours"
    ):
        use(path)
    with pytest.raises(IndexDamagedError):
        count_documents(path)


def store(path: Path, key: int, id: object, text: object, metadata: object) -> None:
    """A document with its right checksum, as somebody who means harm would write it."""
    connection = sqlite3.connect(path / "documents.sqlite")
    stored = row_checksum(key, id, text, metadata)  # type: ignore[arg-type]
    connection.execute(
        "UPDATE documents SET id = ?, text = ?, metadata = ?, checksum = ? WHERE key = ?",
        [id, text, metadata, stored, key],
    )
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "metadata",
    [
        "[" * 100_000,
        '{"a":' * 3000 + "1" + "}" * 3000,
        "{",
        "[]",
        "null",
        "NaN",
        '{"a": ' + "9" * 5000 + "}",
        b"{}",
    ],
    ids=["brackets", "nested", "half", "list", "null", "NaN", "digits", "bytes"],
)
def test_metadata_that_is_none(path: Path, metadata: object) -> None:
    store(path, 4, "3", "text 3", metadata)
    with VectorIndex.open(path, TinyEncoder()) as index:
        with pytest.raises(IndexDamagedError, match="document 4") as caught:
            index.get(["3"])
        assert len(str(caught.value)) < 700
        with pytest.raises(IndexDamagedError):
            index.search("text 3", k=20)


@pytest.mark.parametrize("values", [(b"3", "text 3", "{}"), ("3", b"text", "{}")])
def test_a_document_that_is_no_text(path: Path, values: tuple[object, ...]) -> None:
    store(path, 4, *values)  # type: ignore[call-arg]
    with pytest.raises(IndexDamagedError):
        use(path)


def rewritten(change: Callable[[dict[str, object]], object]) -> Callable[[Path], object]:
    """A manifest with its right checksum."""

    def write(path: Path) -> None:
        content = json.loads((path / "manifest.json").read_text())
        del content["checksum"]
        change(content)
        content["checksum"] = checksum(json.dumps(content, sort_keys=True).encode())
        (path / "manifest.json").write_text(json.dumps(content))

    return write


HOSTILE_MANIFESTS: dict[str, Callable[[Path], object]] = {
    "brackets": lambda path: (path / "manifest.json").write_text("[" * 200_000),
    "digits": lambda path: (path / "manifest.json").write_text('{"version": ' + "9" * 10_000 + "}"),
    "huge": lambda path: (path / "manifest.json").write_text(" " * (20 << 20) + "{}"),
    "factory of 100 KB": rewritten(lambda content: content.update(factory="PCA8," * 20_000 + "Flat")),
    "nested factory": rewritten(lambda content: content.update(factory="IVF2(" * 2_000)),
    "dimension": rewritten(lambda content: content.update(dimension=1 << 40)),
    "true version": rewritten(lambda content: content.update(version=True)),
    "probes": rewritten(lambda content: content.update(probes={"texts": 5, "query": "", "document": ""})),
    "more probes": rewritten(lambda content: content.update(probes=[])),
    "surrogate": lambda path: (path / "manifest.json").write_text('{"format": "\\ud800"}'),
}


@pytest.mark.parametrize("hostile", HOSTILE_MANIFESTS)
def test_a_hostile_manifest_is_one_clear_error(path: Path, hostile: str) -> None:
    HOSTILE_MANIFESTS[hostile](path)
    with pytest.raises(YoutuError) as caught:
        use(path)
    assert len(str(caught.value)) < 1000


def test_a_manifest_that_is_a_pipe_is_not_waited_for(path: Path) -> None:
    (path / "manifest.json").unlink()
    os.mkfifo(path / "manifest.json")
    with pytest.raises(IndexDamagedError, match="manifest.json is not a plain file"):
        read_manifest(path)


def test_a_directory_that_is_a_link_is_an_index(path: Path, tmp_path: Path) -> None:
    """What stands inside counts; a link to the whole is as good as its name."""
    (tmp_path / "link").symlink_to(path)
    use(tmp_path / "link")
    shutil.rmtree(path)
