"""Which files are read: those that were named, and those in the folders that were named."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from youtu_st.disk import open_plain
from youtu_st.errors import InputError, brief

SUFFIXES = (".csv", ".jsonl", ".md", ".pdf", ".txt")
"""Kinds of files that can be read; upper case is fine."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file, and the name that its passages carry.

    Attributes:
        path: Where it is.
        source: Its path as it was given, or as found below a folder as that was given; forward slashes.
    """

    path: Path
    source: str

    @property
    def suffix(self) -> str:
        """Its suffix in lower case."""
        return self.path.suffix.lower()


@dataclass(frozen=True, slots=True)
class Found:
    """What :func:`find_files` found.

    Attributes:
        files: The files, each once, in the order of the paths and sorted below a folder.
        skipped: Number of files in folders that are of another kind.
        owned: Filters for :class:`~youtu_st.index.VectorIndex`; what any of them matches is a passage of
            these files, or of a file in these folders that is gone.
    """

    files: tuple[SourceFile, ...]
    skipped: int
    owned: tuple[dict[str, Any], ...]


def find_files(paths: Iterable[str | Path]) -> Found:
    """Find the files to read.

    Folders are walked. Hidden files and folders are left out, and links to folders are not followed.

    Args:
        paths: Files and folders.

    Raises:
        InputError: If a path does not exist, a file that was named is of an unknown kind, or the name of one
            that was found is not valid Unicode, which an index could not hold.
        OSError: If a folder cannot be listed.
    """
    files: dict[str, SourceFile] = {}
    skipped = 0
    folders: list[dict[str, Any]] = []
    named: list[str] = []
    for path in map(Path, paths):
        if os.path.isdir(path):
            folders.append(_below(path.as_posix()))
            for found in _walk(path):
                if found.suffix in SUFFIXES and found.path.is_file():
                    files.setdefault(found.source, found)
                else:
                    skipped += 1
        elif os.path.isfile(path):
            file = SourceFile(path, path.as_posix())
            if file.suffix not in SUFFIXES:
                raise InputError(f"{path}: cannot read files of this kind; known: {', '.join(SUFFIXES)}")
            named.append(file.source)
            files.setdefault(file.source, file)
        else:
            raise InputError(f"{path}: {_absence(path)}")
    for source in files:
        if not source.isascii():
            _check_name(source)
    return Found(tuple(files.values()), skipped, ({"source": {"$in": named}}, *folders))


def _check_name(source: str) -> None:
    try:
        source.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{brief(source)}: no index can hold a name that is not UTF-8: rename the file"
        ) from error


def _absence(path: Path) -> str:
    """Why something that was named is neither a file nor a folder."""
    try:
        open_plain(path).close()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            return (error.strerror or str(error)).lower()
    return "no such file or folder"


def _walk(folder: Path) -> Iterator[SourceFile]:
    def fail(error: OSError) -> None:
        raise error

    for directory, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                path = Path(directory) / name
                yield SourceFile(path, path.as_posix())


def _below(folder: str) -> dict[str, Any]:
    """A filter for sources below a folder: a range, since filters know no prefixes."""
    if folder != ".":
        prefix = folder.rstrip("/")
        return {"source": {"$gte": f"{prefix}/", "$lt": f"{prefix}0"}}  # "0" follows "/"
    # Sources below the current folder carry no prefix: all that are neither absolute nor above it.
    outside = [{"$not": _below(above)} for above in ("/", "..")]
    return {"$and": [{"source": {"$gte": ""}}, *outside]}
