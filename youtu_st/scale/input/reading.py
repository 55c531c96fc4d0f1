"""The rows of shards, read where they stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import pyarrow as pa

from youtu_st.corpus.cutting.passages import Splitter
from youtu_st.errors import InputError, printable
from youtu_st.scale.input.columns import Record, check_columns, kept_table
from youtu_st.scale.input.files import check_unchanged
from youtu_st.scale.input.lines import Opened
from youtu_st.scale.input.parquet import ParquetInput
from youtu_st.scale.input.passages import passage_records
from youtu_st.scale.input.records import Table, csv_records, json_records, text_records
from youtu_st.scale.input.types import MOST_BYTES, MOST_ROWS, InputFile, Rejected, Rows, Shard
from youtu_st.scale.settings import Columns


class Reader:
    """Reads shards, one after the other; the file of the last one stays open.

    Args:
        files: Those of the plan.
        columns: What is read and kept.
        schema: Of what is kept.
        splitter: Splits files of passages, as while planning.
    """

    def __init__(
        self,
        files: Sequence[InputFile],
        columns: Columns,
        schema: pa.Schema,
        splitter: Splitter | None = None,
    ) -> None:
        check_columns(columns)
        self._files, self._columns, self._schema, self._splitter = files, columns, schema, splitter
        self._position: int | None = None
        self._source: _Parquet | _Lines | _Passages | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def rows(self, shard: Shard) -> Iterator[Rows]:
        """The rows of a shard, in order; read one to its end, or give it up, before the next.

        Raises:
            InputError: If the file has changed since it was planned, or cannot be read.
        """
        if self._source is None or self._position != shard.file:
            self.close()
            file = self._files[shard.file]
            check_unchanged(file)
            self._source = self._opened(file)
            self._position = shard.file
        left = shard.rows
        for rows in self._source.rows(shard):
            left -= len(rows.ids) + len(rows.rejected)
            yield rows
        if left:
            raise _changed(self._files[shard.file])

    def close(self) -> None:
        """Close the file that is open."""
        if self._source is not None:
            self._source.close()
        self._source = self._position = None

    def _opened(self, file: InputFile) -> _Parquet | _Lines | _Passages:
        if file.kind == "parquet":
            return _Parquet(file, self._columns, self._schema)
        if file.kind == "passages":
            return _Passages(file, self._columns, self._schema, self._splitter)
        return _Lines(file, self._columns, self._schema)


def read_rows(
    file: InputFile,
    shard: Shard,
    columns: Columns,
    schema: pa.Schema,
    *,
    splitter: Splitter | None = None,
) -> Iterator[Rows]:
    """The rows of one shard; a :class:`Reader` is quicker for several.

    Raises:
        InputError: As for :meth:`Reader.rows`.
    """
    with Reader([file], columns, schema, splitter) as reader:
        yield from reader.rows(shard._replace(file=0))


class _Parquet:
    def __init__(self, file: InputFile, columns: Columns, schema: pa.Schema) -> None:
        self._opened, self._schema = ParquetInput(file, columns), schema

    def rows(self, shard: Shard) -> Iterator[Rows]:
        return self._opened.range(shard.first, shard.rows, self._schema)

    def close(self) -> None:
        self._opened.close()


class _Lines:
    def __init__(self, file: InputFile, columns: Columns, schema: pa.Schema) -> None:
        self._file, self._columns, self._schema = file, columns, schema
        self._opened = Opened(file)
        self._table = Table.of(self._opened, columns) if file.kind in ("csv", "tsv") else None

    def rows(self, shard: Shard) -> Iterator[Rows]:
        lines = self._opened.lines(shard.first, shard.offset)
        if self._table is not None:
            records = csv_records(lines, self._file, self._table)
        elif self._file.kind == "jsonl":
            records = json_records(lines, self._file, self._columns)
        else:
            records = text_records(lines, self._file)
        yield from _rows(records, shard, self._file, self._schema, cells=self._table is not None)

    def close(self) -> None:
        self._opened.close()


class _Passages:
    def __init__(
        self, file: InputFile, columns: Columns, schema: pa.Schema, splitter: Splitter | None
    ) -> None:
        self._file, self._columns, self._schema, self._splitter = file, columns, schema, splitter
        self._records: Iterator[Record] = iter(())
        self._given: int | None = None

    def rows(self, shard: Shard) -> Iterator[Rows]:
        if self._given is None or self._given > shard.first:
            self._records = passage_records(self._file, self._columns, self._splitter)
            self._given = 0
        for _ in islice(self._records, shard.first - self._given):
            self._given += 1
        for rows in _rows(self._records, shard, self._file, self._schema, cells=False):
            self._given += len(rows.ids) + len(rows.rejected)
            yield rows

    def close(self) -> None:
        self._records = iter(())


def _rows(
    records: Iterator[Record], shard: Shard, file: InputFile, schema: pa.Schema, *, cells: bool
) -> Iterator[Rows]:
    left, first = shard.rows, True
    while left:
        block: list[Record] = []
        size = 0
        for record in islice(records, min(left, MOST_ROWS)):
            block.append(record)
            size += len(record.text)
            if size > MOST_BYTES:
                break
        if not block or (first and block[0].number != shard.first + 1):
            raise _changed(file)
        left, first = left - len(block), False
        good = [record for record in block if not record.reason and record.id is not None]
        texts = [record.text for record in good]
        try:
            kept = kept_table(schema, [record.kept for record in good], texts, cells=cells)
        except (pa.ArrowException, TypeError, ValueError) as error:  # no value was of such a type
            raise _changed(file) from error
        yield Rows(
            [record.id or "" for record in good],
            texts,
            [record.number for record in good],
            kept,
            [
                Rejected(file.name, record.number, record.id, record.reason)
                for record in block
                if record.reason
            ],
        )


def _changed(file: InputFile) -> InputError:
    return InputError(f"{printable(file.name)}: the file has changed since it was planned")
