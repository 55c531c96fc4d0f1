"""One document as it is stored, and whether it is what was stored."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from youtu_st.disk import checksums

_AT_ONCE = 32
"""Documents that are read together: most searches ask for fewer, and each may be long."""


class Row(NamedTuple):
    """One document as stored; ``metadata`` is JSON text."""

    key: int
    id: str
    text: str
    metadata: str


Rows = dict[int, Row]
"""Documents by key."""


def row_checksum(key: int, id: str, text: str, metadata: str) -> int:
    """What stands beside a document."""
    return row_checksums([key], [id], [text], [metadata])[0]


def row_checksums(
    keys: Iterable[int], ids: Iterable[str], texts: Iterable[str], metadata: Iterable[str]
) -> list[int]:
    """:func:`row_checksum` of each. Neither an id nor JSON holds a NUL: no two are written alike."""
    rows = zip(keys, ids, texts, metadata, strict=True)
    return checksums([f"{key}\0{id}\0{data}\0{text}".encode() for key, id, text, data in rows])


def read_rows(
    connection: sqlite3.Connection,
    version: int,
    condition: str,
    values: Sequence[object] = (),
) -> Iterator[tuple[int, Row | None]]:
    """The key of each document that an SQL condition selects, with the document if it is what was stored.

    Args:
        connection: A connection to the database.
        version: The format's; the first has no checksums.
        condition: What follows the name of the table.
        values: Those of its ``?``.
    """
    stored = "checksum" if version > 1 else "NULL"
    cursor = connection.execute(
        f"SELECT key, id, text, metadata, {stored} FROM documents {condition}", values
    )
    while found := cursor.fetchmany(_AT_ONCE):
        keys, ids, texts, metadata, expected = zip(*found, strict=True)
        actual = expected if version == 1 else row_checksums(keys, ids, texts, metadata)
        for key, id, text, data, one, other in zip(keys, ids, texts, metadata, expected, actual, strict=True):
            intact = one == other and type(id) is type(text) is type(data) is str
            yield key, Row(key, id, text, data) if intact else None
