"""The index directory: one writer, any number of readers, and what is committed when."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from youtu_st.disk import checksum
from youtu_st.errors import IndexWarning, VectorIndexError
from youtu_st.index.inputs import Batch
from youtu_st.index.keys import Keys
from youtu_st.index.lexical.words import check_available
from youtu_st.index.storage import creation, files
from youtu_st.index.storage.folding import Sizes
from youtu_st.index.storage.manifest import VERSION, Manifest
from youtu_st.index.storage.reader import DirectoryReader
from youtu_st.index.storage.rows import Row
from youtu_st.index.storage.schema import WITHOUT_WORDS, explained
from youtu_st.index.storage.state import Change, State, write_committed
from youtu_st.protocol import Vectors


class IndexDirectory(DirectoryReader):
    """An index directory that may be written to as well.

    What a line that an exception came at has begun with the files is begun again by the next call: until a
    transaction commits, nothing of it counts.

    Args:
        path: As for :class:`DirectoryReader`, as all that follows.
        manifest: Likewise.
        search_parameters: Likewise.
        created: Likewise.
    """

    def __init__(
        self, path: Path, manifest: Manifest, search_parameters: str | None, *, created: bool = False
    ) -> None:
        self._kept_dead = 0
        self._is_writer = False
        self._report: Callable[[int], object] = lambda _: None
        self._write_lock = creation.write_lock(path)
        super().__init__(path, manifest, search_parameters, created=created)

    def after_fork_in_child(self) -> None:
        """The parent's write lock is not the child's, either."""
        super().after_fork_in_child()
        self._write_lock = creation.write_lock(self.path)
        self._is_writer = False

    def become_writer(self) -> None:
        """Take the write lock, which is held until ``close``.

        Raises:
            IndexLockedError: If another object or process has it.
        """
        with self._lock:
            self._check_open()
            if self._is_writer:
                return
            if not self._write_lock.is_locked:
                creation.acquire(self._write_lock, self.path)
            try:
                self._upgrade()
                files.remove_leftovers(self.path, self._current().generation)
                self._is_writer = True
            except BaseException:
                self._write_lock.release(force=True)
                raise

    def remember(self, settings: Mapping[str, int]) -> None:
        """Write settings into the manifest, in the place of those that are there."""
        with self._lock:
            self.become_writer()
            if dict(settings) != dict(self.manifest.settings):
                self.manifest = replace(self.manifest, settings=dict(settings))
                self.manifest.write(self.path)

    def upgrade(self, report: Callable[[int], object]) -> bool:
        """Become the writer of an index of this release's format, with words.

        Args:
            report: Told how many documents have got their words.

        Returns:
            Whether anything was to be done.
        """
        with self._lock:
            before = self.manifest
            had_words = self._documents.has_words
            self._report = report
            self.become_writer()
            if not self.manifest.lexical:  # made without, and now wanted
                check_available()
                self.manifest = replace(self.manifest, lexical=True)
                self.manifest.write(self.path)
                self._upgrade()
            return self.manifest != before or not had_words

    def _upgrade(self) -> None:
        """Bring an earlier release's format up to this one's, each step of it whole or not at all."""
        lacks_words = not self._documents.has_words and self.manifest.upgraded().lexical
        if lacks_words:
            check_available()
        if self.manifest.version < VERSION:
            # First: an earlier release then says that a later one has written here.
            self.manifest = self.manifest.upgraded()
            self.manifest.write(self.path)
        if self._documents.version < WITHOUT_WORDS:
            self._transact(self._upgrade_documents)
            self._documents.look_at_schema()
        if lacks_words:
            self._transact(lambda state: self._documents.add_words(state, self._report))
            self._documents.look_at_schema()

    def _upgrade_documents(self, state: State) -> State:
        with files.writing(self.path):
            snapshot = creation.file_checksum(files.vectors_path(self.path, state.generation))
            vectors = creation.file_checksum(
                files.journal_path(self.path, state.generation), state.journal_bytes
            )
        return self._documents.upgrade(state, snapshot, vectors)

    def _transact(self, work: Callable[[State], State], *, table_is_ahead: bool = False) -> State:
        """A write transaction, which ``work`` commits: all of it counts or, on any error, nothing.

        Args:
            work: Given the state, makes the next one.
            table_is_ahead: Leave the table as it is: it was changed before the files are.

        Returns:
            The new state, which the table is not at yet.
        """
        try:
            with explained(self._documents.path):
                new = work(
                    self._documents.begin(writing=True) if table_is_ahead else self._begin(writing=True)
                )
        finally:
            self._documents.end()
        with suppress(OSError, VectorIndexError):  # it stands, noted or not
            write_committed(self.path, new.commit)
        return new

    def append(self, batch: Batch, rows: Vectors) -> None:
        """Add documents and their vectors; a document with the same id is replaced."""
        with self._lock:
            self.become_writer()
            gone: Keys = np.empty(0, dtype=np.int64)
            keys = gone

            def work(state: State) -> State:
                nonlocal gone, keys
                replaced: list[Row] = []
                documents, journal = self._documents, self._journal(state)
                keys = np.arange(state.next_key, state.next_key + len(rows), dtype=np.int64)
                if batch.may_replace and state.documents:
                    replaced = documents.rows_of(batch.ids)
                    gone = _keys(replaced)
                stop, written = journal.append(state.journal_bytes, keys, rows)
                documents.remove(replaced)
                documents.insert(keys, batch.ids, batch.texts, batch.metadata)
                journal.flush()
                change = Change(state.changes + 1, stop, written, gone)
                new = replace(
                    state, next_key=int(keys[-1]) + 1, documents=state.documents + len(keys) - len(gone)
                )
                return documents.commit(new, change)

            new = self._transact(work)
            # Committed. Should this be interrupted, the next transaction reads it from the journal.
            self._apply(new, keys, rows, [gone])
            self._tidy(new)

    def remove(self, ids: Iterable[str]) -> int:
        """Delete documents.

        Returns:
            How many of the ids there were.
        """
        with self._lock:
            self.become_writer()
            gone: Keys = np.empty(0, dtype=np.int64)

            def work(state: State) -> State:
                nonlocal gone
                removed = self._documents.rows_of(ids)
                gone = _keys(removed)
                if not len(gone):
                    return state
                self._documents.remove(removed)
                change = Change(state.changes + 1, state.journal_bytes, checksum(b""), gone)
                return self._documents.commit(replace(state, documents=state.documents - len(gone)), change)

            new = self._transact(work)
            self._apply(new, *self._nothing, [gone])
            self._tidy(new)
            return len(gone)

    @property
    def _nothing(self) -> tuple[Keys, Vectors]:
        return np.empty(0, dtype=np.int64), np.empty((0, self.manifest.dimension), dtype=np.float32)

    # -- training, folding ---------------------------------------------------------------------------------

    def train(self) -> None:
        """Train now, if the factory needs it and has not been."""
        with self._lock:
            self.become_writer()
            self._current()
            if not self.table.needs_training:
                return
            least = self.table.training_minimum()
            if not self.table.has_distinct(least):
                count = self.table.alive_count
                equal = f" with fewer than {least} different vectors" if count >= least else ""
                raise VectorIndexError(
                    f"factory {self.manifest.factory!r} needs at least {least} documents to be trained, and "
                    f"the index has {count}{equal}: add more; until then it searches exactly"
                )
            self._fold(train=True)

    def _tidy(self, state: State) -> None:
        """After a commit: train or fold if it is time. The commit stands, whatever comes of it."""
        if self.table.training_due(self.manifest.trained, ending=False):
            self._try(lambda: self._fold(train=True))
        elif self._sizes(state.journal_bytes).due:
            self._try(self._fold)

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (VectorIndexError, OSError, MemoryError, RuntimeError) as error:
            warnings.warn(
                f"all documents of {self.path} are stored, but its files could not be put in order, which is "
                f"tried again later: {error}",
                IndexWarning,
                stacklevel=5,
            )

    def _sizes(self, journal_bytes: int) -> Sizes:
        return Sizes(
            vectors=len(self.table),
            dead=len(self.table) - self.table.alive_count,
            kept_dead=self._kept_dead,
            record_bytes=8 + 4 * self.manifest.dimension,
            journal_bytes=journal_bytes,
            flat=self.table.is_flat,
        )

    def _fold(self, *, train: bool = False) -> None:
        """Write all vectors as the next generation's snapshot, with an empty journal."""
        held = self._current()
        generation = held.generation + 1
        self._held, trained = None, self.manifest.trained
        mostly_dead = len(self.table) > 2 * self.table.alive_count
        if train:
            trained = self.table.train()
        self.table.compact()
        self._held = held  # the same documents, in other places
        snapshot = creation.write_generation(self.path, generation, self.table)

        def work(state: State) -> State:
            new = replace(state, generation=generation, journal_bytes=0, changes=0, snapshot=snapshot)
            dead = self.table.dead_keys
            self._documents.forget_changes()
            if mostly_dead:
                self._documents.forget_dead_words()
            return self._documents.commit(new, Change(1, 0, checksum(b""), dead) if len(dead) else None)

        new = self._transact(work, table_is_ahead=True)
        self._kept_dead = len(self.table.dead_keys)
        self._held = new  # what the new files hold
        files.remove_leftovers(self.path, generation)
        with suppress(VectorIndexError):
            self._note(trained=trained)
        with suppress(VectorIndexError):
            self._documents.give_back_space()

    def _note(self, **changed: int) -> None:
        """Write into the manifest what others may go by."""
        new = replace(self.manifest, **changed)  # type: ignore[arg-type]
        if new != self.manifest:
            new.write(self.path)
            self.manifest = new

    # -- the end -------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the files; a writer folds the journal if that is worth it, and lets others write.

        Called again after it was interrupted, it does what is left.
        """
        with self._lock:
            try:
                if self._is_writer and not self.closed:
                    self._try(self._settle)
            finally:
                self.closed = True
                self._documents.close()
                self._write_lock.release(force=True)

    def _settle(self) -> None:
        state = self._current()
        if self.table.training_due(self.manifest.trained, ending=True):
            self._fold(train=True)
        elif state.changes and self._sizes(state.journal_bytes).worthwhile:
            self._fold()
        self._note(count=state.documents)


def _keys(rows: Iterable[Row]) -> Keys:
    return np.array(sorted(row.key for row in rows), dtype=np.int64)
