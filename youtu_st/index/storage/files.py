"""Names of the files in an index directory; opening one that is a plain file, and removing leftovers."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from youtu_st import disk
from youtu_st.errors import IndexDamagedError, VectorIndexError

MANIFEST = "manifest.json"
DOCUMENTS = "documents.sqlite"
COMMITTED = "committed"
LOCK = "write.lock"

_OURS = re.compile(
    r"manifest\.json(\.tmp)?|documents\.sqlite(-wal|-shm|-journal)?|committed|write\.lock"
    r"|vectors-\d+\.faiss(\.tmp)?|journal-\d+\.f32"
)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def vectors_path(directory: Path, generation: int) -> Path:
    """The FAISS snapshot of a generation."""
    return directory / f"vectors-{generation}.faiss"


def journal_path(directory: Path, generation: int) -> Path:
    """The vectors added since that snapshot."""
    return directory / f"journal-{generation}.f32"


def is_ours(name: str) -> bool:
    """Whether an index may have a file of that name."""
    return _OURS.fullmatch(name) is not None


def check_plain(path: Path) -> None:
    """Refuse what is there and no plain file: a link leads elsewhere, a pipe never ends.

    Raises:
        IndexDamagedError: Naming it.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise _odd(path)


def check_directory(directory: Path) -> None:
    """Refuse an index that holds anything under one of its names but a plain file.

    Raises:
        IndexDamagedError: Naming it. A rollback journal is one more thing that no index has: SQLite would
            play it back, and delete files that it names.
    """
    with os.scandir(directory) as entries:
        for entry in entries:
            if is_ours(entry.name):
                if not entry.is_file(follow_symlinks=False):
                    raise _odd(directory / entry.name)
                if entry.name == f"{DOCUMENTS}-journal":
                    raise IndexDamagedError(
                        f"{directory / entry.name} does not belong to an index: remove it"
                    )


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """The descriptor of a plain file.

    Raises:
        FileNotFoundError: If it is gone.
        IndexDamagedError: If it is no plain file.
        OSError: If it cannot be opened.
    """
    check_plain(path)
    descriptor = os.open(path, flags | _NO_LINK, 0o666)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _odd(path)
        yield descriptor
    finally:
        os.close(descriptor)


def _odd(path: Path) -> IndexDamagedError:
    kind = "a link to elsewhere (copy an index with cp -rL)" if path.is_symlink() else "not a plain file"
    return IndexDamagedError(f"{path} is {kind}: an index holds plain files only")


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


def temporary(path: Path) -> Path:
    """The name that a file is written under before :func:`publish` gives it its own."""
    return path.with_name(f"{path.name}.tmp")


def publish(path: Path) -> None:
    """Give the file at :func:`temporary` its name, durably; one that is no plain file is not written through.

    Raises:
        OSError: If it cannot be.
    """
    check_plain(path)
    disk.replace(temporary(path), path)


def remove_leftovers(directory: Path, generation: int) -> None:
    """Delete temporary files and the vectors and journals of every other generation, as far as one may."""
    keep = {vectors_path(directory, generation), journal_path(directory, generation)}
    for pattern in ("vectors-*.faiss", "journal-*.f32", "vectors-*.faiss.tmp", "manifest.json.tmp"):
        for path in directory.glob(pattern):
            if path not in keep and is_ours(path.name):
                with suppress(OSError):  # Windows: a reader still has it open; the next writer tries again
                    path.unlink(missing_ok=True)
