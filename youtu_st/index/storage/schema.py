"""The tables of ``documents.sqlite``: made, checked, and brought up from the format before."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from youtu_st.errors import IndexDamagedError, VectorIndexError, brief, in_one_line
from youtu_st.index.filtering.filters import prepare
from youtu_st.index.lexical import words
from youtu_st.index.storage.rows import row_checksum
from youtu_st.index.storage.state import Change, State

_DOCUMENTS = """CREATE TABLE documents (
    key INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, text TEXT NOT NULL, metadata TEXT NOT NULL"""
_CHECKSUM = "checksum INTEGER NOT NULL DEFAULT 0"
_CHANGES = """CREATE TABLE changes (
    number INTEGER PRIMARY KEY, stop INTEGER NOT NULL, vectors INTEGER NOT NULL, removed BLOB NOT NULL,
    checksum INTEGER NOT NULL
)"""
_STATE = "CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL)"
_REMOVED = "CREATE TABLE removed (number INTEGER PRIMARY KEY, key INTEGER NOT NULL)"

_VERSIONS = {
    1: {"documents": f"{_DOCUMENTS})", "removed": _REMOVED, "state": _STATE},
    2: {"documents": f"{_DOCUMENTS}, {_CHECKSUM})", "changes": _CHANGES, "state": _STATE},
}
WITHOUT_WORDS, WITH_WORDS = 2, 3
_VERSIONS[WITH_WORDS] = _VERSIONS[WITHOUT_WORDS] | words.PARTS
_AT_ONCE = 1_000
INSERT_CHANGE = "INSERT INTO changes VALUES (?, ?, ?, ?, ?)"
_PASSING = re.compile(
    "locked|busy|full|readonly|read-only|read only|disk I/O|unable to open|interrupted|too big|permission"
    "|no such module"
)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, which name the file: those that pass, and those that are damage."""
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning) as error:
        # "malformed", "no such table" and "could not decode" have no class of their own.
        if isinstance(error, sqlite3.OperationalError | sqlite3.ProgrammingError) and _PASSING.search(
            str(error)
        ):
            raise VectorIndexError(in_one_line(str(path), error)) from error
        raise damaged(path, error) from error


