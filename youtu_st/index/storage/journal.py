"""The journal: vectors added since the last snapshot, appended as fixed-size records."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from youtu_st.disk import Checksum, checksum
from youtu_st.errors import IndexDamagedError
from youtu_st.index.keys import Keys
from youtu_st.index.storage import files
from youtu_st.protocol import Vectors

Ranges = Sequence[tuple[int, int | None]]
"""For each range where it ends, in bytes from the start of the file, and the checksum of its bytes."""

_CHUNK = 16 << 20


class Journal:
    """One journal file. What lies past the committed length is not there: a killed ``add`` left it."""

    def __init__(self, path: Path, dimension: int) -> None:
        self.path = path
        # The document's key, then its vector, little-endian, no padding.
        self._record = np.dtype([("key", "<i8"), ("vector", "<f4", (dimension,))])

    @property
    def record_bytes(self) -> int:
        """Bytes of one record."""
        return self._record.itemsize

    def read(self, start: int, ranges: Ranges) -> tuple[Keys, Vectors]:
        """The records from a byte position on, range by range.

        Returns:
            Keys ``(n,)`` and vectors ``(n, dimension)``.

        Raises:
            FileNotFoundError: If the file is gone.
            IndexDamagedError: If it is shorter than the last range, holds keys out of order, or other bytes
                than were written.
        """
        stop = ranges[-1][0] if ranges else start
        count = (stop - start) // self.record_bytes
        if not count:
            return np.empty(0, dtype=np.int64), np.empty(
                (0, self._record["vector"].shape[0]), dtype=np.float32
            )
        with files.opened(self.path, os.O_RDONLY) as descriptor:
            os.lseek(descriptor, start, os.SEEK_SET)
            with open(descriptor, "rb", closefd=False) as file:
                # Asked for first: a length that somebody made up must not be allocated.
                held = (os.fstat(descriptor).st_size - start) // self.record_bytes
                records = np.empty(max(0, min(count, held)), dtype=self._record)
                # Not np.fromfile: an interrupt in its look at the file's type comes out as a TypeError.
                whole = file.readinto(records.view(np.uint8).data) // self.record_bytes
                records = records[:whole]
        keys = np.ascontiguousarray(records["key"], dtype=np.int64)
        if len(keys) < count:
            raise self._damaged(start, stop, f"which hold {len(keys)} records of {count}")
        if keys[0] < 1 or (np.diff(keys) <= 0).any():
            raise self._damaged(start, stop, "whose keys are out of order")
        self._verify(records.view(np.uint8), start, ranges)
        return keys, np.ascontiguousarray(records["vector"], dtype=np.float32)

    def _verify(self, content: npt.NDArray[np.uint8], start: int, ranges: Ranges) -> None:
        first = start
        for stop, expected in ranges:
            if expected is not None and checksum(content[first - start : stop - start].data) != expected:
                raise self._damaged(first, stop, "which hold other bytes now")
            first = stop

    def _damaged(self, start: int, stop: int, how: str) -> IndexDamagedError:
        return IndexDamagedError(
            f"{self.path} is damaged: vectors were committed to bytes {start} to {stop}, {how}; "
            f"youtu-st index check {self.path.parent} --repair makes them anew"
        )

    def append(self, start: int, keys: Keys, vectors: Vectors) -> Appended:
        """Write records at the committed length ``start``; they count once a transaction has committed them.

        Returns:
            Where they end, their checksum, and what makes them durable, to be done before the commit.

        Raises:
            VectorIndexError: If the file cannot be written, for want of space for example.
            IndexDamagedError: If it is shorter than ``start``, or no plain file.
        """
        written = Checksum()
        with files.writing(self.path), files.opened(self.path, os.O_RDWR) as descriptor:
            size = os.fstat(descriptor).st_size
            if size < start:
                raise self._damaged(0, start, f"and it is {size} bytes long")
            if size > start:
                os.ftruncate(descriptor, start)
            os.lseek(descriptor, start, os.SEEK_SET)
            step = max(1, _CHUNK // self.record_bytes)
            buffer = np.empty(min(step, len(keys)), dtype=self._record)
            for first in range(0, len(keys), step):
                chunk = buffer[: len(keys) - first]
                chunk["key"] = keys[first : first + step]
                chunk["vector"] = vectors[first : first + step]
                rest = chunk.view(np.uint8).data
                written.update(rest)
                while rest:  # a disk that fills up may take a part
                    rest = rest[os.write(descriptor, rest) :]
            _begin_flushing(descriptor, start, len(keys) * self.record_bytes)
        return start + len(keys) * self.record_bytes, written.value

    def flush(self) -> None:
        """Make what was appended durable.

        Raises:
            VectorIndexError: If the disk does not take it.
        """
        with files.writing(self.path), files.opened(self.path, os.O_RDWR) as descriptor:
            # fdatasync flushes a file's length too; it only skips times.
            getattr(os, "fdatasync", os.fsync)(descriptor)


Appended = tuple[int, int]
"""Where appended records end, and their checksum."""


def _begin_flushing(descriptor: int, start: int, length: int) -> None:
    """Have the disk begin to write, while the documents are inserted.

    To say that the pages are not needed is how a program without its own system call starts that. Nothing
    more happens to them: those on their way to the disk stay in memory.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, start, length, os.POSIX_FADV_DONTNEED)
