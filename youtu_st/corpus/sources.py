"""Which files are read: those that were named, and those in the folders that were named."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from youtu_st.corpus.conditions import below
from youtu_st.corpus.ignored import Ignored, Rules
from youtu_st.corpus.notes import Notes
from youtu_st.disk import open_plain
from youtu_st.errors import InputError, brief

TEXTS = (".csv", ".htm", ".html", ".json", ".jsonl", ".md", ".rst", ".tsv", ".txt")
OFFICE = (".docx", ".ipynb", ".pdf", ".pptx")
OF_C = (".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp")
OF_SCRIPT = (".cjs", ".js", ".jsx", ".mjs", ".ts", ".tsx")
SUFFIXES = (*TEXTS, *OFFICE, *OF_C, *OF_SCRIPT, ".cs", ".go", ".java", ".py", ".rs")
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
        ignored: Number of files that could be read, and of folders, that rules left out.
        left_out: Names of the first few of these; a folder's ends in a slash.
        owned: Filters for :class:`~youtu_st.index.VectorIndex`; what any of them matches is a passage of
            these files, or of a file in these folders that is gone.
    """

    files: tuple[SourceFile, ...]
    skipped: int
    others: tuple[str, ...]
    owned: tuple[dict[str, Any], ...]
    ignored: int = 0
    left_out: tuple[str, ...] = ()


def find_files(
    paths: Iterable[str | Path],
    notes: Notes | None = None,
    *,
    suffixes: Sequence[str] = SUFFIXES,
    without: Path | None = None,
    ignore: bool = True,
    exclude: Sequence[str] = (),
) -> Found:
    """Find the files to read.

    Folders are walked. Hidden files and folders are left out, and what git would ignore. So are links to
    folders, and what goes by the name of a text and is no file: a link to nowhere, a pipe; each with a note.

    Args:
        paths: Files and folders.
        notes: Takes what cannot be read: a path that does not exist, a file that was named and is of an
            unknown kind, a folder that cannot be listed, a name that is not valid Unicode, which an index
            could not hold. None: the first is raised.
        suffixes: Kinds of files to read, in lower case; ``.jsonl.gz`` is one.
        without: A folder below these that is not walked, such as the one that is written to.
        ignore: Whether the rules of ``.gitignore`` files count below folders: those in them, and above them
            in the same repository. A file or folder that is named is read in any case.
        exclude: Further patterns, as a ``.gitignore`` in each folder that is named would have them; they
            count for more than all of these files.

    Raises:
        InputError: If ``notes`` does not take a problem, or one of ``exclude`` is no pattern.
    """
    notes = notes or Notes()
    kept_out = os.path.realpath(without) if without is not None else None
    rules = Rules(exclude, strict=True)
    files: dict[str, SourceFile] = {}
    skipped: list[str] = []
    number = 0
    left_out: dict[str, None] = {}
    folders: list[dict[str, Any]] = []
    named: list[str] = []
    for path in map(Path, paths):
        source = path.as_posix()
        if os.path.isdir(path):
            folders.append(below(source))
            ignored = Ignored(path, notes, git=ignore, exclude=rules)
            for found in _walk(path, notes, kept_out, ignored, left_out):
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
    missed = [name for name in left_out if name not in files and _is_read(name, suffixes)]
    owned = ({"source": {"$in": named}}, *folders)
    first = tuple(missed[:MOST_OTHERS])
    return Found(tuple(files.values()), number, tuple(skipped), owned, len(missed), first)


def _is_read(name: str, suffixes: Sequence[str]) -> bool:
    """Whether it is a folder, or a file that could be read."""
    return name.endswith("/") or suffix_of(Path(name), suffixes) is not None


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


def _walk(
    folder: Path, notes: Notes, without: str | None, ignored: Ignored, left_out: dict[str, None]
) -> Iterator[SourceFile]:
    """The files below a folder; the names of what rules leave out are added to ``left_out``."""

    def fail(error: OSError) -> None:
        directory = Path(os.fsdecode(error.filename or folder))
        reason = (error.strerror or str(error)).lower()
        problem = InputError(f"{_shown(str(directory))}: the folder cannot be listed: {reason}")
        problem.__cause__ = error
        notes.problem(problem, directory.as_posix(), below=True)

    for directory, folders, names in os.walk(folder, onerror=fail):
        ignored.enter(directory)
        seen = []
        for name in sorted(folders):
            path = Path(directory) / name
            if name.startswith("."):
                continue
            is_link = os.path.islink(path)
            if ignored.holds(directory, name, is_folder=not is_link):
                left_out[f"{path.as_posix()}/"] = None
            elif is_link:
                notes.note(f"{_shown(path.as_posix())}: left out: a link to a folder")
            elif without is None or os.path.realpath(path) != without:
                seen.append(name)
        folders[:] = seen
        for name in sorted(names):
            if name.startswith("."):
                continue
            path = Path(directory) / name
            if ignored.holds(directory, name, is_folder=False):
                left_out[path.as_posix()] = None
            else:
                yield SourceFile(path, path.as_posix())
