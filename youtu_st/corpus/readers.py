"""Files to documents: one for a text file, one for a record of a table, one for a page."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from youtu_st.corpus.sources import SourceFile, find_files
from youtu_st.disk import open_plain
from youtu_st.errors import InputError, in_one_line, printable, require
from youtu_st.inputs import check_no_nul, check_unicode

STANDARD_INPUT = "-"
LINE_SUFFIXES = (".csv", ".jsonl", ".txt")
"""Kinds of files that hold one text a line or a record."""

TEXT_FIELDS = ("text", "content")
ID_FIELDS = ("id", "_id")
RESERVED = ("source", "line", "position")
"""Metadata that says where a passage is from; a record's own fields of these names become ``record_...``."""

_LONGEST = 64 << 20
"""Of a line in bytes, and of a field of a table in characters: more is no text, and would fill the memory."""
_MOST_NAMES = 10


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A text, and where it is from.

    Attributes:
        text: The text; its lines end in a line feed.
        source: The file's name, see :class:`~youtu_st.corpus.SourceFile`.
        metadata: Further facts: ``line`` and ``id`` of a record, ``page`` of a PDF, a record's other fields.
    """

    text: str
    source: str
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Record:
    """A row of a table: its first line, from 1, its text, and its other fields."""

    line: int
    text: str
    fields: dict[str, Any]


def read_documents(paths: Iterable[str | Path]) -> Iterator[SourceDocument]:
    """Read files and folders, see :func:`~youtu_st.corpus.find_files`.

    Raises:
        InputError: If something cannot be read: the message names the file, and the line, page or byte.
    """
    for file in find_files(paths).files:
        yield from read_file(file)


def read_file(file: SourceFile) -> Iterator[SourceDocument]:
    """Read one file.

    Raises:
        InputError: As for :func:`read_documents`.
        MissingDependencyError: If it is a PDF and ``pypdf`` is not installed.
    """
    try:
        yield from _READERS[file.suffix](file)
    except OSError as error:
        raise InputError(f"{file.path}: cannot be read: {(error.strerror or str(error)).lower()}") from error


def read_texts(file: str | Path) -> Iterator[str]:
    """Read texts: lines of a ``.txt``, field ``text`` of a ``.jsonl`` or ``.csv``, lines of ``-``.

    Raises:
        InputError: If the file is of another kind or malformed, or a text is blank: the message has the line.
        OSError: If it cannot be opened.
    """
    return (text for _, text in read_numbered_texts(file))


def read_numbered_texts(file: str | Path) -> Iterator[tuple[int, str]]:
    """Read texts as :func:`read_texts` does, each with the line that it begins in, from 1.

    Raises:
        InputError: If the file is of another kind or malformed, or a text is blank: the message has the line.
        OSError: If it cannot be opened.
    """
    if str(file) == STANDARD_INPUT:
        lines = enumerate(_lines(sys.stdin.buffer, "standard input"), start=1)
        yield from _texts("standard input", lines)
        return
    path = Path(file)
    suffix = path.suffix.lower()
    if suffix not in LINE_SUFFIXES:
        known = ", ".join(LINE_SUFFIXES)
        raise InputError(f"{path}: cannot read files of this kind; known: {known}, and - for lines")
    if suffix == ".txt":
        with open_plain(path) as stream:
            yield from _texts(path, enumerate(_lines(stream, path), start=1))
    else:
        yield from _texts(path, ((record.line, record.text) for record in _records(path)))


def _lines(stream: BinaryIO, name: str | Path) -> Iterator[str]:
    """UTF-8, with or without a byte order mark; lines end in a line feed."""
    start = 0
    while raw := stream.readline(_LONGEST + 1):
        if len(raw) > _LONGEST:
            raise InputError(
                f"{name}: a line of more than {_LONGEST >> 20} MiB at byte {start}: that is no text"
            )
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            where = start + error.start
            raise InputError(
                f"{name}: not UTF-8 at byte {where} (0x{raw[error.start]:02x}); save it as UTF-8"
            ) from error
        line = line.removeprefix("\ufeff") if start == 0 else line
        start += len(raw)
        yield line[:-2] + "\n" if line.endswith("\r\n") else line


def _records(path: Path) -> Iterator[_Record]:
    """The rows of a ``.jsonl`` or ``.csv`` file; a blank line of a ``.jsonl`` is a row without text.

    A row's text is its field ``text``, or else ``content``; a line of a ``.jsonl`` may be a string too.
    """
    read = _json_records if path.suffix.lower() == ".jsonl" else _csv_records
    with open_plain(path) as stream:
        yield from read(path, _lines(stream, path))


def _json_records(path: Path, lines: Iterable[str]) -> Iterator[_Record]:
    def not_a_number(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON")

    for line, text in enumerate(lines, start=1):
        if not text.strip():
            yield _Record(line, "", {})
            continue
        where = f"{path}, line {line}"
        try:
            value = json.loads(text, parse_constant=not_a_number)
            if not isinstance(value, Mapping | str):
                raise InputError(f"{where}: must be an object with a field 'text', or a string")
            record = _record(where, line, {"text": value} if isinstance(value, str) else value)
        except InputError:
            raise
        except (ValueError, RecursionError) as error:
            raise InputError(in_one_line(f"{where}: not valid JSON", error)) from error
        yield record


def _csv_records(path: Path, lines: Iterable[str]) -> Iterator[_Record]:
    csv.field_size_limit(_LONGEST)  # 128 KB by default, and a text may be longer
    rows = csv.reader(lines, strict=True)  # strict: an open quote must not swallow the rest of the file
    header: list[str] | None = None
    line = 1
    try:
        for row in rows:
            if row and header is None:
                header = row
                if not set(TEXT_FIELDS) & set(header):
                    raise InputError(f"{path}: no column 'text' or 'content'; its columns: {_listed(header)}")
            elif row and header is not None:
                where = f"{path}, line {line}"
                if len(row) != len(header):
                    raise InputError(f"{where}: {len(row)} fields, and the header has {len(header)}")
                yield _record(where, line, dict(zip(header, row, strict=True)))
            line = rows.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}, line {line}: not valid CSV: {error}") from error


def _record(where: str, line: int, values: Mapping[str, Any]) -> _Record:
    name = next((name for name in TEXT_FIELDS if name in values), None)
    if name is None:
        raise InputError(
            f"{where}: no field 'text' or 'content'; its fields: {_listed(list(values)) or 'none'}"
        )
    text = values[name]
    if not isinstance(text, str):
        raise InputError(f"{where}: field {name!r} must be a string, not {type(text).__name__}")
    check_unicode(f"{where}:", json.dumps(values, ensure_ascii=False))
    return _Record(line, text, {key: value for key, value in values.items() if key != name})


def _listed(names: Sequence[str]) -> str:
    """The first of some names, the beginning of each."""
    more = len(names) - _MOST_NAMES
    shown = ", ".join(printable(name[:50]) for name in names[:_MOST_NAMES])
    return f"{shown} and {more:,} more" if more > 0 else shown


def _texts(name: str | Path, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    for number, text in lines:
        if not text.strip():
            raise InputError(f"{name}, line {number}: blank, so there is nothing to encode")
        yield number, text.removesuffix("\n")


def _read_text(file: SourceFile) -> Iterator[SourceDocument]:
    with open_plain(file.path) as stream:
        text = "".join(_lines(stream, file.path))
    yield SourceDocument(text.replace("\r", "\n"), file.source)


def _read_table(file: SourceFile) -> Iterator[SourceDocument]:
    for record in _records(file.path):
        facts = _facts(record.fields)
        check_no_nul(f"{file.path}, line {record.line}: the fields beside the text", json.dumps(facts))
        title = facts.get("title")
        parts = [title if isinstance(title, str) else "", record.text]
        text = "\n\n".join(part for part in parts if part.strip())
        if text:
            yield SourceDocument(text, file.source, {"line": record.line, **facts})


def _facts(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that metadata can hold: scalars and lists of them; the id as a string."""
    facts = {
        f"record_{name}" if name in RESERVED else name: value
        for name, value in fields.items()
        if name not in ID_FIELDS and _is_plain(value)
    }
    key = next((fields[name] for name in ID_FIELDS if fields.get(name) not in (None, "")), None)
    return facts if key is None else {"id": str(key), **facts}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(not isinstance(item, list) and _is_plain(item) for item in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int)


def _read_pdf(file: SourceFile) -> Iterator[SourceDocument]:
    pypdf = require("pypdf", "pdf")
    number = 0
    with open_plain(file.path) as stream:
        # The parser meets broken files of every kind, and raises errors of every kind.
        try:
            pages = iter(pypdf.PdfReader(stream).pages)
        except Exception as error:
            raise InputError(in_one_line(f"{file.path}: not a readable PDF", error)) from error
        while True:
            number += 1
            try:
                text = next(pages).extract_text()
            except StopIteration:
                return
            except Exception as error:
                what = f"{file.path}, page {number}: not a readable PDF"
                raise InputError(in_one_line(what, error)) from error
            # Fonts may map glyphs to half a surrogate pair.
            text = text.encode("utf-8", "replace").decode("utf-8")
            yield SourceDocument(text, file.source, {"page": number})


_READERS: dict[str, Callable[[SourceFile], Iterator[SourceDocument]]] = {
    ".csv": _read_table,
    ".jsonl": _read_table,
    ".md": _read_text,
    ".pdf": _read_pdf,
    ".txt": _read_text,
}
