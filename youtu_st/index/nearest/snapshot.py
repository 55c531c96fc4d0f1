"""Snapshots: one FAISS file for each generation, an ``IndexIDMap`` whose labels are the documents' keys."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.disk import Checksum
from youtu_st.errors import IndexDamagedError, VectorIndexError, in_one_line
from youtu_st.index.keys import Keys
from youtu_st.index.nearest import factory as recipes
from youtu_st.index.nearest import layout, soundness
from youtu_st.index.nearest._faiss import faiss
from youtu_st.index.nearest.layout import MisfitError

_CHUNK = 1 << 20  # hashed while it is in the processor's cache
_SHORT = 128 << 10  # bytes of an inverted list for which a call costs more than a copy


def write_snapshot(path: Path, index: Any, keys: Keys) -> int:
    """Write an index whose positions are labelled with keys.

    Returns:
        The checksum of the file's bytes.

    Raises:
        VectorIndexError: If the file cannot be written.
    """
    try:
        with io.FileIO(path, "w", opener=_open_itself) as file:
            stream = _Stream(file)
            stream.write_index(_labelled(index, keys), buffered=recipes.inverted(index) is not None)
    except (OSError, RuntimeError) as error:
        raise VectorIndexError(in_one_line(f"{path} cannot be written", error)) from error
    return stream.checksum.value


def read_snapshot(path: Path, dimension: int, factory: str, expected: int | None = None) -> tuple[Any, Keys]:
    """The index without its labels, and the labels.

    Args:
        path: A regular file. No other file is opened, whatever this one says.
        dimension: Numbers in a vector.
        factory: What the index has to be. ``Flat`` may stand in for one that needs training.
        expected: The checksum of the file; None where none was kept.

    Raises:
        FileNotFoundError: If the file is gone.
        IndexDamagedError: If it cannot be read, is not what was written, or not what the factory makes.
        VectorIndexError: If it takes more memory than there is.
    """
    try:
        with _opened(path) as file:
            new = _expected(file, dimension, factory)
            _check_layout(file, new)
            stream = _Stream(file)
            if isinstance(new, faiss.IndexFlat):
                index, keys = stream.read_flat(dimension)
            else:
                index, keys = stream.read_index(buffered=_in_short_lists(file, new))
        if expected is not None and stream.checksum.value != expected:
            raise MisfitError("its checksum is not that of what was written")
        _check_keys(keys)
        soundness.check(index)
    except FileNotFoundError:
        raise
    except MisfitError as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:
        raise _damaged(path, f"it cannot be read ({error.strerror or error})") from error
    except RuntimeError as error:
        raise _damaged(path, f"FAISS cannot read it ({recipes.said(error)})") from error
    except MemoryError as error:
        raise VectorIndexError(f"{path} takes more memory than there is") from error
    return index, keys


def _damaged(path: Path, what: str) -> IndexDamagedError:
    return IndexDamagedError(
        f"{path} is damaged: {what}; restore the file, or run `youtu-st index check {path.parent} --repair`"
    )


def _labelled(index: Any, keys: Keys) -> Any:
    labelled = faiss.IndexIDMap(faiss.IndexFlatIP(index.d))  # takes an empty one only; the real one goes in
    labelled.index, labelled.own_fields = index, False
    labelled.ntotal, labelled.is_trained = index.ntotal, index.is_trained
    faiss.copy_array_to_vector(keys, labelled.id_map)
    return labelled


def _open_itself(path: str, flags: int) -> int:
    # Not what a link leads to, and without waiting for the other end of a pipe.
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)


def _opened(path: Path) -> io.FileIO:
    if not stat.S_ISREG(os.lstat(path).st_mode):  # opening a device may do something
        raise MisfitError("it is not a regular file")
    file = io.FileIO(path, "r", opener=_open_itself)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise MisfitError("it is not a regular file")
    return file


def _expected(file: io.FileIO, dimension: int, factory: str) -> Any:
    """A new index of the kind that the file has to hold."""
    new = recipes.build(factory, dimension)
    if not new.is_trained and layout.holds_flat(file):
        return faiss.IndexFlatIP(dimension)
    return new


def _check_layout(file: io.FileIO, new: Any) -> None:
    model = faiss.serialize_index(_labelled(new, np.empty(0, dtype=np.int64))).tobytes()
    file.seek(0)
    buffered = io.BufferedReader(file, _SHORT)
    try:
        layout.compare(buffered, os.fstat(file.fileno()).st_size, model)
    finally:
        buffered.detach()
    file.seek(0)


def _in_short_lists(file: io.FileIO, new: Any) -> bool:
    ivf = recipes.inverted(new)
    return ivf is not None and os.fstat(file.fileno()).st_size < ivf.nlist * _SHORT


def _check_keys(keys: Keys) -> None:
    if len(keys) and (keys[0] < 1 or (np.diff(keys) <= 0).any()):
        raise MisfitError("its labels are not keys in ascending order")


class _Stream:
    """A file as FAISS reads or writes it, and the checksum of what it was given or gave."""

    def __init__(self, file: io.FileIO) -> None:
        self.checksum = Checksum()
        self._file = file
        self._written = 0
        self._error: OSError | None = None

    def read_flat(self, dimension: int) -> tuple[Any, Keys]:
        """Read whole vectors right into their place: FAISS's reader would take them from Python's hands."""
        count = layout.count_in(self._read(layout.FLAT_STARTS))
        index = faiss.IndexFlatIP(dimension)
        index.codes.resize(count * index.code_size)
        self._fill(faiss.rev_swig_ptr(index.codes.data(), index.codes.size()) if count else np.empty(0))
        index.ntotal = count
        self._read(8)  # how many keys follow
        keys = np.empty(count, dtype=np.int64)
        self._fill(keys.view(np.uint8))
        return index, keys

    def read_index(self, *, buffered: bool) -> tuple[Any, Keys]:
        """Read an index; one in short lists, which FAISS reads one by one, through a buffer of its own."""
        reader = faiss.PyCallbackIOReader(self._read, _CHUNK)
        labelled = faiss.read_index(faiss.BufferedIOReader(reader, _CHUNK) if buffered else reader)
        index = faiss.downcast_index(labelled.index)
        labelled.own_fields, index.thisown = False, True
        return index, faiss.vector_to_array(labelled.id_map)

    def write_index(self, index: Any, *, buffered: bool) -> None:
        """Write an index.

        Raises:
            OSError: If the file does not take it.
        """
        writer = faiss.PyCallbackIOWriter(self._write, _CHUNK)
        if buffered:
            buffer = faiss.BufferedIOWriter(writer, _CHUNK)
            faiss.write_index(index, buffer)
            size = self._written + buffer.b0
            del buffer  # writes the rest; whatever is raised there is lost
            if self._written != size and self._error is None:
                self._error = InterruptedError("the last part is not written")
        else:
            faiss.write_index(index, writer)
        if self._error is not None:
            raise self._error

    def _fill(self, place: npt.NDArray[Any]) -> None:
        for start in range(0, len(place), _CHUNK):
            part = place[start : start + _CHUNK].data
            rest = part
            while rest:
                if not (size := self._file.readinto(rest)):
                    raise MisfitError("FAISS cannot read it to its end")
                rest = rest[size:]
            self.checksum.update(part)

    def _read(self, size: int) -> bytes:
        part = self._file.read(size)
        self.checksum.update(part)
        return part

    def _write(self, part: bytes) -> None:
        self._written += len(part)
        self.checksum.update(part)
        rest = memoryview(part)
        try:
            while rest and self._error is None:  # a disk that fills up may take a part
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._error = error
