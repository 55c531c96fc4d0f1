"""Metadata fields that filters ask for again and again: their values beside the documents, in memory."""

from __future__ import annotations

import sqlite3
from collections import Counter

from youtu_st.index.filtering.filters import ELEMENTS, KIND, Compiled

_OFTEN = 2
"""A field that was asked for so often is worth reading all documents once."""
_MOST = 16
"""Fields whose values are kept."""

_KIND, _VALUE = KIND.format("e"), "ifnull(e.value, '')"
_TABLE = "CREATE TEMP TABLE IF NOT EXISTS elements (path, key, type, value, kind, known)"
_KEYS = "CREATE TEMP TABLE IF NOT EXISTS keys (key INTEGER PRIMARY KEY)"
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS temp.by_known ON elements (path, kind, known, key)",
    "CREATE INDEX IF NOT EXISTS temp.by_value ON elements (path, value, type, key)",
)
_ADD_KEYS = "INSERT OR IGNORE INTO temp.keys SELECT key FROM documents WHERE key > ?"
_DOCUMENTS = "documents NOT INDEXED"
_READ = (
    f"INSERT INTO temp.elements SELECT ?, documents.key, e.type, e.value, {_KIND}, {_VALUE} "
    "FROM documents, json_each(documents.metadata, ?) AS e "
    "WHERE json_type(documents.metadata, ?) <> 'object' AND documents.key > ?"
)
# What a compiled filter says of JSON, and the same of the table; "?" stands as often in both, for the same.
_SAME = {
    f"EXISTS ({ELEMENTS}": "documents.key IN "
    "(SELECT e.key FROM temp.elements AS e WHERE e.path = ? AND e.path = ?",
    _KIND: "e.kind",
    _VALUE: "e.known",
}


class FieldIndex:
    """A temporary table of the elements of some fields, for one connection.

    A document never changes under its key: what was read of it stays true, and what is added later has
    greater keys. Who asks for documents by it leaves out those that are gone.
    """

    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()
        self._read_to: dict[str, int] = {}
        self._keys_to = 0

    def quickened(
        self, connection: sqlite3.Connection, compiled: Compiled, next_key: int
    ) -> tuple[str, Compiled]:
        """The same condition over the table, if all fields of it are asked for often; else as it is.

        Which keys there are is kept too, so that documents need not be looked at. Dead ones are among them.

        Args:
            connection: In a transaction.
            compiled: A compiled filter.
            next_key: Greater than every document's key.

        Returns:
            What stands behind ``FROM``, and the condition.
        """
        condition, values = compiled
        paths = {value for value in values if isinstance(value, str) and value.startswith("$.")}
        self._asked.update(paths)
        if not paths or any(self._asked[path] < _OFTEN for path in paths):
            return _DOCUMENTS, compiled
        if len(self._read_to.keys() | paths) > _MOST:
            return _DOCUMENTS, compiled
        if not self._read_to:
            for statement in (_TABLE, _KEYS, *_INDEXES):
                connection.execute(statement)
        for path in paths:
            done = self._read_to.get(path, 0)
            if done < next_key - 1:
                connection.execute(_READ, [path, path, path, done])
                self._read_to[path] = next_key - 1
        for said, kept in _SAME.items():
            condition = condition.replace(said, kept)
        if "documents.metadata" in condition or "documents.text" in condition:
            return _DOCUMENTS, (condition, values)
        connection.execute(_ADD_KEYS, [self._keys_to])
        self._keys_to = next_key - 1
        return "temp.keys AS documents", (condition, values)
