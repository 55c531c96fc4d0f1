"""A folder from ``youtu-st embed`` as a source."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from youtu_st.errors import InputError, StoreError, brief, counted, in_one_line, require
from youtu_st.inputs import unit_rows
from youtu_st.probes import EncoderRecord
from youtu_st.protocol import Vectors, fingerprint
from youtu_st.scale.copying.rows import Rows, jsons_of, rows_of_a_block
from youtu_st.scale.job.folder import JobFolder

_ID, _TEXT, _VECTOR = "id", "text", "vector"
_NUMBERS = 1 << 63


class JobStore:
    """The shards of a job, in the order of their numbers.

    The columns that were kept are a row's metadata; a value that is not there is left out. Vectors that are
    stored as float16 become float32 of length 1 again.

    Args:
        path: The folder.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        self._folder = JobFolder.open(Path(path))
        self._schema = self._folder.schema
        self.encoder = _cut(self._folder.job.encoder, self._folder.job.dimension)
        self._kept = [name for name in self._schema.names if name not in (_ID, _TEXT, _VECTOR)]
        self._json = [name for name in self._kept if _is_json(self._schema.field(name))]

    @property
    def settings(self) -> Mapping[str, int]:
        """A job has none of an index's."""
        return {}

    def close(self) -> None:
        """Nothing is open."""

    def check_source(self) -> None:
        """Refuse a job that is not finished, a damaged shard, and a column that JSON has no value for.

        Raises:
            InputError: Saying which.
        """
        if left := self._folder.open_shards():
            raise InputError(
                f"the job in {self.name} has {counted(len(left), 'open shard')} of "
                f"{len(self._folder.job.shards):,}: finish it with youtu-st embed {self.name}"
            )
        if damaged := self._folder.damaged():
            number, wrong = next(iter(damaged.items()))
            raise InputError(
                f"{self._folder.shard_path(number)} is damaged: {wrong}; youtu-st embed {self.name} encodes "
                "it again"
            )
        for name in self._kept:
            kind = self._schema.field(name).type
            if not _has_json(kind):
                raise InputError(
                    f"column {brief(name)} of {self.name} is of type {kind}, which metadata cannot have: "
                    "leave it out of --keep, or keep it as text"
                )

    def count(self) -> int:
        """Rows with a vector."""
        return sum(self._folder.facts(number).rows for number in self._numbers())

    def _numbers(self) -> range:
        return range(len(self._folder.job.shards))

    def survey(self, columns: Collection[str]) -> Iterator[Rows]:
        """All rows without their vectors; metadata are looked at where a number may be none."""
        wanted = {_ID, *columns}
        if "metadata" in columns or any(_has_numbers(self._schema.field(name).type) for name in self._kept):
            wanted.update(self._kept)
        return self._read([name for name in self._schema.names if name in wanted])

    def blocks(self) -> Iterator[Rows]:
        """All rows, shard by shard."""
        return self._read(self._schema.names)

    def _read(self, columns: list[str]) -> Iterator[Rows]:
        rows = rows_of_a_block(self.encoder.dimension)
        for number in self._numbers():
            with self._opened(number) as file:
                first = 0
                for batch in self._told(number, file.iter_batches(batch_size=rows, columns=columns)):
                    yield self._rows(batch, f"row {first + 1:,} of shard {number:,}")
                    first += batch.num_rows

    def rows_of(self, ids: list[str]) -> Rows:
        """The rows of some ids, in their order. Vectors of row groups without one stay unread."""
        pa = require("pyarrow", "scale")
        wanted, found = pa.array(ids, pa.string()), []
        for number in self._numbers() if ids else ():
            with self._opened(number) as file:
                for batch in self._told(number, _among(file, wanted)):
                    found.append(self._rows(batch, f"shard {number:,}"))
        empty = np.empty((0, self.encoder.dimension), dtype=np.float32)
        return Rows(
            [id for part in found for id in part.ids],
            [text for part in found for text in part.texts],
            [values for part in found for values in part.metadata],
            np.concatenate([empty, *(part.vectors for part in found)]),
        ).in_order(ids)

    def _opened(self, number: int) -> Any:
        pq = require("pyarrow.parquet", "scale")
        try:
            return pq.ParquetFile(self._folder.shard_path(number), page_checksum_verification=True)
        except (OSError, ValueError) as error:
            raise self._unreadable(number, error) from error

    def _told(self, number: int, parts: Any) -> Iterator[Any]:
        """The same parts; an error on the way to the next one names the shard."""
        try:
            yield from parts
        except (OSError, ValueError) as error:
            if isinstance(error, InputError | StoreError):
                raise
            raise self._unreadable(number, error) from error

    def _unreadable(self, number: int, error: BaseException) -> StoreError:
        path = self._folder.shard_path(number)
        way = f"if it is damaged, remove it: youtu-st embed {self.name} makes it anew"
        return StoreError(in_one_line(f"{path} cannot be read ({way})", error))

    def _rows(self, batch: Any, where: str) -> Rows:
        names = batch.schema.names
        ids = batch.column(names.index(_ID)).to_pylist()
        texts = batch.column(names.index(_TEXT)).to_pylist() if _TEXT in names else [None] * len(ids)
        vectors: Vectors = np.empty((0, self.encoder.dimension), dtype=np.float32)
        if _VECTOR in names:
            numbers = batch.column(names.index(_VECTOR)).flatten().to_numpy(zero_copy_only=False)
            shape = (len(ids), self.encoder.dimension)
            vectors = unit_rows(
                numbers.reshape(-1, shape[1]), shape, f"{self.name}: from {where} on, vectors"
            )
        return Rows(ids, texts, self._metadata(batch, ids), vectors)

    def _metadata(self, batch: Any, ids: list[str]) -> list[str]:
        if not self._kept or self._kept[0] not in batch.schema.names:
            return ["{}"] * len(ids)
        columns = {name: batch.column(batch.schema.names.index(name)).to_pylist() for name in self._kept}
        for name in self._json:
            columns[name] = [None if value is None else json.loads(value) for value in columns[name]]
        rows = [
            {name: value for name, value in zip(columns, values, strict=True) if value is not None}
            for values in zip(*columns.values(), strict=True)
        ]
        return jsons_of(rows, lambda place: f"{self.name}: row {brief(ids[place])}")


