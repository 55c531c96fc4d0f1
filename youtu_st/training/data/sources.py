"""Rows of other people's tables: a line of a ``.jsonl``, a row of a ``.csv``, ``.tsv`` or ``.parquet``."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from youtu_st.disk import open_plain
from youtu_st.errors import InputError, brief, printable, require
from youtu_st.training.data.tally import RecordError, Tally

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
LONGEST = 64 << 20
"""Bytes of a line: more would fill the memory."""
_SAMPLE = 100
_MOST_NAMES = 20
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")


@dataclass(frozen=True, slots=True)
class Record:
    """A row of a source: its line, from 1, where it stands, for messages, and its fields."""

    line: int
    where: str
    values: Mapping[str, Any]

    def fail(self, field: str, expected: str, *found: object) -> NoReturn:
        """Raise for a field.

        Raises:
            RecordError: Naming file, line, field, what was expected and what was found.
        """
        told = f", not {brief(found[0])}" if found else ""
        raise RecordError(self.where, f"field {field[:100]!r} {expected}", told)

    def text(self, field: str) -> str:
        """A text that is there.

        Raises:
            RecordError: If it is missing, no str, blank, or holds half of a character.
        """
        if self.values.get(field) is None:
            self.fail(field, "must be a text, and is missing")
        return self._text(field, self.values[field])

    def texts(self, field: str) -> list[str]:
        """A text, or a list of them; none where the field is missing, null or an empty cell.

        Raises:
            RecordError: As for :meth:`text`, of any of them.
        """
        value = self.values.get(field)
        if value is None or value == "":
            return []
        if not isinstance(value, list | tuple):
            return [self._text(field, value)]
        return [self._text(f"{field}[{i}]", each) for i, each in enumerate(value)]

    def number(self, field: str) -> float:
        """A finite number; a table has it as digits.

        Raises:
            RecordError: If it is none.
        """
        number = as_number(self.values.get(field))
        if number is None:
            self.fail(field, "must be a finite number", self.values.get(field))
        return number

    def numbers(self, field: str, count: int) -> tuple[float, ...] | None:
        """A list of so many finite numbers; None where the field is missing, null or an empty list.

        Raises:
            RecordError: If it is something else.
        """
        values = self.values.get(field)
        if values is None or values == []:
            return None
        numbers = list(map(as_number, values)) if isinstance(values, list | tuple) else []
        if len(numbers) != count or None in numbers:
            self.fail(field, f"must be a list of {count} finite numbers", values)
        return tuple(number for number in numbers if number is not None)

    def _text(self, field: str, value: object) -> str:
        if not isinstance(value, str):
            self.fail(field, "must be a text", value)
        if not value.strip():
            self.fail(field, "must be a text, and is empty" if not value else "must be a text, and is blank")
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail(field, "must be a text, and holds half of a character, a lone surrogate", value)
        return value


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of a source, from which its format is told."""

    path: Path
    records: Sequence[Record]

    @property
    def names(self) -> list[str]:
        """The fields of all of them, in order."""
        return list(dict.fromkeys(name for record in self.records for name in record.values))

    def column(self, name: str) -> list[Any]:
        """What a field holds, where it holds something."""
        values = [record.values.get(name) for record in self.records]
        return [value for value in values if value is not None]


def sample(path: Path) -> Sample:
    """The first well-formed rows.

    Raises:
        InputError: If the file cannot be read, or has none.
    """
    tally = Tally()
    found = list(islice(records(path, tally), _SAMPLE))
    if not found:
        why = f": {tally.lines[0]}" if tally.lines else ""
        raise InputError(f"{path}: there is no row in it that can be read{why}")
    return Sample(path, found)


def records(path: Path, tally: Tally) -> Iterator[Record]:
    """The rows of a file, one after the other: memory does not grow with them.

    Args:
        path: The file.
        tally: Takes malformed rows, which are then left out.

    Raises:
        InputError: If it cannot be read, or is of another kind.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: must be a file of the kind {' '.join(SUFFIXES)}")
    if suffix == ".parquet":
        yield from _parquet(path)
    elif suffix in (".csv", ".tsv"):
        yield from _table(path, tally, tabs=suffix == ".tsv")
    else:
        yield from _json(path, tally)


def place(path: Path, number: int) -> str:
    """A row's place, for messages: a file and a line, from 1, or a row where there are no lines."""
    return f"{path}, {'row' if path.suffix.lower() == '.parquet' else 'line'} {number}"


