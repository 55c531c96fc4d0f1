"""What the rest of a job knows of its input: files, shards, and the rows of one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa

MOST_ROWS = 1024
"""Rows that are handed on together."""
MOST_BYTES = 4 << 20
"""Bytes of text that are handed on together, about: rows may be long."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that is read.

    Attributes:
        name: Its path as it was given, or as found below a folder as that was given; forward slashes.
        path: Where it is: absolute, without links.
        kind: ``parquet``, ``jsonl``, ``csv``, ``tsv``, ``txt``, or ``passages``: split into some.
        size: Bytes.
        digest: Of its size and its ends, see :func:`~youtu_st.scale.input.files.digest_of_ends`.
        rows: Rows, the bad ones among them; 0 before they are counted.
        encoding: What its text is written in, as Python calls it; found while its rows are counted.
    """

    name: str
    path: str
    kind: str
    size: int
    digest: str
    rows: int = 0
    encoding: str = "utf-8"

    @property
    def is_gzip(self) -> bool:
        """Whether it is compressed as a whole, so that it is read from its beginning."""
        return self.name.lower().endswith(".gz")

    def place(self, number: int) -> str:
        """How a message calls a row: ``docs.jsonl, row 3``."""
        return f"{self.name}, row {number}"


class Shard(NamedTuple):
    """Rows of one file that follow one another.

    Attributes:
        number: The shard's, from 0.
        file: Position of its file in the plan.
        first: The number of its first row, less one: rows of Parquet and passages are numbered from 1, and
            a row of a line file has the number of the line that it begins in.
        rows: Rows, the bad ones among them.
        tokens: Of all rows, as estimated; a bad row has none.
        longest: Of the longest row.
        offset: The byte where the first row begins, in a file of lines whose bytes are read as they stand;
            else 0.
    """

    number: int
    file: int
    first: int
    rows: int
    tokens: int
    longest: int
    offset: int


class Rejected(NamedTuple):
    """A row that has no vector.

    Attributes:
        file: The file's name.
        row: The row's number, from 1; the line that it begins in.
        id: Its id, where it has one.
        reason: What is wrong with it, in one line that any terminal may be sent.
    """

    file: str
    row: int
    id: str | None
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, row {self.row}: {self.reason}"


@dataclass(slots=True)
class Rows:
    """Rows that follow one another.

    Attributes:
        ids: Of each its id.
        texts: Its text.
        numbers: Its number, see :class:`Rejected`.
        kept: What is written beside the vector, a column for each field of the plan's schema, as long as
            ``ids``.
        rejected: Bad rows that stand between these; they are in none of the above.
    """

    ids: list[str]
    texts: list[str]
    numbers: list[int]
    kept: pa.Table
    rejected: list[Rejected] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """Which rows there are, and how they are cut into shards.

    Attributes:
        files: The files, each with its number of rows.
        shards: Ranges of their rows, in order.
        schema: Of what is kept beside the vectors.
        rows: Rows, the bad ones among them.
        rejected: Bad rows.
        first_rejected: The first of them.
        text_column: The column of the texts in the first file that has columns; None: no file has.
    """

    files: tuple[InputFile, ...]
    shards: tuple[Shard, ...]
    schema: pa.Schema
    rows: int
    rejected: int
    first_rejected: Rejected | None
    text_column: str | None
