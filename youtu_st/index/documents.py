"""The documents and the state of an index, in SQLite. Its transactions are the commit point of everything."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from youtu_st.errors import IndexDamagedError, VectorIndexError
from youtu_st.index.files import DOCUMENTS
from youtu_st.index.filters import Compiled
from youtu_st.index.journal import Keys

_SCHEMA = """
CREATE TABLE documents (
    key INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, text TEXT NOT NULL, metadata TEXT NOT NULL
);
CREATE TABLE removed (number INTEGER PRIMARY KEY, key INTEGER NOT NULL);
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO state VALUES ('commit', 1), ('generation', 0), ('journal_bytes', 0), ('next_key', 1);
"""
_REMOVED = "INSERT INTO removed (key) VALUES (?)"
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class State:
    """Which files count, and how much of them.

    Attributes:
        commit: Raised by every transaction that writes.
        generation: The number of the vectors and journal files that count.
        journal_bytes: The journal's committed length.
        next_key: The next document's key; never used twice.
    """

    commit: int
    generation: int
    journal_bytes: int
    next_key: int


@dataclass(frozen=True, slots=True)
class Row:
    """One document as stored; ``metadata`` is JSON text."""

    key: int
    id: str
    text: str
    metadata: str


def create_documents(path: Path) -> None:
    """Make an empty database."""
    with explained(path), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(f"BEGIN;{_SCHEMA}COMMIT;")


def count_documents(directory: str | Path) -> int:
    """How many documents an index holds now; its manifest has the number of when it was last closed.

    Raises:
        VectorIndexError: If the database cannot be read.
    """
    with closing(DocumentStore(Path(directory) / DOCUMENTS)) as store:
        return store.count()


class DocumentStore:
    """One connection to ``documents.sqlite``; its user keeps threads apart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # A directory that may not be written (a read-only mount) holds no writer's log, and cannot take one.
        fixed = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
        uri = f"{path.absolute().as_uri()}?mode={'ro&immutable=1' if fixed else 'rw'}"
        with explained(path):
            self._connection = sqlite3.connect(
                uri, uri=True, isolation_level=None, timeout=_TIMEOUT_SECONDS, check_same_thread=False
            )
            # FULL: what a transaction has committed survives a power cut, not only a kill.
            self._connection.execute("PRAGMA synchronous=FULL")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def begin(self) -> State:
        """Start a read transaction: until ``end`` every read sees this state."""
        with explained(self.path):
            self._connection.execute("BEGIN")
            try:
                return self._state()
            except BaseException:
                self.end()
                raise

    def end(self) -> None:
        """End a transaction; what was written and not committed is undone."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[State]:
        """A write transaction: all of it is committed, or, on any error, none."""
        with explained(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._state()
                self._connection.execute("UPDATE state SET value = value + 1 WHERE name = 'commit'")
                self._connection.execute("COMMIT")
            finally:
                self.end()

    def _state(self) -> State:
        values = dict(self._connection.execute("SELECT name, value FROM state").fetchall())
        try:
            return State(**values)
        except TypeError as error:
            raise IndexDamagedError(f"{self.path} is damaged: its state has {sorted(values)}") from error

    def set_state(self, **values: int) -> None:
        """Set some of the state's values."""
        rows = [(value, name) for name, value in values.items()]
        self._connection.executemany("UPDATE state SET value = ? WHERE name = ?", rows)

    def insert(self, keys: Keys, ids: Sequence[str], texts: Sequence[str], metadata: Sequence[str]) -> None:
        """Insert documents; their ids must be new."""
        rows = zip(keys.tolist(), ids, texts, metadata, strict=True)
        self._connection.executemany("INSERT INTO documents VALUES (?, ?, ?, ?)", rows)

    def remove(self, keys: Iterable[int]) -> None:
        """Delete documents, and note that their vectors are dead."""
        gone = [(key,) for key in keys]
        self._connection.executemany("DELETE FROM documents WHERE key = ?", gone)
        self._connection.executemany(_REMOVED, gone)

    def reset_removed(self, keys: Keys) -> None:
        """Make these the only dead vectors that the current generation holds."""
        self._connection.execute("DELETE FROM removed")
        self._connection.executemany(_REMOVED, [(key,) for key in keys.tolist()])

    def removed_since(self, number: int) -> tuple[Keys, int]:
        """The keys that died after the ``number``-th of this generation, and the number to ask for next."""
        rows = self._connection.execute(
            "SELECT number, key FROM removed WHERE number > ?", [number]
        ).fetchall()
        return np.array([key for _, key in rows], dtype=np.int64), max((n for n, _ in rows), default=number)

    def count(self) -> int:
        """Number of documents."""
        (count,) = self._connection.execute("SELECT COUNT(*) FROM documents").fetchone()
        return int(count)

    def keys_of(self, ids: Iterable[str]) -> dict[str, int]:
        """The key of each of the ids that exist."""
        wanted = set(ids)
        found = self._connection.execute(
            "SELECT id, key FROM documents WHERE id IN (SELECT value FROM json_each(?))",
            [json.dumps(list(wanted))],
        )
        return {id: key for id, key in found if id in wanted}

    def rows(self, keys: Iterable[int]) -> dict[int, Row]:
        """The documents of some keys, by key."""
        found = self._connection.execute(
            "SELECT key, id, text, metadata FROM documents WHERE key IN (SELECT value FROM json_each(?))",
            [json.dumps(list(keys))],
        )
        return {row[0]: Row(*row) for row in found}

    def ids(self, compiled: Compiled) -> list[str]:
        """The ids of the documents that match a compiled filter, in the order they were added."""
        return list(self._matching("id", compiled))

    def _matching(self, column: str, compiled: Compiled) -> Iterator[Any]:
        condition, values = compiled
        query = f"SELECT {column} FROM documents WHERE {condition} ORDER BY key"
        return (value for (value,) in self._connection.execute(query, values))

    def allowed(self, compiled: Compiled | None, ids: Iterable[str] | None) -> Keys | None:
        """The keys of the documents that match a filter and have one of the ids; None means all."""
        matching = None if compiled is None else np.fromiter(self._matching("key", compiled), dtype=np.int64)
        if ids is None:
            return matching
        named = np.array(list(self.keys_of(ids).values()), dtype=np.int64)
        return named if matching is None else np.intersect1d(matching, named, assume_unique=True)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, which name the file."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        # "malformed" and "not a database" have no class of their own; a full disk or a lock has one.
        if type(error) is sqlite3.DatabaseError or "no such table" in str(error):
            raise IndexDamagedError(f"{path} is damaged: {error}") from error
        raise VectorIndexError(f"{path}: {error}") from error
