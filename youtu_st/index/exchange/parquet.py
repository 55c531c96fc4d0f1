"""Parquet in: a file, or a folder of files of the same columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from youtu_st import disk
from youtu_st.errors import InputError, brief, in_one_line, printable, require
from youtu_st.index.exchange.columns import Fields, id_of, metadata_of
from youtu_st.index.exchange.rows import ROWS, Part
from youtu_st.protocol import Vectors

KIND = "a Parquet table"
ABOUT = b"youtu-st.index"
"""The key of a schema's metadata under which an export says what the vectors are."""
_MOST_ABOUT = 1 << 16


class ParquetSource:
    """Parquet files, one after the other.

    Args:
        files: The files; at least one.
        name: What they are together.
        fields: Which columns hold what.
        vectors: Whether the vectors are wanted.

    Raises:
        InputError: If one cannot be read, or has not the columns.
        MissingDependencyError: If pyarrow is not installed.
    """

    def __init__(self, files: Sequence[Path], name: str, fields: Fields, *, vectors: bool) -> None:
        self._pa: Any = require("pyarrow", "scale")
        self._pc: Any = require("pyarrow.compute", "scale")
        self._pq: Any = require("pyarrow.parquet", "scale")
        self.name, self.kind, self._files = name, KIND, list(files)
        self.notes: list[str] = []
        self._vectors = vectors
        self.count, self.dimension = 0, None
        self._fields: list[Fields] = []
        self._left_out: set[str] = set()
        self.model: str | None = None
        for file in files:
            with self._opened(file) as opened:
                schema = opened.schema_arrow
                if twice := sorted({name for name in schema.names if schema.names.count(name) > 1}):
                    raise InputError(f"{printable(str(file))} has two columns {brief(twice[0])}")
                found = fields.found(str(file), schema.names, vectors=vectors)
                self._fields.append(found)
                self.count += opened.metadata.num_rows
                self._look_for_bytes(schema, found)
                self.model = self.model or _model(schema.metadata or {})
        if vectors:
            self.dimension = self._first_dimension()
        if self._left_out:
            self.notes.append(
                f"left out, as JSON has no bytes: {', '.join(sorted(map(printable, self._left_out)))}"
            )

    def _look_for_bytes(self, schema: Any, fields: Fields) -> None:
        types = self._pa.types
        for field in schema:
            if field.name not in fields.named and (
                types.is_binary(field.type)
                or types.is_large_binary(field.type)
                or types.is_fixed_size_binary(field.type)
            ):
                self._left_out.add(field.name)

    def _first_dimension(self) -> int | None:
        for part in self._batches(1):
            return part.vectors.shape[1] if part.vectors is not None else None
        return None

    def parts(self) -> Iterator[Part]:
        """All rows, in the order of the files."""
        return self._batches(ROWS)

    def close(self) -> None:
        """Nothing is open between parts."""

    @contextmanager
    def _opened(self, file: Path) -> Iterator[Any]:
        try:
            with disk.open_plain(file):  # a pipe would never begin
                opened = self._pq.ParquetFile(str(file), pre_buffer=False)
            try:
                yield opened
            finally:
                opened.close()
        except (self._pa.ArrowException, OSError) as error:
            what = f"{printable(str(file))}: it is not a Parquet file that can be read"
            raise InputError(in_one_line(what, error)) from error

    def _batches(self, size: int) -> Iterator[Part]:
        for file, fields in zip(self._files, self._fields, strict=True):
            with self._opened(file) as opened:
                wanted = [name for name in opened.schema_arrow.names if name not in self._left_out]
                if not self._vectors and fields.vector is not None:
                    wanted.remove(fields.vector)
                first = 0
                for batch in opened.iter_batches(batch_size=size, columns=wanted, use_threads=False):
                    if len(batch):
                        yield self._part(file, first, batch, fields)
                    first += len(batch)

    def _part(self, file: Path, first: int, batch: Any, fields: Fields) -> Part:
        where = [f"{printable(str(file))}, row {first + row + 1}" for row in range(len(batch))]
        vectors = None
        if fields.vector is not None and fields.vector in batch.schema.names:
            vectors = self._matrix(batch.column(fields.vector), where)
        rest = batch.select([name for name in batch.schema.names if name != fields.vector])
        try:
            records = rest.to_pylist()
        except UnicodeDecodeError as error:
            raise InputError(f"{where[0]} or below: a text is not UTF-8") from error
        metadata = [
            metadata_of(record, fields.named, place) for record, place in zip(records, where, strict=True)
        ]
        if fields.id is None:
            ids = [f"{file.name}:{first + row + 1}" for row in range(len(batch))]
        else:
            ids = [id_of(record[fields.id], place) for record, place in zip(records, where, strict=True)]
        return Part(ids, [record[fields.text] for record in records], metadata, vectors)

    def _matrix(self, column: Any, where: Sequence[str]) -> Vectors:
        """A column of lists of numbers, whichever kind of list it is, as a matrix."""
        types = self._pa.types
        kind = column.type
        lists = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
        if not lists or not (types.is_floating(kind.value_type) or types.is_integer(kind.value_type)):
            raise InputError(
                f"{where[0]}: its vector must be a list of numbers, and the column's type is {kind}"
            )
        if column.null_count:
            raise InputError(f"{where[_first(column.is_null())]}: its vector is missing")
        lengths = self._pc.list_value_length(column).to_numpy(zero_copy_only=False)
        expected = self.dimension or int(lengths[0])
        if (odd := np.flatnonzero(lengths != expected)).size:
            place = int(odd[0])
            raise InputError(
                f"{where[place]}: its vector has {lengths[place]} numbers, and others have {expected}"
            )
        numbers = column.flatten()  # knows where a slice begins
        if numbers.null_count:
            place = _first(numbers.is_null()) // expected
            raise InputError(f"{where[place]}: a number of its vector is missing")
        with np.errstate(over="ignore"):  # what is too large becomes infinite, which is told of later
            found: Vectors = numbers.to_numpy(zero_copy_only=False).astype(np.float32)
        return found.reshape(len(column), expected)


def _first(mask: Any) -> int:
    return int(np.flatnonzero(mask.to_numpy(zero_copy_only=False))[0])


def _model(metadata: dict[bytes, bytes]) -> str | None:
    """The model that an export names."""
    text = metadata.get(ABOUT, b"")
    try:
        model = json.loads(text).get("model") if len(text) <= _MOST_ABOUT else None
    except (ValueError, AttributeError, RecursionError):
        return None
    return model if isinstance(model, str) else None
