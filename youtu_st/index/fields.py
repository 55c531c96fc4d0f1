"""Metadata fields that filters ask for again and again: their values beside the documents, in memory."""

from __future__ import annotations

import sqlite3
from collections import Counter

from youtu_st.index.filters import ELEMENTS, Compiled

_OFTEN = 2
"""A field that was asked for so often is worth reading all documents once."""
_MOST = 16
"""Fields whose values are kept."""

# The same number of "?" in the same order as in ELEMENTS: the field's path, twice.
_KEPT = "documents.key IN (SELECT e.key FROM temp.elements AS e WHERE e.path = ? AND e.path = ?"
_INDEX = "CREATE INDEX IF NOT EXISTS temp.by_value ON elements (path, value, type, key)"
_READ = (
    "INSERT INTO temp.elements SELECT ?, documents.key, e.type, e.value "
    "FROM documents, json_each(documents.metadata, ?) AS e "
    "WHERE json_type(documents.metadata, ?) <> 'object' AND documents.key > ?"
)


class FieldIndex:
    """A temporary table of the elements of some fields, for one connection.

    A document never changes under its key: what was read of it stays true, and what is added later has
    greater keys. Who asks for documents by it leaves out those that are gone.
    """

    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()
        self._read_to: dict[str, int] = {}

    def quickened(self, connection: sqlite3.Connection, compiled: Compiled, next_key: int) -> Compiled:
        """The same condition over the table, if all fields of it are asked for often; else as it is.

        Args:
            connection: In a transaction.
            compiled: A compiled filter.
            next_key: Greater than every document's key.
        """
        condition, values = compiled
        paths = {value for value in values if isinstance(value, str) and value.startswith("$.")}
        self._asked.update(paths)
        if not paths or any(self._asked[path] < _OFTEN for path in paths):
            return compiled
        if len(self._read_to.keys() | paths) > _MOST:
            return compiled
        if not self._read_to:
            connection.execute("CREATE TEMP TABLE IF NOT EXISTS elements (path, key, type, value)")
            connection.execute(
                "CREATE INDEX IF NOT EXISTS temp.by_value ON elements (path, value, type, key)"
            )
        for path in paths:
            done = self._read_to.get(path, 0)
            if done < next_key - 1:
                connection.execute(_READ, [path, path, path, done])
                self._read_to[path] = next_key - 1
        return condition.replace(f"EXISTS ({ELEMENTS}", _KEPT), values
