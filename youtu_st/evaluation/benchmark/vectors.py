"""Vectors on disk, by encoder, role, whole prompt and text: no text goes through a network twice."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xxhash
from filelock import FileLock, Timeout

from youtu_st.errors import IndexDamagedError, InputError
from youtu_st.index.storage.journal import Journal
from youtu_st.protocol import Vectors

GIB = 1 << 30
SEGMENTS = 8
"""Into about how many parts a full cache falls: the oldest one gives way to a new one."""
_TEXTS, _LOCK, _USED = "texts.sqlite", "write.lock", "used"
_AT_ONCE = 500
_SCHEMA = """
CREATE TABLE IF NOT EXISTS texts (
    key BLOB PRIMARY KEY, segment INTEGER NOT NULL, row INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (
    segment INTEGER NOT NULL, stop INTEGER NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY (segment, stop)
) WITHOUT ROWID;
"""

Notify = Callable[[str], None]


def key_of(role: str, prompt: str, text: str) -> bytes:
    """What a vector is found by, beside the encoder's fingerprint: 16 bytes of xxHash3.

    Lengths go first, so that no prompt with its text is another prompt with another text.
    """
    head = f"{role} {len(prompt)} ".encode()
    return xxhash.xxh3_128_digest(head + prompt.encode() + text.encode())


class VectorCache:
    """The vectors of one encoder. A block of them counts once it is on the disk and a transaction says so.

    Records are those of an index's journal; what a killed run left after the last block is written over.

    Args:
        root: The cache's directory, with a folder for each encoder.
        fingerprint: The encoder's, and that of how it rounds.
        dimension: Length of its vectors.
        size: Bytes that the whole cache may take: encoders that were used least recently give way, then this
            one's own oldest vectors.
        notify: Is told what was damaged and is made anew.

    Raises:
        InputError: If another process writes there, or nothing can be written.
    """

    def __init__(
        self, root: Path, fingerprint: str, dimension: int, *, size: int = 20 * GIB, notify: Notify = print
    ) -> None:
        self.directory = root / f"{fingerprint}-{dimension}"
        self._root, self._dimension, self._size, self._notify = root, dimension, size, notify
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.directory / _LOCK, timeout=0)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise InputError(
                f"another run writes to {self.directory} now: wait for it, or have YOUTU_ST_CACHE name "
                "another folder"
            ) from error
        try:
            self._texts = self._connect()
            (self.directory / _USED).write_text(f"{time.time():.0f}\n")
            self._make_room()
        except sqlite3.Error as error:
            self._lock.release()
            raise InputError(
                f"vectors cannot be kept in {self.directory}: {error}: make room there, or have "
                "YOUTU_ST_CACHE name another folder"
            ) from error
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Let another process write."""
        self._texts.close()
        self._lock.release()

    def __enter__(self) -> VectorCache:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        (count,) = self._texts.execute("SELECT count(*) FROM texts").fetchone()
        return int(count)

    def find(self, keys: Sequence[bytes]) -> tuple[npt.NDArray[np.bool_], Vectors]:
        """The vectors that are there.

        Args:
            keys: See :func:`key_of`.

        Returns:
            Which of the keys were found, shape ``(n,)``; vectors of shape ``(n, dimension)``, of which only
            the rows of those that were found mean anything.
        """
        there = np.zeros(len(keys), dtype=np.bool_)
        vectors = np.empty((len(keys), self._dimension), dtype=np.float32)
        places = self._places(keys)
        wanted = sorted((*places[key], i) for i, key in enumerate(keys) if key in places)
        for segment, rows in groupby(wanted, key=lambda place: place[0]):
            each = np.array([place[1:] for place in rows], dtype=np.int64)
            try:
                self._read(segment, each, there, vectors)
            except (IndexDamagedError, OSError) as error:
                there[each[:, 1]] = False
                self._drop(segment)
                self._notify(f"{self._path(segment)} is damaged, and its texts are encoded again: {error}")
        return there, vectors

    def add(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Keep a block of vectors: all of it from when this returns, none of it before.

        Args:
            keys: As many as rows, none of them twice.
            vectors: Shape ``(n, dimension)``, float32.

        Raises:
            VectorIndexError: If the disk does not take them.
        """
        if not len(keys):
            return
        segment, stop = self._last()
        if stop and stop + vectors.nbytes > max(self._size // SEGMENTS, 1):
            self._make_room()
            segment, stop = segment + 1, 0
        journal = self._journal(segment)
        journal.path.touch()
        first = stop // journal.record_bytes
        numbers = np.arange(first + 1, first + 1 + len(keys), dtype=np.int64)
        end, written = journal.append(stop, numbers, vectors)
        journal.flush()
        with self._texts:
            self._texts.execute("INSERT INTO blocks VALUES (?, ?, ?)", (segment, end, written))
            self._texts.executemany(
                "INSERT OR REPLACE INTO texts VALUES (?, ?, ?)",
                ((key, segment, first + i) for i, key in enumerate(keys)),
            )

    def _places(self, keys: Iterable[bytes]) -> dict[bytes, tuple[int, int]]:
        places: dict[bytes, tuple[int, int]] = {}
        rest = iter(keys)
        while some := list(islice(rest, _AT_ONCE)):
            marks = ",".join("?" * len(some))
            for key, segment, row in self._texts.execute(
                f"SELECT key, segment, row FROM texts WHERE key IN ({marks})", some
            ):
                places[key] = (segment, row)
        return places

    def _read(
        self,
        segment: int,
        wanted: npt.NDArray[np.int64],
        there: npt.NDArray[np.bool_],
        vectors: Vectors,
    ) -> None:
        """Fill in the rows of a segment: ``wanted`` has its rows, ascending, and where each of them goes."""
        journal, start = self._journal(segment), 0
        for stop, written in self._blocks(segment):
            first, last = start // journal.record_bytes, stop // journal.record_bytes
            low, high = np.searchsorted(wanted[:, 0], [first, last])
            if high > low:
                _, block = journal.read(start, [(stop, written)])
                into = wanted[low:high, 1]
                vectors[into] = block[wanted[low:high, 0] - first]
                there[into] = True
            start = stop

    def _blocks(self, segment: int) -> list[tuple[int, int]]:
        found = self._texts.execute(
            "SELECT stop, checksum FROM blocks WHERE segment = ? ORDER BY stop", (segment,)
        )
        return found.fetchall()

    def _last(self) -> tuple[int, int]:
        (segment,) = self._texts.execute("SELECT max(segment) FROM blocks").fetchone()
        if segment is None:
            return 1, 0
        return segment, self._blocks(segment)[-1][0]

    def _path(self, segment: int) -> Path:
        return self.directory / f"vectors-{segment}.f32"

    def _journal(self, segment: int) -> Journal:
        return Journal(self._path(segment), self._dimension)

    def _drop(self, segment: int) -> None:
        with self._texts:
            self._texts.execute("DELETE FROM texts WHERE segment = ?", (segment,))
            self._texts.execute("DELETE FROM blocks WHERE segment = ?", (segment,))
        with suppress(OSError):
            self._path(segment).unlink()

    def _connect(self) -> sqlite3.Connection:
        path = self.directory / _TEXTS
        try:
            return _opened(path)
        except sqlite3.OperationalError:  # of the disk, which may be full: what is there may be whole
            raise
        except sqlite3.DatabaseError as error:
            self._notify(f"{self.directory} is damaged, and its texts are encoded again: {error}")
            for file in _files(self.directory):
                file.unlink()
            return _opened(path)

    def _make_room(self) -> None:
        """Delete what was used least recently, until the cache is as small as it may be."""
        limit = self._size - self._size // SEGMENTS  # and one more segment has room
        for other in _by_use(self._root):
            if _bytes(self._root) <= limit:
                return
            if other != self.directory:
                _remove_unused(other)
        segments = [
            row[0] for row in self._texts.execute("SELECT DISTINCT segment FROM blocks ORDER BY segment")
        ]
        for segment in segments:
            if _bytes(self._root) <= limit:
                return
            self._drop(segment)
        self._texts.execute("VACUUM")


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_SCHEMA)
        with closing(connection.execute("PRAGMA quick_check")) as check:
            if (said := check.fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(str(said))
    except BaseException:
        connection.close()
        raise
    return connection


def _files(directory: Path) -> Iterator[Path]:
    """Files of the cache that are plain, but for its lock: what else is there is nobody's business here."""
    for pattern in (f"{_TEXTS}*", "vectors-*.f32", _USED):
        yield from (path for path in directory.glob(pattern) if path.is_file() and not path.is_symlink())


def _bytes(root: Path) -> int:
    return sum(path.stat().st_size for each in _folders(root) for path in _files(each))


def _folders(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if (path / _LOCK).is_file() and not path.is_symlink()]


def _by_use(root: Path) -> list[Path]:
    def used(path: Path) -> float:
        with suppress(OSError):
            return (path / _USED).stat().st_mtime
        return 0.0

    return sorted(_folders(root), key=used)


def _remove_unused(directory: Path) -> None:
    """Delete the vectors of another encoder, unless a process writes to them."""
    lock = FileLock(directory / _LOCK, timeout=0)
    with suppress(Timeout), lock:
        for file in _files(directory):
            file.unlink()
        shutil.rmtree(directory, ignore_errors=True)
