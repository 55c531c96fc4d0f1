"""The index directory: one writer, any number of readers, and what is committed when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import RLock

import numpy as np
from filelock import FileLock, Timeout

from youtu_st.errors import IndexDamagedError, IndexExistsError, IndexLockedError, VectorIndexError
from youtu_st.index import files
from youtu_st.index.documents import DocumentStore, State, create_documents, explained
from youtu_st.index.inputs import Batch
from youtu_st.index.journal import Journal
from youtu_st.index.manifest import Manifest
from youtu_st.index.vectors import VectorTable
from youtu_st.protocol import Vectors

_LONG_JOURNAL = 1 << 30
_SMALL_BYTES = 64 << 20
_FOLD_SHARE = 0.1
_ATTEMPTS = 20
_NOTHING = State(commit=-1, generation=-1, journal_bytes=0, next_key=1)


def check_vacant(path: Path) -> None:
    """Refuse a directory that holds an index, or anything that ``create`` did not leave there half-made.

    Raises:
        IndexExistsError: The message names what is there.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise IndexExistsError(f"{path} must be a new or an empty directory, not a file")
    names = sorted(entry.name for entry in path.iterdir())
    if files.MANIFEST in names:
        raise IndexExistsError(
            f"{path} holds an index already: open it with VectorIndex.open, or choose another"
        )
    foreign = [name for name in names if not files.is_ours(name)]
    if foreign:
        raise IndexExistsError(f"{path} must be a new or an empty directory, and holds {foreign[0]!r}")


def create_directory(path: Path, manifest: Manifest, table: VectorTable) -> None:
    """Write an empty index."""
    with files.writing(path):
        path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path / files.LOCK, timeout=0)
    _acquire(lock, path)
    try:
        check_vacant(path)  # another process may have been faster
        for entry in path.iterdir():
            if entry.name != files.LOCK:
                entry.unlink()
        create_documents(path / files.DOCUMENTS)
        _write_generation(path, 0, table)
        manifest.write(path)  # last: a directory without it is not an index
    finally:
        lock.release()


