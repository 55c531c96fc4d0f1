"""Names of the files in an index directory, and writing one so that a crash leaves the old or the new."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from youtu_st.errors import VectorIndexError

MANIFEST = "manifest.json"
DOCUMENTS = "documents.sqlite"
LOCK = "write.lock"

_OURS = re.compile(
    r"manifest\.json(\.tmp)?|documents\.sqlite(-wal|-shm|-journal)?|write\.lock"
    r"|vectors-\d+\.faiss(\.tmp)?|journal-\d+\.f32"
)


def vectors_path(directory: Path, generation: int) -> Path:
    """The FAISS snapshot of a generation."""
    return directory / f"vectors-{generation}.faiss"


def journal_path(directory: Path, generation: int) -> Path:
    """The vectors added since that snapshot."""
    return directory / f"journal-{generation}.f32"


def is_ours(name: str) -> bool:
    """Whether an index may have a file of that name."""
    return _OURS.fullmatch(name) is not None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write (a full disk, a missing permission) into an error that names the file.

    Raises:
        VectorIndexError: For any ``OSError`` inside.
    """
    try:
        yield
    except OSError as error:
        raise VectorIndexError(f"{path} cannot be written: {error}.") from error


def write(path: Path, content: bytes) -> None:
    """Write a whole file: a reader, or a crash, sees the old content or the new."""
    temporary = path.with_name(path.name + ".tmp")
    with writing(temporary):
        temporary.write_bytes(content)
    replace(temporary, path)


def replace(temporary: Path, path: Path) -> None:
    """Make a written file durable, then give it its name in one step."""
    with writing(path):
        descriptor = os.open(temporary, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make names in a directory durable, where the system can (Windows cannot open a directory)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(directory: Path, generation: int) -> None:
    """Delete temporary files and the vectors and journals of every other generation."""
    keep = {vectors_path(directory, generation), journal_path(directory, generation)}
    for pattern in ("vectors-*.faiss", "journal-*.f32", "vectors-*.faiss.tmp", "manifest.json.tmp"):
        for path in directory.glob(pattern):
            if path not in keep and is_ours(path.name):
                try:
                    path.unlink(missing_ok=True)
                except PermissionError:  # Windows: a reader still has it open; the next writer tries again.
                    continue
