"""Directories that a crash, a full disk or a careless hand has left behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest
from tiny import TinyEncoder

from youtu_st.errors import IndexDamagedError, IndexWarning, VectorIndexError
from youtu_st.index import VectorIndex

TEXTS = [f"text {i}" for i in range(30)]
IDS = [str(i) for i in range(30)]


@pytest.fixture
def path(tmp_path: Path, encoder: TinyEncoder) -> Path:
    """Twenty documents in the snapshot of generation 1, ten in its journal, as a kill leaves them."""
    with VectorIndex.create(tmp_path / "built", encoder) as index:
        index.add(TEXTS[:20], IDS[:20])
    index = VectorIndex.open(tmp_path / "built", encoder)
    index.add(TEXTS[20:], IDS[20:])
    shutil.copytree(tmp_path / "built", tmp_path / "index")
    index.close()
    return tmp_path / "index"


def check(path: Path, encoder: TinyEncoder, generation: int | None = 2) -> None:
    """Reads, writes, and reads again."""
    with VectorIndex.open(path, encoder) as index:
        assert index.ids() == IDS
        assert [hits[0].id for hits in index.search_many(TEXTS, k=1)] == IDS
        index.add(["new"], ["new"])
    with VectorIndex.open(path, encoder) as index:
        assert index.ids() == [*IDS, "new"]
        assert [hits[0].id for hits in index.search_many([*TEXTS, "new"], k=1)] == [*IDS, "new"]
    if generation is None:
        generation = max(int(file.stem.split("-")[1]) for file in path.glob("vectors-*.faiss"))
    names = {entry.name for entry in path.iterdir()} - {"write.lock"}
    vectors = {f"vectors-{generation}.faiss", f"journal-{generation}.f32"}
    assert names == {"manifest.json", "documents.sqlite", "committed", *vectors}


def test_a_copy_of_a_live_index_opens(path: Path, encoder: TinyEncoder) -> None:
    assert os.path.getsize(path / "journal-1.f32") == 10 * (8 + 16 * 4)
    check(path, encoder)


@pytest.mark.parametrize("garbage", [b"x", b"\0" * 72, b"\xff" * 1000])
def test_a_half_written_record_is_ignored(path: Path, encoder: TinyEncoder, garbage: bytes) -> None:
    with (path / "journal-1.f32").open("ab") as file:
        file.write(garbage)
    check(path, encoder)


@pytest.mark.parametrize("whole", [True, False])
def test_leftovers_of_a_killed_checkpoint_are_ignored_and_removed(
    path: Path, encoder: TinyEncoder, whole: bool
) -> None:
    (path / "vectors-2.faiss.tmp").write_bytes(b"half")
    (path / "manifest.json.tmp").write_bytes(b"{")
    (path / "journal-2.f32").write_bytes(b"")
    (path / "vectors-0.faiss").write_bytes(b"old")
    if whole:  # written and renamed, and killed before the transaction
        shutil.copy(path / "vectors-1.faiss", path / "vectors-2.faiss")
    check(path, encoder)


def test_files_of_others_are_left_alone(path: Path, encoder: TinyEncoder) -> None:
    (path / "vectors-mine.faiss").write_text("notes")
    (path / "README").write_text("notes")
    with VectorIndex.open(path, encoder) as index:
        index.add(["new"])
    assert (path / "vectors-mine.faiss").read_text() == (path / "README").read_text() == "notes"


@pytest.mark.parametrize("size", [0, 3, 40, 1000])
def test_a_truncated_snapshot_is_an_error_that_names_it(path: Path, encoder: TinyEncoder, size: int) -> None:
    os.truncate(path / "vectors-1.faiss", size)
    with pytest.raises(IndexDamagedError, match=r"vectors-1\.faiss is damaged: FAISS cannot read it"):
        VectorIndex.open(path, encoder)


def test_a_snapshot_of_another_index_is_an_error(path: Path, tmp_path: Path, encoder: TinyEncoder) -> None:
    with VectorIndex.create(tmp_path / "wide", TinyEncoder(32)) as index:
        index.add(["a"])
    shutil.copy(tmp_path / "wide" / "vectors-1.faiss", path / "vectors-1.faiss")
    with pytest.raises(IndexDamagedError, match=r"vectors-1\.faiss is damaged: .*vectors of 32 numbers"):
        VectorIndex.open(path, encoder)
    with VectorIndex.create(tmp_path / "short", encoder) as index:
        index.add(["a"])
    shutil.copy(tmp_path / "short" / "vectors-1.faiss", path / "vectors-1.faiss")
    with pytest.raises(IndexDamagedError, match=r"vectors-1\.faiss is damaged: its checksum is not"):
        VectorIndex.open(path, encoder)


def test_a_journal_shorter_than_committed_is_an_error(path: Path, encoder: TinyEncoder) -> None:
    os.truncate(path / "journal-1.f32", 5 * 72 + 7)
    with pytest.raises(
        IndexDamagedError,
        match=r"journal-1\.f32 is damaged: vectors .* bytes 0 to 720, which hold 5 records of 10",
    ):
        VectorIndex.open(path, encoder)


def test_a_journal_of_zeros_is_an_error(path: Path, encoder: TinyEncoder) -> None:
    (path / "journal-1.f32").write_bytes(b"\0" * 720)  # what some file systems make of a power cut
    with pytest.raises(IndexDamagedError, match=r"journal-1\.f32 is damaged"):
        VectorIndex.open(path, encoder)


@pytest.mark.parametrize("name", ["vectors-1.faiss", "journal-1.f32"])
def test_a_missing_file_is_an_error_that_names_it(path: Path, encoder: TinyEncoder, name: str) -> None:
    (path / name).unlink()
    with pytest.raises(IndexDamagedError, match=name.replace(".", r"\.") + r" is missing"):
        VectorIndex.open(path, encoder)


def test_a_damaged_database_is_an_error_that_names_it(path: Path, encoder: TinyEncoder) -> None:
    for name in ("documents.sqlite-wal", "documents.sqlite-shm"):
        (path / name).unlink()
    (path / "documents.sqlite").write_bytes(b"this is no database" * 500)
    with pytest.raises(IndexDamagedError, match=r"documents\.sqlite is damaged: file is not a database"):
        VectorIndex.open(path, encoder)
    (path / "documents.sqlite").write_bytes(b"")
    with pytest.raises(IndexDamagedError, match=r"documents\.sqlite is damaged: no such table"):
        VectorIndex.open(path, encoder)
    (path / "documents.sqlite").unlink()
    with pytest.raises(IndexDamagedError, match=r"documents\.sqlite is damaged: it is missing"):
        VectorIndex.open(path, encoder)


def test_a_write_that_fails_changes_nothing(path: Path, encoder: TinyEncoder) -> None:
    """The vectors cannot be written, inside the transaction: it is undone, and the next one is whole."""
    journal, aside = path / "journal-1.f32", path.with_name("aside")
    with VectorIndex.open(path, encoder) as index:
        index.add(["first"], ["first"])
        journal.rename(aside)
        journal.mkdir()
        for _ in range(2):
            with pytest.raises(VectorIndexError, match=r"journal-1\.f32 is not a plain file"):
                index.add(["x", "y", "z"], ["5", "bad", "z"])
        assert index.ids() == [*IDS, "first"]
        assert index.get(["5"])[0].text == "text 5"  # type: ignore[union-attr]
        journal.rmdir()
        aside.rename(journal)
        index.add(["after"], ["after"])
        assert index.search("after", k=1)[0].id == "after"
    with VectorIndex.open(path, encoder) as index:
        assert index.ids() == [*IDS, "first", "after"]
        assert [hits[0].id for hits in index.search_many([*TEXTS, "after"], k=1)] == [*IDS, "after"]


def test_nothing_raises_after_a_commit(tmp_path: Path, encoder: TinyEncoder) -> None:
    """The documents are stored, and then there is no room to train: a retry would store them twice."""
    path = tmp_path / "index"
    with VectorIndex.create(path, encoder, "IVF2,Flat") as index:
        (path / "vectors-1.faiss.tmp").mkdir()  # which no file can replace
        with pytest.warns(IndexWarning, match="all documents of .* are stored, but its files could not be"):
            ids = index.add([f"text {i}" for i in range(90)])
        assert index.ids() == ids
        assert len(index) == 90
        index.add(["more"], ["more"])
        (path / "vectors-1.faiss.tmp").rmdir()
        assert index.search("more", k=1)[0].id == "more"
    with VectorIndex.open(path, encoder) as index:
        assert index.ids() == [*ids, "more"]
        assert index.search("more", k=1)[0].id == "more"


@pytest.mark.skipif(sys.platform == "win32", reason="limits as POSIX has them")
@pytest.mark.parametrize("limit", [1_000, 3_000, 30_000, 120_000])
def test_a_full_disk_loses_nothing(path: Path, encoder: TinyEncoder, limit: int) -> None:
    """No file may grow past the limit: ``add``, or the folding in ``close``, fails part way."""
    import resource

    many = [f"many {i}" for i in range(2000)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    index = VectorIndex.open(path, encoder)
    vectors = encoder.encode_document(many)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        for _ in range(2):
            with pytest.raises(VectorIndexError, match="cannot be written|disk I/O error|full"):
                index.add(many, vectors=vectors)
        assert index.ids() == IDS
        with contextlib.suppress(VectorIndexError):  # a small limit stops this too
            index.add(["new"], ["new"])
        expected = index.ids()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IndexWarning)  # where the limit keeps the files from being folded
            index.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with VectorIndex.open(path, encoder) as index:
        assert index.ids() == expected
        assert expected in (IDS, [*IDS, "new"])
        index.delete(["new"])
    check(path, encoder, generation=None)


READ_ONLY = """
import os, sys
sys.path.insert(0, sys.argv[2])
from tiny import TinyEncoder
from youtu_st.errors import VectorIndexError
from youtu_st.index import VectorIndex

TinyEncoder().encode_query(["imports what it needs while it may"])
if os.getuid() == 0:
    os.setuid(65534)  # root may write anywhere
index = VectorIndex.open(sys.argv[1], TinyEncoder())
print(len(index), index.search("new", k=1)[0].id)
try:
    index.add(["x"])
except VectorIndexError as error:
    print("cannot be written" in str(error))
"""


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="permissions as POSIX has them")
def test_a_directory_that_may_not_be_written_is_read(path: Path, encoder: TinyEncoder) -> None:
    with VectorIndex.open(path, encoder) as index:
        index.add(["new"], ["new"])
    (path / "write.lock").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to other users
        copy = shutil.copytree(path, Path(folder, "index"))
        os.chmod(folder, 0o755)
        copy.chmod(0o555)
        command = [sys.executable, "-c", READ_ONLY, str(copy), str(Path(__file__).parent)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        copy.chmod(0o755)
    assert (done.stdout, done.stderr) == ("31 new\nTrue\n", "")
