"""Tables to records: a line of a ``.jsonl``, a row of a ``.csv`` or ``.tsv``."""

from __future__ import annotations

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from youtu_st.corpus.reading.decoding import LONGEST
from youtu_st.errors import InputError, in_one_line, printable
from youtu_st.inputs import check_no_nul, check_unicode, once_each

TEXT_FIELDS = ("text", "content")
ID_FIELDS = ("id", "_id")
TITLE = "title"
RESERVED = ("source", "line", "position")
"""Metadata that says where a passage is from; a record's own fields of these names become ``record_...``."""

_MOST_NAMES = 10
MOST_LEVELS = 100
"""Levels that metadata may nest, so that an index takes it."""
_INTEGER = re.compile(r"-?[1-9][0-9]{0,18}|0")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,15})\.[0-9]{1,16}")

Lines = Callable[[], Iterator[str]]
"""Gives the lines of a file, each with its line feed, from the first on at every call."""
Fail = Callable[[InputError], None]
"""Takes what is wrong with a record, or raises it."""


@dataclass(frozen=True, slots=True)
class Record:
    """A row of a table: its first line, from 1, its text, and its other fields."""

    line: int
    text: str
    fields: dict[str, Any]

    @property
    def title(self) -> str:
        """The field ``title``, if it is a text."""
        title = self.fields.get(TITLE)
        return title if isinstance(title, str) else ""

    def facts(self, where: str) -> dict[str, Any]:
        """The fields as metadata: all of them, as they are; the id is a string.

        Raises:
            InputError: If an index could not hold one, beginning with ``where``.
        """
        named = [name for name in ID_FIELDS if self.fields.get(name) not in (None, "")][:1]
        facts: dict[str, Any] = {}
        for name, value in self.fields.items():
            if name in named or name == "id":  # which is empty, if it is not named
                continue
            kept = name
            while kept in RESERVED or (kept != name and kept in self.fields):
                kept = f"record_{kept}"
            facts[kept] = value
        if levels(facts, MOST_LEVELS) > MOST_LEVELS:
            raise InputError(f"{where}: the fields beside the text must nest at most {MOST_LEVELS} levels")
        check_no_nul(f"{where}: the fields beside the text", json.dumps(facts))
        if not named:
            return facts
        key = self.fields[named[0]]
        return {"id": json.dumps(key) if isinstance(key, dict | list) else str(key), **facts}


def json_records(name: str, lines: Lines, fields: Sequence[str], fail: Fail) -> Iterator[Record]:
    """The lines of a ``.jsonl`` file: objects, or texts alone; a blank one is a record without text.

    Args:
        name: What to call the file.
        lines: Its lines.
        fields: Names that the text may have; the first that is there counts.
        fail: Takes what is wrong with a line; it is then left out.
    """
    for number, line in enumerate(lines(), start=1):
        if not line.strip():
            yield Record(number, "", {})
            continue
        where = f"{name}, line {number}"
        try:
            yield record_of(where, number, _values(where, line), fields)
        except InputError as error:
            fail(error)


def _values(where: str, line: str) -> Any:
    try:
        return json_values(line)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def json_values(line: str) -> dict[str, Any]:
    """The fields of a line of JSON: an object's, or ``text`` where the line is a string.

    Raises:
        InputError: If it is not valid JSON, or anything else; the caller knows where.
    """
    try:
        value = DECODER.decode(line)
    except json.JSONDecodeError as error:  # its own words count lines from this one
        raise InputError(f"not valid JSON: {error.msg} at column {error.pos + 1}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(in_one_line("not valid JSON", error)) from error
    if isinstance(value, str):
        return {TEXT_FIELDS[0]: value}
    if not isinstance(value, dict):
        raise InputError("must be an object with a field 'text', or a string")
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {digits[:50]} is more than a float holds")
    return number


DECODER = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite, object_pairs_hook=once_each)
"""JSON as an index can hold it: numbers that are finite, fields that are there once."""


def csv_records(
    name: str,
    lines: Lines,
    fields: Sequence[str],
    fail: Fail,
    note: Callable[[str], None] | None,
    *,
    tabs: bool,
) -> Iterator[Record]:
    """The rows of a ``.csv`` or ``.tsv`` file, which is read twice: a column of numbers becomes numbers.

    That is one whose every cell is empty or a number written as Python writes it, so that nothing is lost:
    not ``007``, ``1.50``, ``1e5``, nor what 64 bits do not hold. Its empty cells become None. A column
    without a name is called ``column_`` and its number; it is left out if it is empty.

    Args:
        name: What to call the file.
        lines: Its lines.
        fields: Names that the text may have; the first that is there counts.
        fail: Takes what is wrong with a row; it is then left out.
        note: Takes what columns became numbers. None: all of them stay as they are written.
        tabs: Cells end in tabs.

    Raises:
        InputError: If it is no table, or has no column of text, or two columns of a name.
    """
    delimiter = "\t" if tabs else csv_delimiter(lines(), fields)
    rows = _rows(name, lines, delimiter)
    columns = next((_Columns.of(name, row, fields) for _, row in rows), None)
    if columns is None:
        return
    if note is not None:
        for _, row in rows:
            if len(row) == len(columns.names):
                columns.look(row)
        if numbers := columns.numbers:
            note(f"{name}: read as numbers: {listed(numbers)}")
        rows = _rows(name, lines, delimiter)
        next(rows)
    for line, row in rows:
        where = f"{name}, line {line}"
        try:
            if len(row) != len(columns.names):
                raise InputError(f"{where}: {len(row)} fields, and the header has {len(columns.names)}")
            yield record_of(where, line, columns.values(row), fields)
        except InputError as error:
            fail(error)


