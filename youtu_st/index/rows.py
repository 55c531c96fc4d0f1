"""One document as it is stored, and whether it is what was stored."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from youtu_st.disk import checksum, checksums


@dataclass(frozen=True, slots=True)
class Row:
    """One document as stored; ``metadata`` is JSON text."""

    key: int
    id: str
    text: str
    metadata: str


Rows = dict[int, Row]
"""Documents by key."""


def row_checksum(key: int, id: str, text: str, metadata: str) -> int:
    """What stands beside a document. Neither an id nor JSON holds a NUL: no two are written alike."""
    return checksum(f"{key}\0{id}\0{metadata}\0{text}".encode())


def row_checksums(
    keys: Iterable[int], ids: Iterable[str], texts: Iterable[str], metadata: Iterable[str]
) -> list[int]:
    """:func:`row_checksum` of each."""
    rows = zip(keys, ids, texts, metadata, strict=True)
    return checksums([f"{key}\0{id}\0{data}\0{text}".encode() for key, id, text, data in rows])


def read_rows(
    connection: sqlite3.Connection, version: int, condition: str, values: Sequence[object] = ()
) -> Iterator[tuple[int, Row | None]]:
    """The key of each document that an SQL condition selects, with the document if it is what was stored.

    Args:
        connection: A connection to the database.
        version: The format's; the first has no checksums.
        condition: What follows the name of the table.
        values: Those of its ``?``.
    """
    stored = "checksum" if version > 1 else "NULL"
    query = f"SELECT key, id, text, metadata, {stored} FROM documents {condition}"
    for key, id, text, metadata, expected in connection.execute(query, values):
        intact = type(id) is type(text) is type(metadata) is str and (
            version == 1 or expected == row_checksum(key, id, text, metadata)
        )
        yield key, Row(key, id, text, metadata) if intact else None
