"""JSON Lines in: an object a line; its vector in it, or in the row of a ``.npy`` file beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from youtu_st import disk
from youtu_st.errors import InputError, brief, in_one_line, printable
from youtu_st.index.exchange.columns import Fields, id_of, matrix_of, metadata_of
from youtu_st.index.exchange.rows import ROWS, Part
from youtu_st.inputs import once_each
from youtu_st.protocol import Vectors

_LONGEST = 256 << 20
"""Bytes of a line."""


class LinesSource:
    """A file of JSON Lines.

    Args:
        file: The file.
        fields: Which fields hold what.
        vectors: Whether the vectors are wanted.
        matrix: A ``.npy`` file that has them, a row for each line that is not blank.

    Raises:
        InputError: If a file cannot be read, or has not the fields.
    """

    def __init__(self, file: Path, fields: Fields, *, vectors: bool, matrix: Path | None = None) -> None:
        self.name = str(matrix or file)
        self.kind = "a matrix and its texts" if matrix else "a file of JSON Lines"
        self.model: str | None = None
        self.notes: list[str] = []
        self._file = file
        self._rows = None if matrix is None or not vectors else _mapped(matrix)
        in_lines = vectors and matrix is None
        self._fields: Fields | None = None
        self.count, self.dimension = 0, None if self._rows is None else int(self._rows.shape[1])
        for number, line in self._lines():
            if self._fields is None:
                record = self._record(number, line)
                self._fields = fields.found(str(file), record, vectors=in_lines)
                if in_lines:
                    self.dimension = _length(record.get(self._fields.vector or ""), self._where(number))
            self.count += 1
        self._in_lines = in_lines
        if self._rows is not None and len(self._rows) != self.count:
            raise InputError(
                f"{printable(self.name)} has {len(self._rows):,} rows, and {printable(file.name)} has "
                f"{self.count:,} lines"
            )

    def _where(self, line: int) -> str:
        return f"{printable(str(self._file))}, line {line}"

    def parts(self) -> Iterator[Part]:
        """All lines that are not blank, in order."""
        held: list[tuple[int, dict[str, Any]]] = []
        first = 0
        for number, line in self._lines():
            held.append((number, self._record(number, line)))
            if len(held) == ROWS:
                yield self._part(first, held)
                first += len(held)
                held = []
        if held:
            yield self._part(first, held)

    def _part(self, first: int, held: list[tuple[int, dict[str, Any]]]) -> Part:
        fields = self._fields or Fields()
        where = [self._where(line) for line, _ in held]
        records = [record for _, record in held]
        vectors: Vectors | None = None
        if self._rows is not None:
            vectors = np.asarray(self._rows[first : first + len(held)], dtype=np.float32)
        elif self._in_lines and self.dimension is not None:
            vectors = matrix_of(
                [record.get(fields.vector or "") for record in records], self.dimension, where
            )
        if fields.id is None:
            ids = [f"{self._file.name}:{line}" for line, _ in held]
        else:
            ids = [id_of(record.get(fields.id), place) for record, place in zip(records, where, strict=True)]
        named = fields.named
        metadata = [metadata_of(record, named, place) for record, place in zip(records, where, strict=True)]
        return Part(ids, [record.get(fields.text or "") for record in records], metadata, vectors)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """The number of each line that is not blank, and the line."""
        try:
            with disk.open_plain(self._file) as file:
                number = 0
                while line := file.readline(_LONGEST + 1):
                    number += 1
                    if len(line) > _LONGEST:
                        raise InputError(f"{self._where(number)}: it has more than {_LONGEST:,} bytes")
                    if not line.isspace():
                        yield number, line
        except OSError as error:
            raise InputError(
                f"{printable(str(self._file))}: {(error.strerror or str(error)).lower()}"
            ) from error

    def _record(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            found = json.loads(
                line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, object_pairs_hook=once_each
            )
        except (ValueError, RecursionError) as error:
            raise InputError(in_one_line(f"{self._where(number)}: it is no JSON", error)) from error
        if not isinstance(found, dict):
            raise InputError(f"{self._where(number)}: it must be an object, not {brief(found)}")
        return found

    def close(self) -> None:
        """Nothing is open between parts."""


def _length(vector: Any, where: str) -> int:
    if not isinstance(vector, list) or not vector:
        raise InputError(f"{where}: its vector must be a list of numbers, not {brief(vector)}")
    return len(vector)


def _mapped(path: Path) -> Any:
    """A matrix of a ``.npy`` file, of which no object is unpickled."""
    try:
        with disk.open_plain(path):
            found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError) as error:
        raise InputError(
            in_one_line(f"{printable(str(path))} is no matrix of NumPy that can be read", error)
        ) from error
    if not isinstance(found, np.ndarray) or found.ndim != 2 or found.dtype.kind not in "fiu":
        raise InputError(f"{printable(str(path))} must be one matrix of numbers")
    return found