def as_number(value: object) -> float | None:
    """The finite number that a value is, or that its digits are; None: it is none."""
    if isinstance(value, str):
        value = float(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an int beyond all floats
        return None


def listed(names: Sequence[str]) -> str:
    """The first of some names, the beginning of each."""
    more = len(names) - _MOST_NAMES
    shown = ", ".join(printable(name[:50]) for name in names[:_MOST_NAMES])
    return f"{shown} and {more:,} more" if more > 0 else shown


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file, open for reading.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        with open_plain(path) as file:
            yield file
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def lines(file: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file with their numbers, from 1, and their ends; without a byte order mark.

    Raises:
        InputError: If one is longer than any text.
    """
    number = 0
    while line := file.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            raise InputError(
                f"{path}, line {number}: more than {LONGEST >> 20} MiB in a line: that is no row"
            )
        yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def json_record(path: Path, number: int, line: bytes) -> Record:
    """A line of a ``.jsonl`` file.

    Raises:
        RecordError: If it is no JSON object.
    """
    where = place(path, number)
    try:
        value = json.loads(line.decode().rstrip("\r\n"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise RecordError(where, "must be UTF-8", f", and byte {error.start + 1} is not") from error
    except json.JSONDecodeError as error:  # its own words count lines from this one
        raise RecordError(where, "must be a JSON object", f": {error.msg}, column {error.pos + 1}") from error
    except (ValueError, RecursionError) as error:
        told = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise RecordError(where, "must be a JSON object", f": {told}") from error
    if isinstance(value, list):
        raise RecordError(where, "must be a JSON object, one a line, not a list of them")
    if not isinstance(value, dict):
        raise RecordError(where, "must be a JSON object", f", not {brief(value)}")
    return Record(number, where, value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {brief(twice)} is there twice")
    return made


def _json(path: Path, tally: Tally) -> Iterator[Record]:
    with opened(path) as file:
        for number, line in lines(file, path):
            if not line.strip():
                continue
            try:
                record = json_record(path, number, line)
            except RecordError as error:
                tally.error(error)
                continue
            yield record


def _table(path: Path, tally: Tally, *, tabs: bool) -> Iterator[Record]:
    with opened(path) as file:
        names: list[str] | None = None
        for number, row in _rows(file, path, tally, tabs=tabs):
            where = place(path, number)
            if names is None:
                names = [name.strip() for name in row]
                if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
                    raise InputError(f"{where}: two columns of one name: {listed(twice)}")
            elif len(row) != len(names):
                found = f", not {len(row)}"
                tally.error(RecordError(where, f"must have {len(names)} fields, as the header", found))
            else:
                yield Record(number, where, dict(zip(names, row, strict=True)))


def _rows(file: BinaryIO, path: Path, tally: Tally, *, tabs: bool) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with its first line; the ends of lines inside of a cell stay."""
    csv.field_size_limit(LONGEST)  # 128 KB by default, and a text may be longer
    delimiter = "\t" if tabs else _delimiter(path)
    # strict: an open quote must not swallow the rest of the file
    rows = csv.reader(_decoded(file, path), delimiter=delimiter, strict=True)
    while True:
        number = rows.line_num + 1
        try:
            row = next(rows, None)
        except csv.Error as error:  # the reader goes on with the next line
            kind = "tab-separated values" if tabs else "CSV"
            tally.error(RecordError(place(path, number), f"must be {kind}", f": {error}"))
            continue
        if row is None:
            return
        if row:
            yield number, row


def _decoded(file: BinaryIO, path: Path) -> Iterator[str]:
    for number, line in lines(file, path):
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            byte = error.start + 1
            raise InputError(f"{path}, line {number}: must be UTF-8, and byte {byte} is not") from error


def _delimiter(path: Path) -> str:
    """The one that makes several cells of the first line: a spreadsheet may write another than a comma."""
    with opened(path) as file:
        first = next((text for text in _decoded(file, path) if text.strip()), "")
    for delimiter in (",", ";", "\t"):
        if delimiter in first:
            return delimiter
    return ","


def _parquet(path: Path) -> Iterator[Record]:
    parquet = require("pyarrow.parquet", "train")
    arrow = require("pyarrow", "train")
    try:
        with opened(path) as file:
            number = 0
            for batch in parquet.ParquetFile(file).iter_batches(batch_size=1024):
                for values in batch.to_pylist():
                    number += 1
                    yield Record(number, place(path, number), values)
    except (arrow.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a Parquet file that can be read: {str(error)[:200]}") from error
