"""Files to documents: one for a block of a text file, for a record of a table, for a page."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from youtu_st.corpus.borders import blocks
from youtu_st.corpus.decoding import check_encoding, decode, decoded, encoding_of, lines
from youtu_st.corpus.notes import Notes
from youtu_st.corpus.sources import SourceFile, find_files
from youtu_st.corpus.tables import TEXT_FIELDS, Record, csv_records, json_records
from youtu_st.disk import open_plain
from youtu_st.errors import InputError, YoutuError, in_one_line, require

STANDARD_INPUT = "-"
LINE_SUFFIXES = (".csv", ".jsonl", ".tsv", ".txt")
"""Kinds of files that hold one text a line or a record."""


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A text, and where it is from.

    Attributes:
        text: The text; its lines end in a line feed.
        source: The file's name, see :class:`~youtu_st.corpus.SourceFile`.
        metadata: Further facts: ``line`` and ``id`` of a record, ``page`` of a PDF, a record's other fields.
        title: What stands before every part of the text.
        first_line: The line of the file that the text begins on, from 1.
        first_character: Characters of the same text that other documents hold, before this one.
    """

    text: str
    source: str
    metadata: dict[str, Any] = field(default_factory=dict)
    title: str = ""
    first_line: int = 1
    first_character: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read.

    Attributes:
        encoding: Of all of them. None: UTF-8, or what a file plainly is, see :mod:`youtu_st.corpus.decoding`.
        text_field: The field of a table that holds the text. None: ``text``, or else ``content``.
        notes: Takes what is met on the way.

    Raises:
        InputError: If no encoding goes by that name.
    """

    encoding: str | None = None
    text_field: str | None = None
    notes: Notes = field(default_factory=Notes)

    def __post_init__(self) -> None:
        if self.encoding is not None:
            object.__setattr__(self, "encoding", check_encoding("encoding", self.encoding))

    def parts(self, path: Path, source: str) -> Callable[[], Iterator[str]]:
        """Gives the text of a file in parts, as often as it is called."""
        encoding = self.encoding or encoding_of(path, source, self.notes)
        return partial(decoded, path, source, encoding)

    def records(self, path: Path, source: str, *, numbers: bool) -> Iterator[Record]:
        """The records of a table; what is wrong with one is a problem, and leaves it out.

        Args:
            path: The file.
            source: What to call it.
            numbers: Whether a column of numbers becomes numbers.
        """
        fields = TEXT_FIELDS if self.text_field is None else (self.text_field,)
        parts = self.parts(path, source)

        def table() -> Iterator[str]:
            return lines(parts(), source)

        def fail(error: InputError) -> None:
            self.notes.problem(error, source)

        suffix = path.suffix.lower()
        if suffix == ".jsonl":
            return json_records(source, table, fields, fail)
        return csv_records(
            source, table, fields, fail, self.notes.note if numbers else None, tabs=suffix == ".tsv"
        )


def read_documents(paths: Iterable[str | Path], reading: Reading | None = None) -> Iterator[SourceDocument]:
    """Read files and folders, see :func:`~youtu_st.corpus.find_files`.

    A text file of more than a million characters comes in several documents, one after the other.

    Args:
        paths: Files and folders.
        reading: How to read them. None: stop at the first problem.

    Raises:
        InputError: If something cannot be read: the message names the file, and the line, page or byte.
    """
    reading = reading or Reading()
    for file in find_files(paths, reading.notes).files:
        yield from read_file(file, reading)


def read_file(file: SourceFile, reading: Reading | None = None) -> Iterator[SourceDocument]:
    """Read one file.

    Args:
        file: The file.
        reading: How to read it; it takes problems of single records and pages.

    Raises:
        InputError: If the file cannot be read, or a record of it, where ``reading`` does not take that.
        MissingDependencyError: If it is a PDF and ``pypdf`` is not installed.
    """
    try:
        yield from _READERS[file.suffix](file, reading or Reading())
    except OSError as error:
        raise InputError(f"{file.path}: cannot be read: {(error.strerror or str(error)).lower()}") from error


def read_texts(file: str | Path, reading: Reading | None = None) -> Iterator[str]:
    """Read texts: lines of a ``.txt``, field ``text`` of a ``.jsonl``, ``.csv`` or ``.tsv``, lines of ``-``.

    Lines end in a line feed, a carriage return, or both.

    Raises:
        InputError: If the file is of another kind or malformed, or a text is blank: the message has the line.
        OSError: If it cannot be opened.
    """
    return (text for _, text in read_numbered_texts(file, reading))


def read_numbered_texts(file: str | Path, reading: Reading | None = None) -> Iterator[tuple[int, str]]:
    """Read texts as :func:`read_texts` does, each with the line that it begins in, from 1.

    Raises:
        InputError: If the file is of another kind or malformed, or a text is blank: the message has the line.
        OSError: If it cannot be opened.
    """
    reading = reading or Reading()
    if str(file) == STANDARD_INPUT:
        name = "standard input"
        parts = decode(sys.stdin.buffer, name, reading.encoding or "utf-8")
        yield from _texts(name, enumerate(lines(parts, name), start=1))
        return
    path = Path(file)
    suffix = path.suffix.lower()
    if suffix not in LINE_SUFFIXES:
        known = ", ".join(LINE_SUFFIXES)
        raise InputError(f"{path}: cannot read files of this kind; known: {known}, and - for lines")
    if suffix == ".txt":
        parts = reading.parts(path, str(path))()
        yield from _texts(path, enumerate(lines(parts, str(path)), start=1))
    else:
        records = reading.records(path, str(path), numbers=False)
        yield from _texts(path, ((record.line, record.text) for record in records))


def _texts(name: str | Path, numbered: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    for number, text in numbered:
        if not text.strip():
            raise InputError(f"{name}, line {number}: blank, so there is nothing to encode")
        yield number, text.removesuffix("\n")


def _read_text(file: SourceFile, reading: Reading) -> Iterator[SourceDocument]:
    line, character = 1, 0
    for text in blocks(reading.parts(file.path, file.source)()):
        yield SourceDocument(text, file.source, first_line=line, first_character=character)
        line += text.count("\n")
        character += len(text)


def _read_table(file: SourceFile, reading: Reading) -> Iterator[SourceDocument]:
    for record in reading.records(file.path, file.source, numbers=True):
        try:
            facts = record.facts(f"{file.source}, line {record.line}")
        except InputError as error:
            reading.notes.problem(error, file.source)
            continue
        text, title = record.text, record.title
        if not text.strip():
            text, title = title, ""
        if text.strip():
            yield SourceDocument(text, file.source, {"line": record.line, **facts}, title)


def _read_pdf(file: SourceFile, reading: Reading) -> Iterator[SourceDocument]:
    pypdf = require("pypdf", "pdf")
    with open_plain(file.path) as stream:
        # The parser meets broken files of every kind, and raises errors of every kind.
        try:
            pages = pypdf.PdfReader(stream).pages
            count = len(pages)
        except Exception as error:
            raise InputError(in_one_line(f"{file.path}: not a readable PDF", error)) from error
        for number in range(1, count + 1):
            try:
                text = pages[number - 1].extract_text()
            except Exception as error:
                what = f"{file.path}, page {number}: not a readable PDF"
                unreadable: YoutuError = InputError(in_one_line(what, error))
                unreadable.__cause__ = error
                reading.notes.problem(unreadable, file.source)
                continue
            # Fonts may map glyphs to half a surrogate pair.
            text = text.encode("utf-8", "replace").decode("utf-8")
            yield SourceDocument(text, file.source, {"page": number})


_READERS: dict[str, Callable[[SourceFile, Reading], Iterator[SourceDocument]]] = {
    ".csv": _read_table,
    ".jsonl": _read_table,
    ".md": _read_text,
    ".pdf": _read_pdf,
    ".tsv": _read_table,
    ".txt": _read_text,
}
