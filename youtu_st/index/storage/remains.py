"""What can be read of an index, whatever has happened to it, and what is wrong with the rest."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from youtu_st.errors import IndexNotFoundError, VectorIndexError, in_one_line
from youtu_st.index.lexical import words
from youtu_st.index.nearest.vectors import VectorTable
from youtu_st.index.storage import files, schema
from youtu_st.index.storage.journal import Journal
from youtu_st.index.storage.manifest import Manifest, read_manifest
from youtu_st.index.storage.rows import Row, read_rows
from youtu_st.index.storage.state import Change, State, read_committed

T = TypeVar("T")

_GAP = 10_000
"""Documents after a page that cannot be read which are asked for one by one, before the end is believed."""


class Remains:
    """The parts of an index that are what was written, each looked at by itself. Changes nothing.

    Args:
        path: The directory.

    Raises:
        IndexNotFoundError: If there is no directory, or nothing of an index in it.
    """

    def __init__(self, path: Path) -> None:
        if not (path / files.MANIFEST).exists() and not (path / files.DOCUMENTS).exists():
            raise IndexNotFoundError(f"there is no index in {path}")
        self.path = path
        self.damage: list[str] = []
        """What is wrong, one line each."""
        self._version = 0
        self.has_words = False
        self._connection: sqlite3.Connection | None = None
        self._try(lambda: files.check_directory(path))
        self.manifest: Manifest | None = self._try(lambda: read_manifest(path))
        least = self._try(lambda: read_committed(path)) or 0
        self.state: State | None = self._try(self._open)
        if self.state is not None and self.state.commit < least:
            self.damage.append(
                f"{files.DOCUMENTS} is at commit {self.state.commit}, and {least} was acknowledged: what was "
                f"done since stood in {files.DOCUMENTS}-wal"
            )
        self.changes: list[Change] = self._try(self._read_changes) or []

    def close(self) -> None:
        """Close the database."""
        if self._connection is not None:
            self._connection.close()

    def _try(self, look: Callable[[], T]) -> T | None:
        """What there is to see; if it cannot be read, why not goes to the damage."""
        try:
            with schema.explained(self.path / files.DOCUMENTS):
                return look()
        except FileNotFoundError as error:
            self._note(f"{Path(str(error.filename)).name} is missing" if error.filename else str(error))
        except (VectorIndexError, OSError, ValueError) as error:
            self._note(str(error))
        return None

    def _note(self, message: str) -> None:
        # The remedy at its end is this.
        line = message.split("; youtu-st index check")[0].replace(f"{self.path}/", "")
        if line not in self.damage:
            self.damage.append(line)

    # -- the database ------------------------------------------------------------------------------------

    def _open(self) -> State:
        path = self.path / files.DOCUMENTS
        files.check_plain(path)
        connection = schema.connect(path, "ro")
        try:
            connection.execute("BEGIN")
            columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(documents)")]
            self._version = 2 if "checksum" in columns else 1
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            self.has_words = "words" in names
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._try(lambda: schema.schema_version(connection))
        (answer,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if answer != "ok":
            self._note(in_one_line(f"{files.DOCUMENTS} is damaged", answer))
        return schema.read_state(connection, self._version)

    def _read_changes(self) -> list[Change]:
        if self._connection is None or self.state is None:
            return []
        return schema.read_changes(self._connection, self._version, 0, self.state)

    def rows(self) -> Iterator[Row]:
        """The documents that are what was stored, by key. What there was beside them is noted at the end."""
        count = lost = 0
        for row in self._each():
            if row is None:
                lost += 1
            else:
                count += 1
                yield row
        known = count + lost if self.state is None else self.state.documents
        if (missing := max(lost, known - count)) > 0:
            self._note(f"{files.DOCUMENTS}: {missing:,} of {known:,} documents cannot be read")
        elif count > known:
            self._note(f"{files.DOCUMENTS}: {count:,} documents, and {known:,} were stored")

    def look_at_words(self) -> None:
        """Note where the words that are stored are not those of the documents."""
        connection = self._connection
        if connection is None or not self.has_words:
            return
        rows = (row for _, row in self._select("> ? ORDER BY key", 0))
        found = self._try(
            lambda: words.damage_of(connection, ((row.key, row.text) for row in rows if row is not None))
        )
        if found is not None:
            self._note(f"{files.DOCUMENTS}: {found}")

    def _each(self) -> Iterator[Row | None]:
        """Every document once, None for one that is not what was stored.

        A damaged tree may lead to a page twice, or end early; who is not met on the way is asked for alone.
        """
        seen: set[int] = set()
        try:
            for key, row in self._select("> ? ORDER BY key", 0):
                if key not in seen:
                    seen.add(key)
                    yield row
        except sqlite3.Error as error:
            self._note(in_one_line(f"{files.DOCUMENTS} is damaged", error))
            yield from self._one_by_one(seen)

    def _one_by_one(self, seen: set[int]) -> Iterator[Row | None]:
        """Those that are not in ``seen``: a page that cannot be read ends every other way."""
        key, last = 1, max(seen, default=0)
        while key < (last + _GAP if self.state is None else self.state.next_key):
            if key not in seen:
                with suppress(sqlite3.Error):
                    for _, row in self._select("= ?", key):
                        last = max(last, key)
                        yield row
            key += 1

    def _select(self, condition: str, key: int) -> Iterator[tuple[int, Row | None]]:
        if self._connection is None:
            return iter(())
        return read_rows(self._connection, self._version, f"NOT INDEXED WHERE key {condition}", [key])

    # -- the vectors -------------------------------------------------------------------------------------

    def vectors(self) -> VectorTable | None:
        """What is left of the vectors, dead ones left out as far as they are known.

        None if the manifest is lost, without which nobody knows what they are.
        """
        manifest, state = self.manifest, self.state
        if manifest is None:
            return None
        table = VectorTable(manifest.factory, manifest.dimension)
        if state is None:
            return table
        checked = state.snapshot if self._version > 1 else None
        snapshot = files.vectors_path(self.path, state.generation)

        def read_snapshot() -> bool:
            table.read(snapshot, checked)
            return True

        if not self._try(read_snapshot):
            table = VectorTable(manifest.factory, manifest.dimension)
        journal = Journal(files.journal_path(self.path, state.generation), manifest.dimension)
        start = 0
        for change in self.changes:
            begin, part = start, [(change.stop, change.vectors)]
            found = self._try(lambda begin=begin, part=part: journal.read(begin, part))  # type: ignore[misc]
            if found is not None:
                table.add(*found)
            table.discard(change.removed)
            start = change.stop
        return table
