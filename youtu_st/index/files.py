"""Names of the files in an index directory; writing one, and removing what a killed writer left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from youtu_st.disk import whole
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
        raise VectorIndexError(f"{path} cannot be written: {error}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a whole file as :func:`youtu_st.disk.whole` does, under a name that the next writer clears away.

    Raises:
        VectorIndexError: If it cannot be written.
    """
    with writing(path), whole(path, temporary=f"{path.name}.tmp") as written:
        yield written


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
