"""STS Benchmark's own files: no header, no quotes, tabs between genre, file, year, id, score, sentences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from youtu_st.errors import InputError
from youtu_st.training.data.rows import Row
from youtu_st.training.data.sources import Record, as_number, lines, opened, place
from youtu_st.training.data.tally import RecordError, Tally
from youtu_st.training.data.wanted import Wanted

FIELDS = ("genre", "file", "year", "id", "score", "sentence1", "sentence2")
"""Two more may follow, the sources of the sentences; they are not used."""


def suits(path: Path) -> bool:
    """Whether the first line is plainly one of these."""
    with opened(path) as file:
        _, first = next(lines(file, path), (0, b""))
    cells = first.decode(errors="replace").split("\t")
    return len(cells) >= len(FIELDS) and as_number(cells[4]) is not None and as_number(cells[0]) is None


def rows(path: Path, wanted: Wanted, tally: Tally) -> Iterator[Row]:
    """The rows of a file.

    Raises:
        InputError: If it cannot be read, or the task is another.
    """
    if wanted.task not in (None, "sts"):
        raise InputError(f"{path}: STS Benchmark is the task 'sts', not {wanted.task!r}")
    with opened(path) as file:
        for number, line in lines(file, path):
            if not line.strip():
                continue
            try:
                yield _row(place(path, number), number, line, wanted)
            except RecordError as error:
                tally.error(error)


def _row(where: str, number: int, line: bytes, wanted: Wanted) -> Row:
    try:
        cells = line.decode().rstrip("\r\n").split("\t")
    except UnicodeDecodeError as error:
        raise RecordError(where, "must be UTF-8", f", and byte {error.start + 1} is not") from error
    if len(cells) < len(FIELDS):
        raise RecordError(where, f"must have the fields {', '.join(FIELDS)}", f", not {len(cells)} fields")
    record = Record(number, where, dict(zip(FIELDS, cells, strict=False)))
    pair = record.text("sentence1"), record.text("sentence2")
    return wanted.row("sts", pair[0], [pair[1]], positive_scores=(record.number("score"),))
