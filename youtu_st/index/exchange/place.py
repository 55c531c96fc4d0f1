"""The place of a new index: it is made beside it, and takes it when it is whole."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from youtu_st import disk
from youtu_st.errors import IndexExistsError, VectorIndexError, printable
from youtu_st.index.storage.creation import check_vacant

try:
    import fcntl
except ImportError:  # Windows: what a killed process left is for its owner to remove
    fcntl = None  # type: ignore[assignment]

_SUFFIX = ".new"
_ATTEMPTS = 3


def check_empty(out: Path) -> None:
    """Refuse a directory that holds anything: what takes its name later can take nothing else's.

    Raises:
        IndexExistsError: Naming it.
    """
    check_vacant(out)
    if out.exists() and any(out.iterdir()):
        raise IndexExistsError(f"{printable(str(out))} must be a new or an empty directory")


@contextmanager
def made_beside(out: Path) -> Iterator[Path]:
    """A directory beside another, whose name it takes at the end; after an error or Ctrl-C it is gone.

    It is locked as long as this process lives. What a killed one has left for the same place is removed.

    Args:
        out: The place; folders above it are made.

    Raises:
        IndexExistsError: If somebody has put something there meanwhile.
        VectorIndexError: If it cannot be made, or cannot take the name for another reason.
    """
    built, lock = _name(out), None
    try:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            _sweep(out)
            for _ in range(_ATTEMPTS):
                built.mkdir()
                lock = _locked(built)
                if lock is None or _is_at(lock, built):  # nobody has swept it in between
                    break
                os.close(lock)
                lock, built = None, _name(out)
        except OSError as error:
            raise _unwritten(out, error) from error
        try:
            yield built
        except VectorIndexError as error:  # nobody knows the name that it is made under
            raise type(error)(str(error).replace(str(built), str(out))) from error
        try:
            disk.take_place(built, out)
        except FileExistsError as error:
            raise IndexExistsError(f"{printable(str(out))}: {error.strerror}") from error
        except OSError as error:
            raise _unwritten(out, error) from error
    finally:
        shutil.rmtree(built, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _name(out: Path) -> Path:
    beside = disk.beside(out)
    return beside.with_name(beside.name + _SUFFIX)


def _unwritten(out: Path, error: OSError) -> VectorIndexError:
    return VectorIndexError(f"{printable(str(out))} cannot be written: {error.strerror or error}")


def _sweep(out: Path) -> None:
    """Remove what was begun for this place by processes that are dead, as far as one may."""
    begun = re.compile(rf"\.{re.escape(out.name)}\.[0-9a-f]{{16}}{re.escape(_SUFFIX)}")
    names: list[str] = []
    with suppress(OSError):
        names = [name for name in os.listdir(out.parent) if begun.fullmatch(name)]
    for name in names:
        with suppress(OSError):  # a link, or somebody else's
            lock = _locked(out.parent / name)
            if lock is not None:
                shutil.rmtree(out.parent / name, ignore_errors=True)
                os.close(lock)


def _locked(directory: Path) -> int | None:
    """The descriptor of a directory that is locked until it is closed.

    None: somebody living has it, or there are no locks here.
    """
    if fcntl is None:
        return None
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False
