"""What any process may do with an index directory: read documents and vectors of one and the same commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import RLock
from typing import TypeVar

from youtu_st.backends.resting import rest_around_forks
from youtu_st.errors import IndexDamagedError, VectorIndexError
from youtu_st.index.keys import Keys
from youtu_st.index.nearest.vectors import VectorTable
from youtu_st.index.storage import files
from youtu_st.index.storage.documents import DocumentStore
from youtu_st.index.storage.journal import Journal
from youtu_st.index.storage.manifest import Manifest
from youtu_st.index.storage.schema import damaged, explained
from youtu_st.index.storage.state import State, read_committed
from youtu_st.protocol import Vectors

T = TypeVar("T")

_ATTEMPTS = 20


class DirectoryReader:
    """An open index directory: its files, and the part of them that is in memory.

    What counts of the vectors' files is said by ``documents.sqlite``, so one SQLite transaction commits
    documents and vectors together. ``table`` is brought up to date at the start of every transaction.

    An exception may come at any line (Ctrl-C), so nothing here depends on a line that follows another:
    ``_held``, the state that the table is at, is None while the table changes, which has it read anew; and a
    transaction first undoes what was left open.

    Args:
        path: The directory.
        manifest: What it says it is.
        search_parameters: See :meth:`VectorIndex.open`.
        created: This process has just made it: there is nothing to distrust.
    """

    def __init__(
        self, path: Path, manifest: Manifest, search_parameters: str | None, *, created: bool = False
    ) -> None:
        self.path = path
        self.manifest = manifest
        self.closed = False
        self._search_parameters = search_parameters
        self._lock = RLock()
        self._empty()
        files.check_directory(path)
        least = read_committed(path)  # before the transaction: it may only be older
        self._documents = DocumentStore(path / files.DOCUMENTS, intact=created)
        try:
            self._check_commit(self._current(), least)
        except BaseException:
            self._documents.close()
            raise
        rest_around_forks(self)

    def _empty(self) -> None:
        self._held: State | None = None
        self._held_version = 0
        self.table = VectorTable(self.manifest.factory, self.manifest.dimension, self._search_parameters)

    def _check_commit(self, state: State, least: int) -> None:
        if state.commit < least:
            raise damaged(
                self._documents.path,
                f"it is at commit {state.commit}, and {least} was acknowledged: documents.sqlite-wal is "
                "damaged or gone",
            )

    # -- forks, see youtu_st.backends.resting ---------------------------------------------------------------

    def before_fork(self) -> None:
        """Wait for other threads, and close the connection: the next call opens it again."""
        self._lock.acquire()
        self._documents.close()

    def after_fork_in_parent(self) -> None:
        """Let other threads go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """The lock is the parent's; the vectors are a copy, which is read on."""
        self._lock = RLock()

    # -- reading -----------------------------------------------------------------------------------------

    def read(self, work: Callable[[DocumentStore, VectorTable], T]) -> T:
        """What ``work`` gives for documents and vectors of one and the same commit."""
        with self._lock:
            self._check_open()
            try:
                with explained(self._documents.path):
                    self._begin()
                    return work(self._documents, self.table)
            finally:
                self._documents.end()

    def _check_open(self) -> None:
        if self.closed:
            raise VectorIndexError(f"the index in {self.path} is closed: open it again with VectorIndex.open")

    def _current(self) -> State:
        """The state as it is now, which the table is at."""

        def held(documents: DocumentStore, table: VectorTable) -> State:
            if self._held is None:
                raise IndexDamagedError(f"{self.path} is at no state")
            return self._held

        return self.read(held)

    def _begin(self, *, writing: bool = False) -> State:
        """Start a transaction, and bring the table to its state."""
        for _ in range(_ATTEMPTS):
            state = self._documents.begin(writing=writing)
            try:
                self._catch_up(state)
            except FileNotFoundError as error:
                # A writer has folded its files between our two looks: the next transaction sees the new ones.
                self._documents.end()
                missing = error
            else:
                return state
        raise IndexDamagedError(f"{missing.filename} is missing, and documents.sqlite names it") from missing

    def _catch_up(self, state: State) -> None:
        held, version = self._held, self._documents.version
        if held is not None and held.commit == state.commit:
            return
        if held is None or held.generation != state.generation or version != self._held_version:
            held = self._read_snapshot(state)
        self._held = None
        changes = self._documents.changes(held.changes, state)
        keys, vectors = self._journal(state).read(
            held.journal_bytes, [(change.stop, change.vectors) for change in changes]
        )
        self._apply(state, keys, vectors, [change.removed for change in changes])

    def _read_snapshot(self, state: State) -> State:
        """Have the table hold a generation's snapshot and nothing more; returns the state that this is."""
        self._empty()
        version = self._documents.version
        self.table.read(
            files.vectors_path(self.path, state.generation), None if version == 1 else state.snapshot
        )
        self._held_version = version
        return State(generation=state.generation)

    def _apply(self, state: State, keys: Keys, vectors: Vectors, removed: Iterable[Keys]) -> None:
        """Bring the table to a state by what led to it."""
        self._held = None
        self.table.add(keys, vectors)
        for gone in removed:
            self.table.discard(gone)
        if self.table.alive_count != state.documents:
            raise damaged(
                self._documents.path,
                f"it has {state.documents} documents, and there are vectors for {self.table.alive_count}",
            )
        self._held = state

    def _journal(self, state: State) -> Journal:
        return Journal(files.journal_path(self.path, state.generation), self.manifest.dimension)
