"""The documents and the state of an index, in SQLite. Its transactions are the commit point of everything."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from youtu_st.errors import VectorIndexError
from youtu_st.index.filtering.fields import FieldIndex
from youtu_st.index.filtering.filters import Compiled, interruptible
from youtu_st.index.keys import Keys, keys_in
from youtu_st.index.lexical import words
from youtu_st.index.lexical.search import Mask, WordSearch
from youtu_st.index.storage import schema
from youtu_st.index.storage.files import DOCUMENTS
from youtu_st.index.storage.rows import Row, Rows, read_rows, row_checksums
from youtu_st.index.storage.schema import damaged, explained
from youtu_st.index.storage.state import Change, State

_SPARSE = 1_000
"""Free pages from which giving them back is worth a rewrite: 4 MB."""


def count_documents(directory: str | Path) -> int:
    """How many documents an index holds now; its manifest has the number of when it was last closed.

    Raises:
        VectorIndexError: If the database cannot be read.
    """
    path = Path(directory) / DOCUMENTS
    with explained(path), closing(DocumentStore(path)) as store:
        return store.begin().documents


class DocumentStore:
    """One connection to ``documents.sqlite``; its user keeps threads apart.

    What is read is what was written: a document, the state, and what each commit did have checksums, looked
    at wherever they are read. That something is *not* there is believed once the whole database has been
    looked through, which the first question of that kind does.

    Args:
        path: The file.
        intact: Nobody but this process has written it so far.

    Attributes:
        state: Of the transaction that has begun last.
    """

    state: State

    def __init__(self, path: Path, *, intact: bool = False) -> None:
        self.path = path
        self._ids_intact = self._rows_intact = intact
        # A directory that may not be written (a read-only mount) holds no writer's log, and cannot take one.
        fixed = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
        self._mode = "ro&immutable=1" if fixed else "rw"
        self._open: sqlite3.Connection | None = None
        self._words = WordSearch()
        self._fields = FieldIndex()
        self._writing = False
        try:
            self.look_at_schema()
        except BaseException:
            self.close()
            raise

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            self._open = schema.connect(self.path, self._mode)
        return self._open

    def look_at_schema(self) -> None:
        """Learn which version of the format this is.

        Raises:
            IndexDamagedError: If it is none, or the file is gone.
        """
        if not self.path.exists():
            raise damaged(self.path, "it is missing")
        with explained(self.path):
            try:
                self.version = schema.schema_version(self._connection)
            except ValueError as error:
                raise damaged(self.path, error) from error

    def close(self) -> None:
        """Close the connection, if there is one; the next transaction opens another."""
        if self._open is not None:
            self._open.close()
            self._open = None
            self._fields = FieldIndex()

    # -- transactions ----------------------------------------------------------------------------------

    def begin(self, *, writing: bool = False) -> State:
        """Start a transaction: until ``end`` every read sees this state.

        Whatever an interrupted call has left open is undone first.

        Raises:
            VectorIndexError: If the database is locked, or may not be written.
            IndexDamagedError: If the state is not what was stored.
        """
        self.end()
        self._writing = writing
        self._connection.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
        if self.version < schema.WITH_WORDS:  # another process may have brought it up to date
            self.look_at_schema()
        try:
            state = schema.read_state(self._connection, self.version)
        except ValueError as error:
            raise damaged(self.path, error) from error
        self.state = state
        return state

    def end(self) -> None:
        """End a transaction; what was written and not committed is undone.

        Raises:
            IndexDamagedError: If SQLite cannot.
        """
        if self._open is not None and self._open.in_transaction:
            with explained(self.path):
                try:
                    # A reader's temporary tables stay: nothing else was written by it.
                    self._open.execute("ROLLBACK" if self._writing else "COMMIT")
                except sqlite3.Error:  # FTS5 may say only here that its tables are damaged
                    self.close()
                    raise

    def commit(self, state: State, change: Change | None) -> State:
        """Store a new state, and what led to it, and make all of the transaction count.

        Returns:
            The state as committed.
        """
        new = replace(state, commit=state.commit + 1)
        if change is not None:
            schema.write_change(self._connection, change)
            new = replace(new, changes=change.number, journal_bytes=change.stop)
        schema.write_state(self._connection, new)
        self._connection.execute("COMMIT")
        return new

    def upgrade(self, state: State, snapshot: int, vectors: int) -> State:
        """Bring a database of version 1 to version 2, see :func:`youtu_st.index.storage.schema.upgrade`."""
        new = schema.upgrade(self._connection, state, snapshot, vectors)
        self._connection.execute("COMMIT")
        return new

    def add_words(self, state: State, report: Callable[[int], object]) -> State:
        """Bring a database of version 2 to version 3, see :func:`youtu_st.index.storage.schema.add_words`."""
        schema.add_words(self._connection, report)
        return self.commit(state, None)

    def changes(self, after: int, state: State) -> list[Change]:
        """What the commits after the ``after``-th since the snapshot did.

        Raises:
            IndexDamagedError: If one is missing, or not what was stored.
        """
        try:
            return schema.read_changes(self._connection, self.version, after, state)
        except ValueError as error:
            raise damaged(self.path, error) from error

    def forget_changes(self) -> None:
        """Delete them: a snapshot holds what they did."""
        self._connection.execute("DELETE FROM changes")

    def forget_dead_words(self) -> None:
        """Have FTS5 drop what it keeps of deleted documents' words until it merges them away."""
        if self.has_words:
            words.optimize(self._connection)

    # -- documents -------------------------------------------------------------------------------------

    def insert(self, keys: Keys, ids: Sequence[str], texts: Sequence[str], metadata: Sequence[str]) -> None:
        """Insert documents; their ids must be new."""
        numbers = keys.tolist()
        stored = row_checksums(numbers, ids, texts, metadata)
        rows = zip(numbers, ids, texts, metadata, stored, strict=True)
        self._connection.executemany("INSERT INTO documents VALUES (?, ?, ?, ?, ?)", rows)
        if self.has_words:
            words.insert_words(self._connection, numbers, texts)

    def remove(self, rows: Sequence[Row]) -> None:
        """Delete documents."""
        keys = [row.key for row in rows]
        self._connection.executemany("DELETE FROM documents WHERE key = ?", [(key,) for key in keys])
        if self.has_words:
            words.delete_words(self._connection, keys, [row.text for row in rows])

    @property
    def has_words(self) -> bool:
        """Whether documents are found by their words."""
        return self.version >= schema.WITH_WORDS

    def search_words(
        self, question: str, k: int, keys: Keys, alive: Mask, wanted: Mask
    ) -> list[tuple[float, int]]:
        """What a question's words find, see :meth:`youtu_st.index.lexical.search.WordSearch.search`.

        Raises:
            VectorIndexError: If this index has no words.
        """
        if not self.has_words:
            raise VectorIndexError(
                f"the index in {self.path.parent} finds documents by meaning only: it has no words, which "
                f"youtu-st index upgrade {self.path.parent} makes"
            )
        moment = self.state.next_key, self.state.commit
        return self._words.search(self._connection, *moment, question, k, keys, alive, wanted)

    def keys_of(self, ids: Iterable[str]) -> dict[str, int]:
        """The key of each of the ids that exist."""
        return {row.id: row.key for row in self.rows_of(ids)}

    def rows_of(self, ids: Iterable[str]) -> list[Row]:
        """The documents of some ids, in any order; those of unknown ids are left out."""
        wanted = set(ids)
        found = [row for row in self._rows("id", json.dumps(list(wanted))) if row.id in wanted]
        if len(found) < len(wanted):
            self._check_ids()
        return found

    def rows(self, keys: Iterable[int]) -> Rows:
        """The documents of some keys, by key.

        Raises:
            IndexDamagedError: If one is missing, or not what was stored.
        """
        wanted = set(keys)
        found = {row.key: row for row in self._rows("key", json.dumps(list(wanted)))}
        if found.keys() != wanted:
            raise damaged(self.path, f"document {min(wanted - found.keys())} of a vector is not there")
        return found

    def _rows(self, column: str, values: str) -> Iterator[Row]:
        condition = f"WHERE {column} IN (SELECT value FROM json_each(?))"
        return self._read(condition, [values])

    def _read(self, condition: str, values: Sequence[object] = ()) -> Iterator[Row]:
        for key, row in read_rows(self._connection, self.version, condition, values):
            if row is None:
                raise damaged(self.path, f"document {key} is not what was stored")
            yield row

    def rows_after(self, key: int, most: int) -> list[Row]:
        """The first documents with a greater key, in the order they were added."""
        return list(self._read("WHERE key > ? ORDER BY key LIMIT ?", [key, most]))

    def all_rows(self) -> Iterator[Row]:
        """Every document, in the order they were added.

        Raises:
            IndexDamagedError: If one is missing, or not what was stored.
        """
        count = 0
        for row in self._read("NOT INDEXED ORDER BY key"):
            count += 1
            yield row
        if count != self.state.documents:
            raise damaged(self.path, f"it holds {count} documents of {self.state.documents}")
        self._rows_intact = True

    def ids(self, compiled: Compiled) -> list[str]:
        """The ids of the documents that match a compiled filter, in the order they were added."""
        _, (condition, values) = self._prepared(compiled)
        query = f"SELECT id FROM documents NOT INDEXED WHERE {condition} ORDER BY key"
        with interruptible():
            return [id for (id,) in self._connection.execute(query, values)]

    def _prepared(self, compiled: Compiled) -> tuple[str, Compiled]:
        """A filter that may be believed, over what is quickest to look at."""
        if not self._rows_intact:
            for _ in self.all_rows():  # a filter reads what it does not give back
                pass
        return self._fields.quickened(self._connection, compiled, self.state.next_key)

    def _matching(self, compiled: Compiled) -> Keys:
        """The keys of the documents that match, in rising order; of deleted ones too, perhaps."""
        table, (condition, values) = self._prepared(compiled)
        query = f"SELECT group_concat(key) FROM {table} WHERE {condition}"
        with interruptible():
            (found,) = self._connection.execute(query, values).fetchone()
        return np.sort(keys_in(found))

    def allowed(self, compiled: Compiled | None, ids: Iterable[str] | None) -> Keys | None:
        """The keys of the documents that match a filter and have one of the ids; None means all.

        There may be keys of deleted documents among them.
        """
        matching = None
        if compiled is not None:
            matching = self._matching(compiled)
        if ids is None:
            return matching
        named = np.array(list(self.keys_of(ids).values()), dtype=np.int64)
        return named if matching is None else np.intersect1d(matching, named, assume_unique=True)

    def _check_ids(self) -> None:
        """Find out whether every document can be found by its id: SQLite keeps a tree of ids for that."""
        if self._ids_intact:
            return
        (answer,) = self._connection.execute("PRAGMA integrity_check(documents)").fetchone()
        if answer != "ok":
            raise damaged(self.path, answer)
        (count,) = self._connection.execute("SELECT COUNT(*) FROM documents").fetchone()
        if count != self.state.documents:
            raise damaged(self.path, f"it holds {count} documents of {self.state.documents}")
        self._ids_intact = True

    # -- space -----------------------------------------------------------------------------------------

    def give_back_space(self) -> None:
        """Rewrite the file where most of it is free; outside of a transaction.

        Raises:
            VectorIndexError: If there is no room to do it.
        """
        with explained(self.path):
            free, pages = (
                self._connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("freelist_count", "page_count")
            )
            if free > _SPARSE and 2 * free > pages:
                self._connection.execute("VACUUM")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
