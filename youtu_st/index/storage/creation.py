"""Making an index directory, and bringing one of an earlier release up to this one's format."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

from youtu_st import disk
from youtu_st.errors import IndexExistsError, IndexLockedError, VectorIndexError, brief
from youtu_st.index.nearest.vectors import VectorTable
from youtu_st.index.storage import files
from youtu_st.index.storage.manifest import Manifest
from youtu_st.index.storage.schema import create_documents
from youtu_st.index.storage.state import State, write_committed


def check_vacant(path: Path) -> None:
    """Refuse a directory that holds an index, or anything that ``create`` did not leave there half-made.

    Raises:
        IndexExistsError: The message names what is there.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise IndexExistsError(f"{path} must be a new or an empty directory, not a file")
    names = sorted(entry.name for entry in path.iterdir())
    if files.MANIFEST in names:
        raise IndexExistsError(
            f"{path} holds an index already: open it with VectorIndex.open, or choose another"
        )
    foreign = [name for name in names if not files.is_ours(name)]
    if foreign:
        raise IndexExistsError(f"{path} must be a new or an empty directory, and holds {brief(foreign[0])}")


def create_directory(path: Path, manifest: Manifest, table: VectorTable) -> None:
    """Write an empty index."""
    with files.writing(path):
        path.mkdir(parents=True, exist_ok=True)
    lock = write_lock(path)
    try:  # an interrupt may come when it is taken already
        acquire(lock, path)
        check_vacant(path)  # another process may have been faster
        with files.writing(path):
            for entry in path.iterdir():
                if entry.name != files.LOCK:
                    entry.unlink()
        snapshot = write_generation(path, 0, table)
        create_documents(path / files.DOCUMENTS, State(snapshot=snapshot), lexical=manifest.lexical)
        with files.writing(path / files.COMMITTED):
            write_committed(path, State().commit)
        manifest.write(path)  # last: a directory without it is not an index
    finally:
        lock.release(force=True)


def write_generation(path: Path, generation: int, table: VectorTable) -> int:
    """Write a snapshot of a table, with an empty journal.

    Returns:
        The checksum of the snapshot's file.

    Raises:
        VectorIndexError: If it cannot be written; what was written then is removed.
    """
    journal, vectors = files.journal_path(path, generation), files.vectors_path(path, generation)
    with files.writing(journal), files.opened(journal, os.O_WRONLY | os.O_CREAT | os.O_TRUNC):
        pass
    temporary = files.temporary(vectors)
    with files.writing(vectors):
        temporary.unlink(missing_ok=True)
        try:
            written = table.write(temporary)
            files.publish(vectors)
        finally:
            temporary.unlink(missing_ok=True)
    return written


def file_checksum(path: Path, length: int | None = None) -> int:
    """The checksum of a file, or of its first bytes.

    Raises:
        OSError: If it cannot be read.
    """
    with files.opened(path, os.O_RDONLY) as descriptor, open(descriptor, "rb", closefd=False) as file:
        return disk.file_checksum(file, length)


def write_lock(path: Path) -> FileLock:
    """The lock that a directory's one writer holds.

    The system releases it when the process dies, and a forked child does not have it. It is to be released by
    force: an interrupt while it is taken leaves it counted once more than it is held.
    """
    return FileLock(path / files.LOCK, timeout=0, thread_local=False)  # not tied to the thread that took it


def acquire(lock: FileLock, path: Path) -> None:
    """Take the lock.

    Raises:
        IndexLockedError: If somebody else has it.
        VectorIndexError: If it cannot be taken.
    """
    files.check_plain(path / files.LOCK)
    try:
        lock.acquire()
    except Timeout as error:
        raise IndexLockedError(
            f"the index in {path} is being written by another process or object: close that one (its close() "
            f"releases the lock, and so does its end), or open the index here for reading only"
        ) from error
    except (OSError, NotImplementedError) as error:
        raise VectorIndexError(f"the index in {path} cannot be written: {error}") from error
