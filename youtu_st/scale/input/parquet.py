"""Parquet: lengths without a text in Python, and rows of any range; a row group is never read whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from youtu_st.errors import InputError, brief, in_one_line, printable
from youtu_st.scale.input.columns import is_text, stored_type, text_column
from youtu_st.scale.input.records import BLANK
from youtu_st.scale.input.types import MOST_BYTES, MOST_ROWS, InputFile, Rejected, Rows
from youtu_st.scale.settings import Columns

_BUFFER = 1 << 18
"""Bytes of a column that are read ahead: without a bound a whole row group's are."""
_MOST_MEASURED = 1 << 12


class Block(NamedTuple):
    """Rows as they are measured.

    Attributes:
        sizes: Bytes of each text in UTF-8; -1: a bad row.
        ids: Of those that are not bad, where there is a column of ids.
        rejected: The bad ones.
    """

    sizes: npt.NDArray[np.int64]
    ids: list[str]
    rejected: list[Rejected]


class ParquetInput:
    """An open Parquet file.

    Args:
        file: The file.
        columns: What is asked for.

    Raises:
        InputError: If it cannot be read, has no such column, or one of another type.
    """

    def __init__(self, file: InputFile, columns: Columns) -> None:
        self.file, self._columns = file, columns
        with _reading(file.name):
            self._parquet = pq.ParquetFile(file.path, buffer_size=_BUFFER, pre_buffer=False)
        try:
            schema = self._parquet.schema_arrow
            self.text = text_column(file.name, columns, schema.names)
            _check_type(file.name, schema.field(self.text), "texts", ints=False)
            if columns.id is not None:
                _check_type(file.name, schema.field(columns.id), "ids", ints=True)
        except InputError:
            self.close()
            raise
        names = [self.text, *columns.keep, *([columns.id] if columns.id else [])]
        self._names = list(dict.fromkeys(names))
        self._position = (-1, 0)
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._held: pa.RecordBatch | None = None

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return int(self._parquet.metadata.num_rows)

    def kept_types(self) -> Iterator[tuple[str, pa.DataType]]:
        """Of each kept column the type that it is written as."""
        for name in self._columns.keep:
            yield name, stored_type(self._parquet.schema_arrow.field(name).type)

    def measure(self) -> Iterator[Block]:
        """The lengths of all texts, and all ids.

        Raises:
            InputError: If the file cannot be read to its end.
        """
        names = [
            name for name in self._names if name in (self.text, self._columns.id) or self._may_be_bad(name)
        ]
        first = 0
        for batch in self._read(0, names, _MOST_MEASURED):
            checked = _Checked(batch, self.text, self._columns, self.file, first)
            sizes = checked.sizes()
            first += len(sizes)
            yield Block(sizes, checked.ids(), checked.rejected)

    def range(self, first: int, count: int, schema: pa.Schema) -> Iterator[Rows]:
        """Rows that follow one another.

        Args:
            first: Rows before the first.
            count: How many.
            schema: Of what is kept.

        Raises:
            InputError: If they cannot be read.
        """
        for batch in self._slices(first, count):
            checked = _Checked(batch, self.text, self._columns, self.file, first)
            yield checked.rows(schema)
            first += len(batch)

    def close(self) -> None:
        """Close the file."""
        self._parquet.close(force=True)

    def _may_be_bad(self, name: str) -> bool:
        return is_text(self._parquet.schema_arrow.field(name).type)

    def _slices(self, first: int, count: int) -> Iterator[pa.RecordBatch]:
        """Batches that begin and end with a range; what is left of the last one stays for the next range."""
        group, before = self._group_of(first)
        if self._position[0] < 0 or not before <= self._position[1] <= first:
            self._batches, self._held = self._read(group, self._names, MOST_ROWS), None
            self._position = (group, before)
        at = self._position[1]
        while count:
            batch = self._held if self._held is not None else next(self._batches, None)
            self._held = None
            if batch is None:
                raise InputError(f"{printable(self.file.name)}: the file has changed since it was planned")
            skipped = min(first - at, len(batch))
            taken = min(count, len(batch) - skipped)
            if skipped + taken < len(batch):
                self._held = batch.slice(skipped + taken)
            at += skipped + taken
            self._position = (group, at)
            if taken:
                first += taken
                count -= taken
                yield batch.slice(skipped, taken)

    def _group_of(self, first: int) -> tuple[int, int]:
        """The row group of a row, and the rows before it."""
        metadata, before = self._parquet.metadata, 0
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group).num_rows
            if first < before + rows:
                return group, before
            before += rows
        return metadata.num_row_groups, before

    def _read(self, group: int, names: Sequence[str], most: int) -> Iterator[pa.RecordBatch]:
        groups = range(group, self._parquet.metadata.num_row_groups)
        for one in groups:
            size = min(most, self._fitting(one, names))
            batches = self._parquet.iter_batches(
                batch_size=size, row_groups=[one], columns=list(names), use_threads=False
            )
            while True:
                with _reading(self.file.name):
                    batch = next(batches, None)
                if batch is None:
                    break
                yield batch

    def _fitting(self, group: int, names: Sequence[str]) -> int:
        """Rows of a row group whose columns are about as many bytes as are handed on together."""
        facts = self._parquet.metadata.row_group(group)
        parts = tuple(f"{name}." for name in names)
        size = 0
        for i in range(facts.num_columns):
            column = facts.column(i)
            if column.path_in_schema in names or column.path_in_schema.startswith(parts):
                size += column.total_uncompressed_size
        return max(16, MOST_BYTES * int(facts.num_rows) // max(1, size))


class _Checked:
    """A batch, with what is wrong with its rows."""

    def __init__(
        self, batch: pa.RecordBatch, text: str, columns: Columns, file: InputFile, first: int
    ) -> None:
        self._batch, self._columns, self._file, self._first = batch, columns, file, first
        self._reasons: dict[int, str] = {}
        self._texts = self._checked(text)
        for name in columns.keep:
            if name in batch.schema.names and is_text(batch.schema.field(name).type):
                self._checked(name)
        self._ids: pa.Array | None = None
        if columns.id is not None:
            column = batch.column(columns.id)
            self._ids = self._checked(columns.id) if is_text(column.type) else column.cast(pa.string())
            self._blame(pc.is_null(self._ids), "its id is null")
            self._blame(_blank(self._ids), "its id is blank")
        self._blame(pc.is_null(self._texts), f"column {brief(text)} is null")
        self._blame(_blank(self._texts), BLANK)
        bad = sorted(self._reasons)
        self._good = np.ones(len(batch), bool)
        self._good[bad] = False
        self.rejected = [Rejected(file.name, first + i + 1, self._id(i), self._reasons[i]) for i in bad]

    def sizes(self) -> npt.NDArray[np.int64]:
        found = pc.fill_null(pc.binary_length(self._texts), 0).to_numpy(zero_copy_only=False)
        return np.where(self._good, found.astype(np.int64), -1)

    def ids(self) -> list[str]:
        return [] if self._ids is None else self._of_good(self._ids).to_pylist()

    def rows(self, schema: pa.Schema) -> Rows:
        numbers = (np.flatnonzero(self._good) + self._first + 1).tolist()
        texts = self._of_good(self._texts)
        ids = self.ids() if self._ids is not None else [f"{self._file.name}:{number}" for number in numbers]
        arrays = [
            texts.cast(field.type)
            if field.name == "text"
            else _held_plainly(self._of_good(self._batch.column(field.name))).cast(field.type)
            for field in schema
        ]
        if arrays:
            kept = pa.Table.from_arrays(arrays, schema=schema)
        else:
            kept = pa.table({"": pa.nulls(len(numbers))}).select([])
        return Rows(ids, texts.to_pylist(), numbers, kept, self.rejected)

    def _of_good(self, array: pa.Array) -> pa.Array:
        return array if not self._reasons else array.filter(pa.array(self._good))

    def _checked(self, name: str) -> pa.Array:
        """A column of texts as such; what is no UTF-8 is a bad row's, and null."""
        array = _held_plainly(self._batch.column(name))
        try:
            array.validate(full=True)
            return array
        except pa.ArrowInvalid:
            values: list[Any] = []
            for i, value in enumerate(array.cast(pa.large_binary()).to_pylist()):
                try:
                    values.append(None if value is None else value.decode())
                except UnicodeDecodeError as error:
                    self._reasons.setdefault(i, f"column {brief(name)} is not UTF-8 at byte {error.start}")
                    values.append(None)
            return pa.array(values, array.type)

    def _blame(self, mask: pa.Array, reason: str) -> None:
        if pc.any(mask).as_py():
            for i in np.flatnonzero(mask.to_numpy(zero_copy_only=False)).tolist():
                self._reasons.setdefault(i, reason)

    def _id(self, i: int) -> str | None:
        if self._ids is None:
            return f"{self._file.name}:{self._first + i + 1}"
        id = self._ids[i].as_py()
        return id if id and id.strip() else None


def _blank(array: pa.Array) -> pa.Array:
    empty = pc.equal(pc.binary_length(array), 0)
    return pc.fill_null(pc.or_(empty, pc.utf8_is_space(array)), False)


def _held_plainly(array: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if is_text(array.type) and pa.types.is_string_view(array.type):
        return array.cast(pa.large_string())
    return array


def _check_type(file: str, field: pa.Field, what: str, *, ints: bool) -> None:
    type_ = field.type
    if not (is_text(type_) or (ints and pa.types.is_integer(type_))):
        wanted = "strings or ints" if ints else "strings"
        raise InputError(
            f"{printable(file)}: the column {brief(field.name)} of the {what} must hold {wanted}, not {type_}"
        )


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise InputError(in_one_line(f"{printable(name)}: not a readable Parquet file", error)) from error
