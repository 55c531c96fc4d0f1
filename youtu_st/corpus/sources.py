"""Which files are read: those that were named, and those in the folders that were named."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from youtu_st.corpus.conditions import below
from youtu_st.corpus.notes import Notes
from youtu_st.disk import open_plain
from youtu_st.errors import InputError, brief

TEXTS = (".csv", ".htm", ".html", ".json", ".jsonl", ".md", ".rst", ".tsv", ".txt")
OFFICE = (".docx", ".ipynb", ".pdf", ".pptx")
CODE = tuple(
    ".c .cc .cjs .cpp .cs .cxx .go .h .hh .hpp .java .js .jsx .mjs .py .rs .ts .tsx".split()
)
SUFFIXES = (*TEXTS, *OFFICE, *CODE)
"""Kinds of files that can be read; upper case is fine."""
MOST_OTHERS = 5
"""Files of other kinds that are known by name."""
_LONGEST_NAME = 4096


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
        return Path(self.source).suffix.lower()  # a link's own, wherever it leads


@dataclass(frozen=True, slots=True)
class Found:
    """What :func:`find_files` found.

    Attributes:
        files: The files, each once, in the order of the paths and sorted below a folder.
        skipped: Number of files in folders that are of another kind.
        others: Names of the first few of these.
        owned: Filters for :class:`~youtu_st.index.VectorIndex`; what any of them matches is a passage of
            these files, or of a file in these folders that is gone.
    """

    files: tuple[SourceFile, ...]
    skipped: int
    others: tuple[str, ...]
    owned: tuple[dict[str, Any], ...]


def find_files(
    paths: Iterable[str | Path],
    notes: Notes | None = None,
    *,
    suffixes: Sequence[str] = SUFFIXES,
    without: Path | None = None,
) -> Found:
    """Find the files to read.

    Folders are walked. Hidden files and folders are left out. So are links to folders, and what goes by the
    name of a text and is no file: a link to nowhere, a pipe; each with a note.

    Args:
        paths: Files and folders.
        notes: Takes what cannot be read: a path that does not exist, a file that was named and is of an
            unknown kind, a folder that cannot be listed, a name that is not valid Unicode, which an index
            could not hold. None: the first is raised.
        suffixes: Kinds of files to read, in lower case; ``.jsonl.gz`` is one.
        without: A folder below these that is not walked, such as the one that is written to.

    Raises:
        InputError: If ``notes`` does not take a problem.
    """
    notes = notes or Notes()
    left_out = os.path.realpath(without) if without is not None else None
    files: dict[str, SourceFile] = {}
    skipped: list[str] = []
    number = 0
    folders: list[dict[str, Any]] = []
    named: list[str] = []
    for path in map(Path, paths):
        source = path.as_posix()
        if os.path.isdir(path):
            folders.append(below(source))
            for found in _walk(path, notes, left_out):
                if suffix_of(found.path, suffixes) is None:
                    number += 1
                    skipped += [found.source][: MOST_OTHERS - len(skipped)]
                elif not os.path.isfile(found.path):
                    notes.note(f"{_shown(found.source)}: left out: {_absence(found.path)}")
                elif _is_unicode(found.source, notes):
                    files.setdefault(found.source, found)
        elif not os.path.isfile(path):
            notes.problem(InputError(f"{_shown(str(path))}: {_absence(path)}"), source)
        elif suffix_of(path, suffixes) is None:
            known = ", ".join(suffixes)
            notes.problem(InputError(f"{path}: cannot read files of this kind; known: {known}"), source)
        elif _is_unicode(source, notes):
            named.append(source)
            files.setdefault(source, SourceFile(path, source))
    return Found(tuple(files.values()), number, tuple(skipped), ({"source": {"$in": named}}, *folders))


def suffix_of(path: Path, suffixes: Sequence[str]) -> str | None:
    """Which of some suffixes a file's name ends in, upper case or not; the longest; None: in none of them."""
    name = path.name.lower()
    return max((one for one in suffixes if name.endswith(one) and name != one), key=len, default=None)


def _is_unicode(source: str, notes: Notes) -> bool:
    if source.isascii():
        return True
    try:
        source.encode()
    except UnicodeEncodeError as error:
        problem = InputError(f"{brief(source)}: no index can hold a name that is not UTF-8: rename the file")
        problem.__cause__ = error
        notes.problem(problem, brief(source))
        return False
    return True


def _shown(name: str) -> str:
    """A name as it is, if a message can hold it."""
    return name if name.isprintable() and len(name) <= _LONGEST_NAME else brief(name)


def _absence(path: Path) -> str:
    """Why something is neither a file nor a folder."""
    try:
        open_plain(path).close()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            return (error.strerror or str(error)).lower()
    return "a link to nowhere" if path.is_symlink() else "no such file or folder"


def _walk(folder: Path, notes: Notes, without: str | None) -> Iterator[SourceFile]:
    def fail(error: OSError) -> None:
        directory = Path(os.fsdecode(error.filename or folder))
        reason = (error.strerror or str(error)).lower()
        problem = InputError(f"{_shown(str(directory))}: the folder cannot be listed: {reason}")
        problem.__cause__ = error
        notes.problem(problem, directory.as_posix(), below=True)

    for directory, folders, names in os.walk(folder, onerror=fail):
        seen = sorted(name for name in folders if not name.startswith("."))
        links = {name for name in seen if os.path.islink(os.path.join(directory, name))}
        for name in sorted(links):
            notes.note(f"{_shown((Path(directory) / name).as_posix())}: left out: a link to a folder")
        folders[:] = [
            name
            for name in seen
            if name not in links
            and (without is None or os.path.realpath(os.path.join(directory, name)) != without)
        ]
        for name in sorted(names):
            if not name.startswith("."):
                path = Path(directory) / name
                yield SourceFile(path, path.as_posix())
