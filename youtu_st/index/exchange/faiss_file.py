"""The vectors in another library's FAISS file, read without FAISS, which would act on what the file says."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from youtu_st import disk
from youtu_st.errors import InputError, printable
from youtu_st.protocol import Vectors

_HEAD = struct.Struct("<iqqqBi")
_MOST_DIMENSIONS = 1 << 20
_MAPS = ("IxMp", "IxM2")
_FLAT = ("IxF2", "IxFI", "IxFl")


class Stored(NamedTuple):
    """What a FAISS file holds.

    Attributes:
        vectors: As they were added, shape ``(n, dimension)``, float32.
        labels: Of each its number, where the file gives them numbers: shape ``(n,)``, int64.
    """

    vectors: Vectors
    labels: npt.NDArray[np.int64] | None


def read_vectors(path: Path) -> Stored:
    """The vectors of an index that keeps them whole: ``Flat``, ``HNSW,Flat`` or ``IVF,Flat``, of any metric.

    Raises:
        InputError: If it is no such file, or is damaged.
        OSError: If it cannot be read.
    """
    with disk.open_plain(path) as file:
        reader = _Reader(file, os.fstat(file.fileno()).st_size, printable(str(path)))
        kind, labels = reader.kind(), None
        if mapped := kind in _MAPS:
            head = reader.head()
            kind = reader.kind()
        vectors = reader.index(kind)
        if mapped:
            labels = reader.vector("<i8")
            if len(labels) != len(vectors) or head.vectors != len(vectors):
                reader.refuse(f"it has {len(vectors):,} vectors and {len(labels):,} numbers for them")
        if reader.left:
            reader.refuse(f"it goes on for {reader.left:,} bytes past its end")
        return Stored(vectors, labels)


class _Head(NamedTuple):
    dimension: int
    vectors: int


class _Reader:
    """A place in a file, which does not move past its end."""

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file, self.left, self._name = file, size, name

    def refuse(self, why: str) -> NoReturn:
        """Raise: the file is not what it says."""
        raise InputError(f"{self._name} is no FAISS index that can be read: {why}")

    def _pass(self, size: int) -> None:
        if not 0 <= size <= self.left:
            self.refuse("it is cut short")
        self.left -= size

    def take(self, size: int) -> bytes:
        """The next bytes."""
        self._pass(size)
        taken = self._file.read(size)
        if len(taken) < size:
            self.refuse("it is cut short")
        return taken

    def skip(self, size: int) -> None:
        """Leave bytes out."""
        self._pass(size)
        self._file.seek(size, os.SEEK_CUR)

    def number(self, form: str) -> int:
        """A number, by its letter of :mod:`struct`."""
        (found,) = struct.unpack(f"<{form}", self.take(struct.calcsize(f"<{form}")))
        return int(found)

    def array(self, dtype: str, count: int) -> npt.NDArray[np.generic]:
        """So many numbers."""
        kind = np.dtype(dtype)
        self._pass(count * kind.itemsize)
        found = np.fromfile(self._file, dtype=kind, count=count)
        if len(found) < count:
            self.refuse("it is cut short")
        return found

    def vector(self, dtype: str) -> npt.NDArray[np.int64]:
        """A count, and so many numbers."""
        return self.array(dtype, self.number("Q")).astype(np.int64, copy=False)

    def skip_vector(self, width: int) -> None:
        """A count, and so many elements that are left out."""
        self.skip(self.number("Q") * width)

    def kind(self) -> str:
        """The four letters of what follows."""
        return self.take(4).decode("ascii", "backslashreplace")

    def head(self) -> _Head:
        """What stands before every index."""
        dimension, count, _, _, _, metric = _HEAD.unpack(self.take(_HEAD.size))
        if metric > 1:
            self.skip(4)  # what some metrics are told
        if not 1 <= dimension <= _MOST_DIMENSIONS or not 0 <= count <= self.left // 4:
            self.refuse(f"it says that it has {count} vectors of {dimension} numbers")
        return _Head(dimension, count)

    # -- indexes -----------------------------------------------------------------------------------------

    def index(self, kind: str) -> Vectors:
        """The vectors of an index of a kind."""
        read: Callable[[], Vectors] | None = {
            **dict.fromkeys(_FLAT, self._flat),
            "IHNf": self._graph,
            "IwFl": self._lists,
        }.get(kind)
        if read is None:
            self.refuse(
                f"it begins with {printable(kind)!r}, and vectors are taken over from what keeps them whole: "
                "Flat, HNSW or IVF over Flat; to encode the texts again: encode=True (--encode)"
            )
        return read()

    def _flat(self) -> Vectors:
        head = self.head()
        numbers = self.number("Q")
        if numbers != head.vectors * head.dimension:
            self.refuse(f"it has {head.vectors:,} vectors of {head.dimension} numbers in {numbers:,} numbers")
        return self._matrix(head)

    def _matrix(self, head: _Head) -> Vectors:
        found = self.array("<f4", head.vectors * head.dimension)
        return found.astype(np.float32, copy=False).reshape(head.vectors, head.dimension)

    def _graph(self) -> Vectors:
        """HNSW: the links, which are left out, then an index of the vectors in the order they were added."""
        head = self.head()
        for width in (8, 4, 4, 8, 4):  # chances, numbers of links, levels, offsets, links
            self.skip_vector(width)
        self.skip(5 * 4)
        if (kind := self.kind()) not in _FLAT:
            self.refuse(f"its graph is over {printable(kind)!r}")
        vectors = self.index(kind)
        if vectors.shape != (head.vectors, head.dimension):
            self.refuse("its graph is over another number of vectors")
        return vectors

    def _lists(self) -> Vectors:
        """IVF: a vector stands in the list of its centroid, with its number."""
        head = self.head()
        lists, _ = self.number("Q"), self.number("Q")
        if (kind := self.kind()) not in (*_FLAT, "IHNf"):
            self.refuse(f"its lists are over {printable(kind)!r}")
        self.index(kind)
        form = self.number("B")
        self.skip_vector(8)
        if form == 2:
            self.skip_vector(16)
        if (stored := self.kind()) != "ilar":
            self.refuse(f"its lists are kept as {printable(stored)!r}")
        if (self.number("Q"), self.number("Q")) != (lists, 4 * head.dimension):
            self.refuse("its lists are not as many, or their vectors not as long, as it says")
        if 4 * head.vectors * head.dimension > self.left:  # no more memory than the file has bytes
            self.refuse("it is cut short")
        vectors = np.empty((head.vectors, head.dimension), dtype=np.float32)
        seen = np.zeros(head.vectors, dtype=bool)
        for size in self._sizes(lists):
            rows = self._matrix(_Head(head.dimension, size))
            places = self.array("<i8", size).astype(np.int64, copy=False)
            if len(places) and not (places.min() >= 0 and places.max() < head.vectors):
                self.refuse("its lists name vectors that it does not have")
            vectors[places], seen[places] = rows, True
        if not seen.all():
            self.refuse("its lists lack vectors")
        return vectors

    def _sizes(self, lists: int) -> list[int]:
        form, length = self.kind(), self.number("Q")
        if form == "full" and length == lists:
            return [int(size) for size in self.array("<u8", length)]
        if form != "sprs" or length % 2:
            self.refuse("it has another number of lists than it says")
        pairs = self.array("<u8", length)
        return [int(size) for size in pairs[1::2]]