def damaged(path: Path, how: BaseException | str) -> IndexDamagedError:
    """The error for a database that holds something else than was written."""
    found = in_one_line(f"{path} is damaged", how)
    return IndexDamagedError(f"{found}; youtu-st index check {path.parent} --repair saves what can be read")


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection that starts transactions where it is told to, and believes no database.

    What a database brings of its own (triggers, views, functions in a schema) is not run, and a page's cells
    are checked before they are read.

    Raises:
        sqlite3.Error: If it cannot be opened.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=30,
        check_same_thread=False,
    )
    prepare(connection)
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")
    # FULL: what a transaction has committed survives a power cut, not only a kill.
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def create_documents(path: Path, state: State, *, lexical: bool) -> None:
    """Make a database without documents, with or without a table of their words."""
    with explained(path), closing(connect(path, "rwc")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN")
        for table in _VERSIONS[WITHOUT_WORDS].values():
            connection.execute(table)
        if lexical:
            connection.execute(words.TABLE)
        write_state(connection, state)
        connection.execute("COMMIT")


def schema_version(connection: sqlite3.Connection) -> int:
    """Which of our formats a database has, to the letter: nothing is missing, and nothing has been added.

    Raises:
        ValueError: If it has none of them.
    """
    found = {
        name: _letters(sql)
        for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master")
        if not (kind == "index" and str(name).startswith("sqlite_autoindex_"))
    }
    for version, tables in _VERSIONS.items():
        if found == {name: _letters(sql) for name, sql in tables.items()}:
            return version
    odd = sorted(set(found) - set(_VERSIONS[WITH_WORDS]))
    lacking = "no such table: documents" if "documents" not in found else "its tables are others than ours"
    raise ValueError(lacking + (f", {brief(odd[0])} among them" if odd else ""))


def _letters(sql: Any) -> str:
    return "".join(str(sql).split())


# -- the state ----------------------------------------------------------------------------------------------


def read_state(connection: sqlite3.Connection, version: int) -> State:
    """The state of a database of a version.

    Raises:
        ValueError: If it is not what was stored.
    """
    if version == 1:
        return _read_first_state(connection)
    return State.verified(dict(connection.execute("SELECT name, value FROM state").fetchall()))


def read_changes(connection: sqlite3.Connection, version: int, after: int, state: State) -> list[Change]:
    """What the commits after the ``after``-th since the snapshot did.

    Raises:
        ValueError: If one is missing, or not what was stored.
    """
    if version == 1:
        return _read_first_changes(connection, after, state)
    rows = connection.execute("SELECT * FROM changes WHERE number > ? ORDER BY number", [after])
    found = [Change.verified(*row) for row in rows]
    if [change.number for change in found] != list(range(after + 1, state.changes + 1)):
        raise ValueError(f"it holds {len(found)} changes of {state.changes - after}")
    if found and found[-1].stop != state.journal_bytes:
        raise ValueError("its last change is not the journal's end")
    return found


def write_state(connection: sqlite3.Connection, state: State) -> None:
    """Store the state and its checksum."""
    values = {**asdict(state), "checksum": state.checksum}
    connection.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", values.items())


def write_change(connection: sqlite3.Connection, change: Change) -> None:
    """Store what a commit did."""
    row = (change.number, change.stop, change.vectors, change.blob, change.checksum)
    connection.execute(INSERT_CHANGE, row)


# -- the format before ---------------------------------------------------------------------------------


def _read_first_state(connection: sqlite3.Connection) -> State:
    """The state of a database of version 1, which has no checksums and counts its documents.

    Raises:
        ValueError: If it has others than the values of that version.
    """
    values = dict(connection.execute("SELECT name, value FROM state").fetchall())
    if set(values) != {"commit", "generation", "journal_bytes", "next_key"}:
        raise ValueError(f"its state has {sorted(map(str, values))}")
    if any(not isinstance(value, int) or value < 0 for value in values.values()):
        raise ValueError("a value of its state is no number")
    (documents,) = connection.execute("SELECT COUNT(*) FROM documents").fetchone()
    (changes,) = connection.execute("SELECT ifnull(MAX(number), 0) FROM removed").fetchone()
    return State(**values, documents=documents, changes=changes)


def _read_first_changes(connection: sqlite3.Connection, after: int, state: State) -> list[Change]:
    """All that was done after the ``after``-th removal, as one change."""
    rows = connection.execute("SELECT key FROM removed WHERE number > ? ORDER BY number", [after]).fetchall()
    removed = np.array([key for (key,) in rows], dtype=np.int64)
    return [Change(state.changes, state.journal_bytes, None, removed)]


def upgrade(connection: sqlite3.Connection, state: State, snapshot: int, vectors: int) -> State:
    """Bring a database of version 1 to version 2, inside a transaction.

    Args:
        connection: In a write transaction.
        state: As version 1 has it.
        snapshot: The checksum of the snapshot's file.
        vectors: The checksum of the journal's committed bytes.

    Returns:
        The new state.
    """
    (change,) = _read_first_changes(connection, 0, state)
    connection.execute(f"ALTER TABLE documents ADD COLUMN {_CHECKSUM}")
    connection.create_function("row_checksum", 4, row_checksum, deterministic=True)
    connection.execute("UPDATE documents SET checksum = row_checksum(key, id, text, metadata)")
    connection.execute("DROP TABLE removed")
    connection.execute(_CHANGES)
    write_change(connection, Change(1, state.journal_bytes, vectors, change.removed))
    new = State(
        commit=state.commit + 1,
        generation=state.generation,
        journal_bytes=state.journal_bytes,
        next_key=state.next_key,
        documents=state.documents,
        changes=1,
        snapshot=snapshot,
    )
    write_state(connection, new)
    return new


def add_words(connection: sqlite3.Connection, report: Callable[[int], object]) -> None:
    """Bring a database of version 2 to version 3, inside a transaction: make the words of all documents.

    Args:
        connection: In a write transaction.
        report: Told now and then how many documents are done.
    """
    connection.execute(words.TABLE)
    cursor = connection.execute("SELECT key, text FROM documents ORDER BY key")
    done = 0
    while rows := cursor.fetchmany(_AT_ONCE):
        words.insert_words(connection, *zip(*rows, strict=True))
        done += len(rows)
        report(done)
