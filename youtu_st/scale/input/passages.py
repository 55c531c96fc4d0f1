"""Files that are split into passages, as ``index build`` splits them, to records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from youtu_st.corpus.cutting.passages import Splitter
from youtu_st.corpus.notes import Notes
from youtu_st.corpus.reading.documents import Reading
from youtu_st.corpus.reading.readers import read_file
from youtu_st.corpus.sources import SourceFile
from youtu_st.errors import InputError, YoutuError, printable
from youtu_st.scale.input.columns import Record, kept_values, no_such_column
from youtu_st.scale.input.types import InputFile
from youtu_st.scale.settings import Columns

KEPT = {
    "source": pa.string(),
    "position": pa.int64(),
    "line": pa.int64(),
    "page": pa.int64(),
    "slide": pa.int64(),
    "cell": pa.int64(),
    "title": pa.string(),
}
"""What is known of every passage; null where it is not."""


class _Problems(Notes):
    """Pages that cannot be read: bad rows."""

    def __init__(self, notes: Notes | None) -> None:
        self._notes = notes
        self.waiting: list[str] = []

    def problem(self, error: YoutuError, source: str, *, below: bool = False) -> None:
        self.waiting.append(str(error))

    def note(self, message: str) -> None:
        if self._notes is not None:
            self._notes.note(message)


def kept_types_of_passages(file: InputFile, columns: Columns) -> Iterator[tuple[str, pa.DataType]]:
    """Of each kept column its type.

    Raises:
        InputError: If passages have none of that name.
    """
    for name in columns.keep:
        if name not in KEPT:
            raise no_such_column(file.name, (name,), list(KEPT))
        yield name, KEPT[name]


def passage_records(
    file: InputFile, columns: Columns, splitter: Splitter | None, notes: Notes | None = None
) -> Iterator[Record]:
    """The passages of a file, numbered from 1, with the ids that an index gives them.

    Args:
        file: The file.
        columns: What is asked for.
        splitter: Splits it.
        notes: Takes what encoding it is in. None: nobody is told.

    Raises:
        InputError: If there is nothing to split it with, or it cannot be read.
    """
    if splitter is None:
        raise InputError(
            f"{printable(file.name)}: a file of this kind is split by the model's own tokenizer, and there "
            "is none: split it into the lines of a .txt or .jsonl first"
        )
    problems = _Problems(notes)
    reading = Reading(encoding=columns.encoding, notes=problems)
    number = 0

    def bad() -> Iterator[Record]:
        nonlocal number
        for reason in problems.waiting:
            number += 1
            yield Record(number, 0, None, "", (), printable(reason))
        problems.waiting.clear()

    for passage in splitter.split(read_file(SourceFile(Path(file.path), file.name), reading)):
        yield from bad()
        number += 1
        yield Record(number, 0, passage.id, passage.text, kept_values(passage.metadata, columns))
    yield from bad()
