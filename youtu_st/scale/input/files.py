"""Which files are read, and whether they are what they were."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import xxhash

from youtu_st.corpus.notes import Notes
from youtu_st.corpus.sources import find_files, suffix_of
from youtu_st.disk import open_plain
from youtu_st.errors import InputError, counted, in_one_line, printable
from youtu_st.scale.input.types import InputFile

KINDS = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "tsv",
    ".tsv.gz": "tsv",
    ".txt": "txt",
    ".txt.gz": "txt",
    **dict.fromkeys((".docx", ".htm", ".html", ".ipynb", ".md", ".pdf", ".pptx", ".rst"), "passages"),
}
"""Kinds of files by how their names end; upper case is fine. Code and ``.json`` are none of them: beside a
corpus they are mostly what it was made with, and what is to be known of it."""
_JOB = re.compile(rb'\{\s*"format"\s*:\s*"youtu-st-job"')
ENDS = 1 << 16
"""Bytes at each end of a file that its digest is of."""


class Changed(NamedTuple):
    """How files differ from what they were.

    Attributes:
        changed: Files of another size, or with other ends, as they are now.
        vanished: Files that are gone.
        new: Files that were not there.
    """

    changed: tuple[InputFile, ...]
    vanished: tuple[InputFile, ...]
    new: tuple[InputFile, ...]

    def __bool__(self) -> bool:
        return bool(self.changed or self.vanished or self.new)


def find_inputs(
    paths: Iterable[str | Path], notes: Notes | None = None, *, without: Path | None = None
) -> list[InputFile]:
    """Find the files to read, as :func:`~youtu_st.corpus.find_files` does; a file that has two names once.

    A job's folder below one of the folders is left out, with a note: what it holds was made of a corpus, most
    likely of this one. Where it is named itself, it is read.

    Args:
        paths: Files and folders.
        notes: Takes what is left out, and what cannot be read. None: the first problem is raised.
        without: A folder below these that is not walked: the one that is written to.

    Raises:
        InputError: If ``notes`` does not take a problem.
    """
    notes, paths = notes or Notes(), list(paths)
    # Corpora are what a .gitignore leaves out, and a job must find the same files when it goes on.
    found = find_files(paths, notes, suffixes=tuple(KINDS), without=without, ignore=False)
    jobs = _Jobs(paths, notes)
    if found.skipped:
        more = ", ..." if found.skipped > len(found.others) else ""
        names = ", ".join(map(printable, found.others))
        notes.note(f"skipped {counted(found.skipped, 'file')} of other kinds: {names}{more}")
    files: dict[str, InputFile] = {}
    for source in found.files:
        if jobs.hold(source.source):
            continue
        path = os.path.realpath(source.path)
        if path in files:
            if files[path].name != source.source:
                notes.note(
                    f"{printable(source.source)}: left out: the same file as {printable(files[path].name)}"
                )
            continue
        suffix = suffix_of(Path(source.source), tuple(KINDS)) or ""
        try:
            size, digest = digest_of_ends(path, source.source)
        except InputError as error:
            notes.problem(error, source.source)
            continue
        files[path] = InputFile(source.source, path, KINDS[suffix], size, digest)
    return list(files.values())


class _Jobs:
    """The folders of jobs below the folders that are read."""

    def __init__(self, paths: Sequence[str | Path], notes: Notes) -> None:
        self._named = {Path(path).as_posix() for path in paths}
        self._notes = notes
        self._are: dict[PurePosixPath, bool] = {}

    def hold(self, name: str) -> bool:
        """Whether a file that was found is in one of them; the first time, this is noted."""
        if name in self._named:
            return False
        for folder in PurePosixPath(name).parents:
            if folder.as_posix() in self._named:
                return False
            if folder not in self._are:
                self._are[folder] = _is_job(folder)
                if self._are[folder]:
                    self._notes.note(f"{printable(folder.as_posix())}: left out: the folder of another job")
            if self._are[folder]:
                return True
        return False


def _is_job(folder: PurePosixPath) -> bool:
    try:
        with open_plain(Path(folder, "job.json")) as stream:
            return _JOB.match(stream.read(100)) is not None
    except OSError:
        return False


def digest_of_ends(path: str | Path, name: str | None = None) -> tuple[int, str]:
    """A file's size in bytes, and a digest of its size and its ends: ``xxh3`` of 128 bits, in hex digits.

    Args:
        path: The file.
        name: What to call it. None: by its path.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        with open_plain(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            digest = xxhash.xxh3_128(str(size).encode() + b"\n")
            digest.update(stream.read(ENDS))
            stream.seek(max(stream.tell(), size - ENDS))
            digest.update(stream.read(ENDS))
    except OSError as error:
        what = f"{printable(name or str(path))}: cannot be read"
        raise InputError(in_one_line(what, (error.strerror or str(error)).lower())) from error
    return size, digest.hexdigest()


def looked_at_again(files: Iterable[InputFile]) -> list[InputFile]:
    """Files as they are now, under the same names; without those that are gone."""
    now = []
    for file in files:
        if os.path.isfile(file.path):
            size, digest = digest_of_ends(file.path, file.name)
            now.append(replace(file, size=size, digest=digest))
    return now


def compare_inputs(stored: Sequence[InputFile], now: Sequence[InputFile]) -> Changed:
    """How files differ from what they were, by name; where they are does not matter.

    Args:
        stored: As they were.
        now: As they are.
    """
    before, after = ({file.name: file for file in files} for files in (stored, now))
    return Changed(
        changed=tuple(
            file
            for name, file in after.items()
            if name in before and (before[name].size, before[name].digest) != (file.size, file.digest)
        ),
        vanished=tuple(file for name, file in before.items() if name not in after),
        new=tuple(file for name, file in after.items() if name not in before),
    )


def check_unchanged(file: InputFile) -> None:
    """Raise where a file is not what it was when it was found.

    Raises:
        InputError: Naming it.
    """
    if digest_of_ends(file.path, file.name) != (file.size, file.digest):
        raise InputError(f"{printable(file.name)}: the file has changed since it was planned")
