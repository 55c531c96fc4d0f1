"""The journal: vectors added since the last snapshot, appended as fixed-size records."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from youtu_st.errors import IndexDamagedError
from youtu_st.index import files
from youtu_st.protocol import Vectors

Keys = npt.NDArray[np.int64]

_CHUNK = 16 << 20


class Journal:
    """One journal file. What lies past the committed length is not there: a killed ``add`` left it."""

    def __init__(self, path: Path, dimension: int) -> None:
        self.path = path
        # The document's key, then its vector, little-endian, no padding.
        self._record = np.dtype([("key", "<i8"), ("vector", "<f4", (dimension,))])
        self._file: FileIO | None = None

    @property
    def record_bytes(self) -> int:
        """Bytes of one record."""
        return self._record.itemsize

    def read(self, start: int, stop: int) -> tuple[Keys, Vectors]:
        """The records between two byte positions.

        Returns:
            Keys ``(n,)`` and vectors ``(n, dimension)``.

        Raises:
            FileNotFoundError: If the file is gone.
            IndexDamagedError: If it is shorter than ``stop``, or holds keys out of order.
        """
        count = (stop - start) // self.record_bytes
        with self.path.open("rb") as file:
            file.seek(start)
            records = np.fromfile(file, dtype=self._record, count=count)
        keys = np.ascontiguousarray(records["key"], dtype=np.int64)
        if len(keys) < count or (count and (keys[0] < 1 or (np.diff(keys) <= 0).any())):
            raise IndexDamagedError(
                f"{self.path} is damaged: {count} vectors were committed to bytes {start} to {stop}, "
                f"which hold {len(keys)} records; restore the file, or build the index again from the texts "
                f"in documents.sqlite"
            )
        return keys, np.ascontiguousarray(records["vector"], dtype=np.float32)

    def append(self, start: int, keys: Keys, vectors: Vectors) -> int:
        """Write records at the committed length ``start`` and make them durable.

        Returns:
            The new length. It counts once the documents' transaction has committed it.

        Raises:
            VectorIndexError: If the file cannot be written, for want of space for example.
        """
        with files.writing(self.path):
            file = self._open(start)
            file.seek(start)
            step = max(1, _CHUNK // self.record_bytes)
            buffer = np.empty(min(step, len(keys)), dtype=self._record)
            for first in range(0, len(keys), step):
                chunk = buffer[: len(keys) - first]
                chunk["key"] = keys[first : first + step]
                chunk["vector"] = vectors[first : first + step]
                rest = chunk.view(np.uint8).data
                while rest:  # a disk that fills up may take a part
                    rest = rest[file.write(rest) :]
            # fdatasync flushes a file's length too; it only skips times.
            getattr(os, "fdatasync", os.fsync)(file.fileno())
        return start + len(keys) * self.record_bytes

    def _open(self, committed: int) -> FileIO:
        if self._file is None:
            file = self.path.open("r+b", buffering=0)
            size = os.fstat(file.fileno()).st_size
            if size < committed:
                file.close()
                raise IndexDamagedError(
                    f"{self.path} is damaged: {size} bytes long, {committed} were committed"
                )
            file.truncate(committed)
            self._file = file
        return self._file

    def close(self) -> None:
        """Close the file that ``append`` opened."""
        if self._file is not None:
            self._file.close()
            self._file = None