def csv_delimiter(lines: Iterable[str], fields: Sequence[str]) -> str:
    """The one that makes a header of the first line, where a spreadsheet writes another than a comma."""
    first = next((line for line in lines if line.strip()), "")
    for delimiter in (",", ";", "\t"):
        try:
            header = next(csv.reader([first], delimiter=delimiter), [])
        except csv.Error:
            continue
        if {cell.strip() for cell in header} & set(fields):
            return delimiter
    return ","


def _rows(name: str, lines: Lines, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with its first line, from 1."""
    csv.field_size_limit(LONGEST)  # 128 KB by default, and a text may be longer
    # strict: an open quote must not swallow the rest of the file
    rows = csv.reader(lines(), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in rows:
            if row:
                yield line, row
            line = rows.line_num + 1
    except csv.Error as error:
        raise InputError(f"{name}, line {line}: not valid CSV: {error}") from error


class _Columns:
    """Columns by name, and what their cells have in common."""

    def __init__(self, names: list[str], kept: Iterable[int], unnamed: Iterable[int]) -> None:
        self.names = names
        self._unnamed = frozenset(unnamed)
        self._texts = frozenset(kept)
        self._numeric = set(range(len(names))) - self._texts
        self._filled: set[int] = set()

    @classmethod
    def of(cls, name: str, header: Sequence[str], fields: Sequence[str]) -> _Columns:
        names = [cell.strip() for cell in header]
        if not set(fields) & set(names):
            wanted = " or ".join(map(repr, map(printable, fields)))
            raise InputError(f"{name}: no column {wanted}; its columns: {listed(names)}")
        twice = [column for column, number in Counter(filter(None, names)).items() if number > 1]
        if twice:
            raise InputError(
                f"{name}, line 1: two columns of one name: {listed(twice)}: give them different ones"
            )
        unnamed = [i for i, column in enumerate(names) if not column]
        for i in unnamed:
            made = f"column_{i + 1}"
            while made in names:
                made += "_"
            names[i] = made
        kept = [i for i, column in enumerate(names) if column in (*fields, *ID_FIELDS, TITLE)]
        return cls(names, kept, unnamed)

    def look(self, row: Sequence[str]) -> None:
        """Take one more row into account."""
        for i, cell in enumerate(row):
            if cell and not cell.isspace():
                self._filled.add(i)
                if i in self._numeric and number_in(cell) is None:
                    self._numeric.discard(i)

    @property
    def numbers(self) -> list[str]:
        """Names of the columns that are numbers."""
        return [self.names[i] for i in sorted(self._numeric & self._filled)]

    def values(self, row: Sequence[str]) -> dict[str, Any]:
        """The cells of a row by their columns' names."""
        numeric, empty = self._numeric & self._filled, self._unnamed - self._filled
        return {
            name: number_in(cell) if i in numeric else cell
            for i, (name, cell) in enumerate(zip(self.names, row, strict=True))
            if i not in empty
        }


def number_in(cell: str) -> int | float | None:
    """The number that a cell holds, if writing it gives the cell again."""
    if _INTEGER.fullmatch(cell):
        number = int(cell)
        return number if -(1 << 63) <= number < 1 << 63 else None
    if _DECIMAL.fullmatch(cell) and repr(decimal := float(cell)) == cell:
        return decimal
    return None


def record_of(where: str, line: int, values: Mapping[str, Any], fields: Sequence[str]) -> Record:
    """The record that an object is.

    Args:
        where: What an error begins with.
        line: The line that it begins on.
        values: Its fields.
        fields: Names that the text may have; the first that is there counts.

    Raises:
        InputError: If it has none of them, it is no text, or an index could not hold the rest.
    """
    name = next((name for name in fields if name in values), None)
    if name is None:
        wanted = " or ".join(map(repr, map(printable, fields)))
        raise InputError(f"{where}: no field {wanted}; its fields: {listed(list(values)) or 'none'}")
    text = values[name]
    if not isinstance(text, str):
        raise InputError(f"{where}: field {printable(name)!r} must be a string, not {type(text).__name__}")
    try:
        check_unicode(f"{where}:", json.dumps(values, ensure_ascii=False))
    except RecursionError as error:  # writing JSON ends at another depth than reading it
        raise InputError(in_one_line(f"{where}: not valid JSON", error)) from error
    return Record(line, text, {key: value for key, value in values.items() if key != name})


def levels(value: Any, most: int) -> int:
    """How deep dictionaries and lists nest; more than ``most`` is not counted."""
    level, deep = [value], 0
    while level and deep <= most:
        below = [part for part in level if isinstance(part, dict | list)]
        level = [item for part in below for item in (part.values() if isinstance(part, dict) else part)]
        deep += bool(below)
        if not below:
            break
    return deep


def listed(names: Sequence[str]) -> str:
    """The first of some names, the beginning of each."""
    more = len(names) - _MOST_NAMES
    shown = ", ".join(printable(name[:50]) for name in names[:_MOST_NAMES])
    return f"{shown} and {more:,} more" if more > 0 else shown
