"""Whether two rows have one id: in memory that does not grow with their number."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from youtu_st.errors import InputError, in_one_line, printable

_BUCKETS = 64
_HELD = 1 << 16
"""Ids that wait in memory: 24 bytes each."""
_SORTED = 1 << 18
"""Ids that are sorted together."""
_ROW = 40
"""Bits of a row's number; those above are its file's."""

Entries = npt.NDArray[np.uint64]


class Twice(NamedTuple):
    """Two rows that have one id, each with its file's position and its number; -1: of :meth:`Ids.known`."""

    first: tuple[int, int]
    second: tuple[int, int]


class Ids:
    """Ids of rows, as hashes of 128 bits in temporary files; they are gone when it is closed.

    Args:
        scratch: The folder of these. None: the system's.
    """

    def __init__(self, scratch: Path | None = None) -> None:
        self._scratch = scratch
        self._held: list[Entries] = []
        self._count = 0
        self._buckets: list[BinaryIO] = []

    def __enter__(self) -> Ids:
        return self

    def __exit__(self, *error: object) -> None:
        for bucket in self._buckets:
            bucket.close()

    def add(self, ids: Iterable[str], file: int, numbers: npt.NDArray[np.int64]) -> None:
        """Take ids of rows.

        Args:
            ids: The ids.
            file: Position of their file.
            numbers: Of each its row's number; shape ``(n,)``.
        """
        if len(numbers):
            entries = np.empty((len(numbers), 3), np.uint64)
            digests = b"".join(xxhash.xxh3_128_digest(id.encode()) for id in ids)
            entries[:, :2] = np.frombuffer(digests, np.uint64).reshape(-1, 2)
            entries[:, 2] = (file + 1) << _ROW | numbers
            self._held.append(entries)
            self._count += len(entries)
            if self._count >= _HELD:
                self._write()

    def known(self, ids: Iterable[str], first: int) -> None:
        """Take ids that are taken already; ``first`` is the number of the first of them."""
        ids = list(ids)
        self.add(ids, -1, np.arange(first, first + len(ids), dtype=np.int64))

    def twice(self) -> Twice | None:
        """Two rows with one id, those that are met first in the order of the second; None: there are none."""
        if not self._buckets:
            return _first_twice([_twice(np.concatenate(self._held))]) if self._held else None
        self._write()
        with _room(self._scratch):
            return _first_twice(
                _twice(entries) for bucket in self._buckets for entries in _parts(bucket, 0, self._scratch)
            )

    def _write(self) -> None:
        with _room(self._scratch):
            if not self._buckets:
                self._buckets = [_temporary(self._scratch) for _ in range(_BUCKETS)]
            if self._held:
                _distribute(np.concatenate(self._held), self._buckets, 0)
        self._held, self._count = [], 0


@contextmanager
def _room(scratch: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = printable(str(scratch or tempfile.gettempdir()))
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            in_one_line(f"the ids of all rows cannot be compared: temporary files in {where}", reason)
        ) from error


def _temporary(scratch: Path | None) -> BinaryIO:
    file: Any = tempfile.TemporaryFile(prefix=".youtu-st-ids-", dir=scratch)  # noqa: SIM115
    return file  # type: ignore[no-any-return]


def _distribute(entries: Entries, buckets: list[BinaryIO], level: int) -> None:
    """Write entries to buckets by six bits of their first hash: other ones on each level."""
    places = (entries[:, 0] >> np.uint64(6 * level)) % np.uint64(len(buckets))
    order = np.argsort(places, kind="stable")
    entries = entries[order]
    ends = np.searchsorted(places[order], np.arange(1, len(buckets) + 1))
    start = 0
    for bucket, end in zip(buckets, ends.tolist(), strict=True):
        if end > start:
            bucket.write(entries[start:end].tobytes())
        start = end


def _parts(bucket: BinaryIO, level: int, scratch: Path | None) -> Iterator[Entries]:
    """The entries of a bucket, in parts that hold all with the same hash."""
    size = bucket.seek(0, 2)
    bucket.seek(0)
    if size <= 24 * _SORTED or level >= 9:
        yield _read(bucket, size)
        return
    smaller = [_temporary(scratch) for _ in range(_BUCKETS)]
    try:
        left = size
        while left:
            part = _read(bucket, min(left, 24 * _HELD))
            left -= part.nbytes
            _distribute(part, smaller, level + 1)
        for one in smaller:
            yield from _parts(one, level + 1, scratch)
    finally:
        for one in smaller:
            one.close()


def _read(bucket: BinaryIO, size: int) -> Entries:
    return np.frombuffer(bucket.read(size), np.uint64).reshape(-1, 3)


def _twice(entries: Entries) -> Twice | None:
    order = np.lexsort((entries[:, 2], entries[:, 1], entries[:, 0]))
    entries = entries[order]
    same = (entries[1:, :2] == entries[:-1, :2]).all(axis=1)
    if not same.any():
        return None
    at = np.flatnonzero(same)
    first = at[np.argmin(entries[at + 1, 2])]
    return Twice(_place(int(entries[first, 2])), _place(int(entries[first + 1, 2])))


def _place(packed: int) -> tuple[int, int]:
    return (packed >> _ROW) - 1, packed & ((1 << _ROW) - 1)


def _first_twice(found: Iterable[Twice | None]) -> Twice | None:
    return min((one for one in found if one is not None), key=lambda one: one.second, default=None)
