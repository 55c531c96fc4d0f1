"""Rows of other people's files: a line of a ``.jsonl``, a row of a ``.csv``, ``.tsv`` or ``.parquet``."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from youtu_st.disk import open_plain
from youtu_st.errors import InputError, brief, require
from youtu_st.evaluation.data.record import Record, RecordError, listed, place

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
LONGEST = 64 << 20
"""Bytes of a line: more would fill the memory."""

Refuse = Callable[[RecordError], object]
"""What is done with a malformed row: raise, or take a note of it and go on."""


def strictly(error: RecordError) -> None:
    """Refuse the whole file for its first malformed row.

    Raises:
        RecordError: Always.
    """
    raise error


def records(path: Path, refuse: Refuse) -> Iterator[Record]:
    """The rows of a file, one after the other: memory does not grow with them.

    Args:
        path: The file.
        refuse: Called with what is wrong with a malformed row, which is then left out, if it does not raise.

    Raises:
        InputError: If it cannot be read, or is of another kind.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: must be a file of the kind {' '.join(SUFFIXES)}")
    if suffix == ".parquet":
        yield from _parquet(path)
    elif suffix in (".csv", ".tsv"):
        yield from _table(path, refuse, tabs=suffix == ".tsv")
    else:
        yield from _json(path, refuse)


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


def _json(path: Path, refuse: Refuse) -> Iterator[Record]:
    with opened(path) as file:
        for number, line in lines(file, path):
            if not line.strip():
                continue
            try:
                record = json_record(path, number, line)
            except RecordError as error:
                refuse(error)
                continue
            yield record


def _table(path: Path, refuse: Refuse, *, tabs: bool) -> Iterator[Record]:
    with opened(path) as file:
        names: list[str] | None = None
        for number, row in _rows(file, path, refuse, tabs=tabs):
            where = place(path, number)
            if names is None:
                names = [name.strip() for name in row]
                if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
                    raise InputError(f"{where}: two columns of one name: {listed(twice)}")
            elif len(row) != len(names):
                found = f", not {len(row)}"
                refuse(RecordError(where, f"must have {len(names)} fields, as the header", found))
            else:
                yield Record(number, where, dict(zip(names, row, strict=True)))


def _rows(file: BinaryIO, path: Path, refuse: Refuse, *, tabs: bool) -> Iterator[tuple[int, list[str]]]:
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
            refuse(RecordError(place(path, number), f"must be {kind}", f": {error}"))
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
