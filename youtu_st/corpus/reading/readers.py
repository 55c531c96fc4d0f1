"""Files to documents: one for a block of a text file, for a record of a table, for a page."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from youtu_st.corpus.borders import blocks
from youtu_st.corpus.reading.code import GRAMMARS, read_code
from youtu_st.corpus.reading.decoding import decode, lines
from youtu_st.corpus.reading.documents import Reading, SourceDocument
from youtu_st.corpus.reading.notebooks import read_notebook
from youtu_st.corpus.reading.objects import records_of_file
from youtu_st.corpus.reading.office import read_slides, read_word
from youtu_st.corpus.reading.pages import read_page
from youtu_st.corpus.reading.restructured import headings_of
from youtu_st.corpus.reading.tables import Record
from youtu_st.corpus.sources import SourceFile, find_files
from youtu_st.disk import open_plain
from youtu_st.errors import InputError, YoutuError, in_one_line, require

STANDARD_INPUT = "-"
LINE_SUFFIXES = (".csv", ".jsonl", ".tsv", ".txt")
"""Kinds of files that hold one text a line or a record."""


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
        MissingDependencyError: If it needs a package, such as ``pypdf``, that is not installed.
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


def _read_restructured(file: SourceFile, reading: Reading) -> Iterator[SourceDocument]:
    text = reading.whole(file)
    yield SourceDocument(text, file.source, outline=headings_of(text))


def _read_json(file: SourceFile, reading: Reading) -> Iterator[SourceDocument]:
    def fail(error: InputError) -> None:
        reading.notes.problem(error, file.source)

    text = reading.whole(file)
    records = records_of_file(file.source, text, reading.fields, fail, reading.notes.note)
    if records is None:
        yield SourceDocument(text, file.source)
    else:
        yield from _of_records(file, records, reading)


def _read_table(file: SourceFile, reading: Reading) -> Iterator[SourceDocument]:
    yield from _of_records(file, reading.records(file.path, file.source, numbers=True), reading)


def _of_records(file: SourceFile, records: Iterable[Record], reading: Reading) -> Iterator[SourceDocument]:
    for record in records:
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
    ".docx": read_word,
    ".htm": read_page,
    ".html": read_page,
    ".ipynb": read_notebook,
    ".json": _read_json,
    ".jsonl": _read_table,
    ".md": _read_text,
    ".pdf": _read_pdf,
    ".pptx": read_slides,
    ".rst": _read_restructured,
    ".tsv": _read_table,
    ".txt": _read_text,
    **dict.fromkeys(GRAMMARS, read_code),
}