class IndexDirectory:
    """An open index directory: its files, and the part of them that is in memory.

    ``table`` is brought up to date at the start of every transaction. What counts of the vectors' files is
    said by ``documents.sqlite``, so one SQLite transaction commits documents and vectors together.
    """

    def __init__(self, path: Path, manifest: Manifest, search_parameters: str | None) -> None:
        self.path = path
        self.manifest = manifest
        self.closed = False
        self.table = VectorTable(manifest.factory, manifest.dimension, search_parameters)
        self._lock = RLock()
        # The system releases it when the process dies. thread_local would tie it to the thread that took it.
        self._write_lock = FileLock(path / files.LOCK, timeout=0, thread_local=False)
        self._changed = False
        self._held = _NOTHING  # the state that the table is at
        self._removed = 0
        self._journal = self._journal_of(0)
        self._documents = DocumentStore(path / files.DOCUMENTS)
        try:
            self._refresh()
        except BaseException:
            self._documents.close()
            raise

    def _journal_of(self, generation: int) -> Journal:
        return Journal(files.journal_path(self.path, generation), self.manifest.dimension)

    # -- reading -----------------------------------------------------------------------------------------

    @contextmanager
    def reading(self) -> Iterator[tuple[DocumentStore, VectorTable]]:
        """A read transaction: documents and vectors of one and the same commit."""
        with self._lock:
            self._check_open()
            try:
                self._begin()
                with explained(self._documents.path):
                    yield self._documents, self.table
            finally:
                self._documents.end()

    def _refresh(self) -> None:
        with self.reading():
            pass

    def _check_open(self) -> None:
        if self.closed:
            raise VectorIndexError(f"the index in {self.path} is closed: open it again with VectorIndex.open")

    def _begin(self) -> None:
        for _ in range(_ATTEMPTS):
            try:
                self._catch_up(self._documents.begin())
                return
            except FileNotFoundError as error:
                # A writer has folded its files between our two looks: the next transaction sees the new ones.
                self._documents.end()
                missing = error
        raise IndexDamagedError(f"{missing.filename} is missing, and documents.sqlite names it") from missing

    def _catch_up(self, state: State) -> None:
        """Bring the table to the state of the current transaction."""
        if state.commit == self._held.commit and self.table.consistent:
            return
        if state.generation != self._held.generation or not self.table.consistent:
            self._held, self._removed = _NOTHING, 0
            self._journal.close()
            self._journal = self._journal_of(state.generation)
            self.table.read(files.vectors_path(self.path, state.generation))
        if state.journal_bytes > self._held.journal_bytes:
            self.table.add(*self._journal.read(self._held.journal_bytes, state.journal_bytes))
        gone, self._removed = self._documents.removed_since(self._removed)
        self.table.discard(gone)
        if self._held is _NOTHING and self.table.alive_count != self._documents.count():
            raise IndexDamagedError(
                f"{self.path} is damaged: it has {self._documents.count()} documents and vectors for "
                f"{self.table.alive_count}; build it again from the texts in documents.sqlite"
            )
        self._held = state

    # -- writing -----------------------------------------------------------------------------------------

    def become_writer(self) -> None:
        """Take the write lock, which is held until ``close``.

        Raises:
            IndexLockedError: If another object or process has it.
        """
        with self._lock:
            self._check_open()
            if self._write_lock.is_locked:
                return
            _acquire(self._write_lock, self.path)
            try:
                with self.reading():
                    files.remove_leftovers(self.path, self._held.generation)
            except BaseException:
                self._write_lock.release()
                raise

    @contextmanager
    def _writing(self) -> Iterator[State]:
        with self._documents.writing() as state:
            self._catch_up(state)
            yield state
        self._changed = True

    def append(self, batch: Batch, rows: Vectors) -> None:
        """Add documents and their vectors; a document with the same id is replaced."""
        with self._lock:
            self.become_writer()
            # Vectors and documents go to disk side by side; the pool's end comes before the commit.
            with self._writing() as state, ThreadPoolExecutor(1) as pool:
                keys = np.arange(state.next_key, state.next_key + len(rows), dtype=np.int64)
                written = pool.submit(self._journal.append, state.journal_bytes, keys, rows)
                if batch.may_replace and len(self.table):
                    self._documents.remove(self._documents.keys_of(batch.ids).values())
                self._documents.insert(keys, batch.ids, batch.texts, batch.metadata)
                length = written.result()
                self._documents.set_state(journal_bytes=length, next_key=int(keys[-1]) + 1)
            # Committed. Should this be interrupted, the next transaction reads the rest from the journal.
            self.table.add(keys, rows)
            self._held = replace(self._held, journal_bytes=length)
            self._refresh()
            if self._has_enough_to_train():
                self._train()
            elif length > max(self._long_journal(), self._snapshot_bytes()):
                self._fold()

    def remove(self, ids: Iterable[str]) -> int:
        """Delete documents.

        Returns:
            How many of the ids there were.
        """
        with self._lock:
            self.become_writer()
            with self._writing():
                keys = list(self._documents.keys_of(ids).values())
                self._documents.remove(keys)
            self._refresh()
            return len(keys)

    def train(self) -> None:
        """Train now, if the factory needs it and has not been."""
        with self._lock:
            self.become_writer()
            if not self.table.needs_training:
                return
            least, count = self.table.training_minimum(comfortable=False), self.table.alive_count
            if count < least:
                raise VectorIndexError(
                    f"factory {self.manifest.factory!r} needs at least {least} documents to be trained, and "
                    f"the index has {count}: add more; until then it searches exactly"
                )
            self._train()

    def _has_enough_to_train(self) -> bool:
        table = self.table
        return table.needs_training and table.alive_count >= table.training_minimum(comfortable=True)

    def _train(self) -> None:
        self.table.train()
        self._fold()  # training is not in the journal

    # -- folding -----------------------------------------------------------------------------------------

    def _long_journal(self) -> int:
        """Who opens the index adds the journal's vectors anew, which is slow for all but Flat."""
        return _LONG_JOURNAL if self.table.is_flat else _SMALL_BYTES

    def _snapshot_bytes(self) -> int:
        return len(self.table) * self._journal.record_bytes - self._held.journal_bytes

    def _worth_folding(self) -> bool:
        """Small, or changed enough: closing after a few additions must not rewrite a large index."""
        changed = self._held.journal_bytes + len(self.table.dead_keys) * self._journal.record_bytes
        return self._snapshot_bytes() < _SMALL_BYTES or changed > _FOLD_SHARE * self._snapshot_bytes()

    def _fold(self) -> None:
        """Write all vectors as the next generation's snapshot, with an empty journal."""
        old = self._held.generation
        self.table.compact()
        _write_generation(self.path, old + 1, self.table)
        with self._documents.writing():
            self._documents.set_state(generation=old + 1, journal_bytes=0)
            self._documents.reset_removed(self.table.dead_keys)
        # From here on the new files count. The table is what they hold.
        self._journal.close()
        self._journal = self._journal_of(old + 1)
        state = self._documents.begin()
        _, self._removed = self._documents.removed_since(0)
        self._documents.end()
        self._held = state
        files.remove_leftovers(self.path, old + 1)

    def close(self) -> None:
        """Close the files; a writer folds the journal if that is worth it, and lets others write."""
        with self._lock:
            if self.closed:
                return
            try:
                if self._changed:
                    self._refresh()
                    if self._worth_folding():
                        self._fold()
                    self.manifest = replace(self.manifest, count=self.table.alive_count)
                    self.manifest.write(self.path)
            finally:
                self.closed = True
                self._journal.close()
                self._documents.close()
                self._write_lock.release()


def _write_generation(path: Path, generation: int, table: VectorTable) -> None:
    journal = files.journal_path(path, generation)
    with files.writing(journal):
        journal.write_bytes(b"")
    with files.replacing(files.vectors_path(path, generation)) as written:
        table.write(written)


def _acquire(lock: FileLock, path: Path) -> None:
    try:
        lock.acquire()
    except Timeout as error:
        raise IndexLockedError(
            f"the index in {path} is being written by another process or object: close that one (its close() "
            f"releases the lock, and so does its end), or open the index here for reading only"
        ) from error
    except OSError as error:
        raise VectorIndexError(f"the index in {path} cannot be written: {error}") from error