def _among(file: Any, wanted: Any) -> Iterator[Any]:
    """The rows of a shard whose ids are wanted, in batches."""
    pc = require("pyarrow.compute", "scale")
    for group in range(file.num_row_groups):
        there = pc.is_in(file.read_row_group(group, columns=[_ID])[_ID], wanted)
        if pc.any(there).as_py():
            yield from file.read_row_group(group).filter(there).combine_chunks().to_batches()


def _cut(record: EncoderRecord, dimension: int) -> EncoderRecord:
    """The record of the same encoder, handing out shorter vectors."""
    if dimension == record.dimension:
        return record
    identity = {**record.identity, "dimension": str(dimension)}
    return replace(
        record,
        identity=identity,
        fingerprint=fingerprint(identity),
        dimension=dimension,
        query_probes=_shorter(record.query_probes, dimension),
        document_probes=_shorter(record.document_probes, dimension),
    )


def _shorter(vectors: Vectors, dimension: int) -> Vectors:
    cut = vectors[:, :dimension]
    return unit_rows(cut, cut.shape, "vectors of the probe texts")


def _is_json(field: Any) -> bool:
    return bool((field.metadata or {}).get(b"youtu-st") == b"json")


def _has_numbers(kind: Any) -> bool:
    """Whether NaN may be somewhere in an Arrow type: all but whole numbers, texts and booleans."""
    types = require("pyarrow.types", "scale")
    return not (types.is_string(kind) or types.is_integer(kind) or types.is_boolean(kind))


def _has_json(kind: Any) -> bool:
    """Whether JSON has a value for every value of an Arrow type."""
    types = require("pyarrow.types", "scale")
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _has_json(kind.value_type)
    if types.is_struct(kind):
        return all(_has_json(kind.field(place).type) for place in range(kind.num_fields))
    if types.is_dictionary(kind):
        return _has_json(kind.value_type)
    simple = (types.is_null, types.is_boolean, types.is_integer, types.is_floating, types.is_string)
    return any(is_one(kind) for is_one in (*simple, types.is_large_string))
