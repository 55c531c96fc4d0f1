"""One pass over the input: what rows there are, and how they are cut into shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from youtu_st.corpus.cutting.passages import Splitter
from youtu_st.corpus.notes import Notes
from youtu_st.corpus.reading.decoding import check_encoding
from youtu_st.errors import InputError, printable
from youtu_st.scale.input.columns import KeptTypes, Record, check_columns, no_such_column
from youtu_st.scale.input.cutting import Counts, Cutter, Piece, tokens_of
from youtu_st.scale.input.files import check_unchanged
from youtu_st.scale.input.ids import Ids
from youtu_st.scale.input.lines import Opened, encoding_of
from youtu_st.scale.input.parquet import ParquetInput
from youtu_st.scale.input.passages import kept_types_of_passages, passage_records
from youtu_st.scale.input.records import Fields, Table, csv_records, json_records, text_records
from youtu_st.scale.input.types import InputFile, Plan, Rejected, Shard
from youtu_st.scale.settings import Columns, Cutting

Report = Callable[[int, str], object]

_BLOCK = 4096


def plan_input(
    files: Sequence[InputFile],
    columns: Columns,
    cutting: Cutting,
    *,
    splitter: Splitter | None = None,
    report: Report | None = None,
    first_number: int = 0,
    known_ids: Iterable[Sequence[str]] = (),
    known_place: Callable[[int], str] | None = None,
    schema: pa.Schema | None = None,
    notes: Notes | None = None,
    scratch: Path | None = None,
) -> Plan:
    """Count the rows of files, cut them into shards, and look whether ids and columns are what they must be.

    Bad rows are counted, and stay in the ranges of the shards.

    Args:
        files: The files.
        columns: What is read and kept.
        cutting: How large shards are.
        splitter: Splits files of passages, by the model's tokenizer. None: there must be none of these.
        report: Called with the number of rows so far and the name of the file, now and then.
        first_number: Number of the first shard, where a job has others already.
        known_ids: Ids that rows of that job have, in blocks.
        known_place: Says where the n-th of these is, counted from 1. None: that is not said.
        schema: Of what that job keeps.
        notes: Takes what files are written in, where it is not UTF-8. None: it is logged.
        scratch: The folder of temporary files that hold ids. None: the system's.

    Raises:
        InputError: If a column is not there, or of another type; if two rows have one id; if there are no
            rows, or a file cannot be read. The message names the file, and the row where it is one's.
    """
    check_columns(columns)
    if columns.encoding is not None:
        check_encoding("encoding", columns.encoding)
    with Ids(scratch) as ids:
        taken = 0
        for block in known_ids:
            ids.known(block, taken + 1)
            taken += len(block)
        planning = _Planning(columns, cutting, splitter, notes or Notes(), ids, report)
        planned = [planning.add(file, position) for position, file in enumerate(files)]
        planning.check(known=schema is not None)
        if (twice := ids.twice()) is not None:
            (first, row), (second, other) = twice
            if first >= 0:
                one = planned[first].place(row)
            else:
                one = known_place(row) if known_place else "a row that the job has already"
            two = planned[second].place(other)
            raise InputError(f"two rows with one id: {printable(one)}, and {printable(two)}")
    return Plan(
        tuple(planned),
        tuple(
            Shard(first_number + i, position, *piece) for i, (position, piece) in enumerate(planning.pieces)
        ),
        planning.kept.schema(schema),
        planning.rows,
        planning.rejected,
        planning.first_rejected,
        planning.text_column,
    )


class _Planning:
    """What is known of the files so far."""

    def __init__(
        self,
        columns: Columns,
        cutting: Cutting,
        splitter: Splitter | None,
        notes: Notes,
        ids: Ids,
        report: Report | None,
    ) -> None:
        self._columns, self._splitter, self._notes = columns, splitter, notes
        self._ids, self._report = ids, report
        self._cutter = Cutter(cutting)
        self._json: dict[str, dict[str, None]] = {}
        self.kept = KeptTypes(columns)
        self.pieces: list[tuple[int, Piece]] = []
        self.rows = self.rejected = 0
        self.first_rejected: Rejected | None = None
        self.text_column: str | None = None

    def add(self, file: InputFile, position: int) -> InputFile:
        """Take a file; gives it with what is known of it now."""
        before = self.rows
        if file.kind == "parquet":
            self._parquet(file, position)
        elif file.kind == "passages":
            records = passage_records(file, self._columns, self._splitter, self._notes)
            for name, type_ in kept_types_of_passages(file, self._columns):
                self.kept.has(name, type_, file.name)
            self._records(records, file, position, seekable=False)
        else:
            with closing(Opened(replace(file, encoding=self._columns.encoding or "utf-8"))) as opened:
                if self._columns.encoding is None:
                    opened.file = replace(file, encoding=encoding_of(opened, self._notes))
                file = opened.file
                self._lines(opened, position)
        self.pieces += ((position, piece) for piece in self._cutter.end())
        check_unchanged(file)
        return replace(file, rows=self.rows - before)

    def check(self, *, known: bool) -> None:
        """Raise where there are no rows, or no record of any ``.jsonl`` file has a column that is kept.

        Args:
            known: Other files had all of these columns.
        """
        if not self.rows:
            raise InputError("there are no rows in the input")
        if self._json and not known:
            there = {name for names in self._json.values() for name in names}
            for name in self._columns.keep:
                if name not in there:
                    file, names = next(iter(self._json.items()))
                    raise no_such_column(file, (name,), list(names))

    def _parquet(self, file: InputFile, position: int) -> None:
        with closing(ParquetInput(file, self._columns)) as opened:
            self._found(opened.text)
            for name, type_ in opened.kept_types():
                self.kept.has(name, type_, file.name)
            first = 1
            for sizes, ids, rejected in opened.measure():
                numbers = np.arange(first, first + len(sizes), dtype=np.int64)
                first += len(sizes)
                if ids:
                    self._ids.add(ids, position, numbers[sizes >= 0])
                self._block(file, position, sizes, numbers, None, rejected)

    def _lines(self, opened: Opened, position: int) -> None:
        file, columns = opened.file, self._columns
        if file.kind == "txt":
            for name in (columns.id, *columns.keep):
                if name is not None:
                    raise no_such_column(file.name, (name,), ())
            records = text_records(opened.lines(), file)
        elif file.kind == "jsonl":
            fields = Fields(columns, self.kept)
            self._records(
                json_records(opened.lines(), file, columns, fields), file, position, opened.seekable
            )
            self._found(fields.check(file.name))
            if fields.names:
                self._json[file.name] = fields.names
            return
        else:
            table = Table.of(opened, columns)
            if table is None:
                return
            self._found(table.text_name)
            look = self.kept.look_at_cells if columns.keep else None
            records = csv_records(opened.lines(table.lines, table.offset), file, table, look)
        self._records(records, file, position, opened.seekable)

    def _records(self, records: Iterator[Record], file: InputFile, position: int, seekable: bool) -> None:
        has_ids = self._columns.id is not None
        while block := list(islice(records, _BLOCK)):
            numbers = np.fromiter((record.number for record in block), np.int64, len(block))
            offsets = None
            if seekable:
                offsets = np.fromiter((record.offset for record in block), np.int64, len(block))
            sizes = np.fromiter((_size(record) for record in block), np.int64, len(block))
            rejected = [
                Rejected(file.name, record.number, record.id, record.reason)
                for record in block
                if record.reason
            ]
            if has_ids:
                ids = [record.id for record in block if not record.reason and record.id is not None]
                self._ids.add(ids, position, numbers[sizes >= 0])
            self._block(file, position, sizes, numbers, offsets, rejected)

    def _block(
        self,
        file: InputFile,
        position: int,
        sizes: Counts,
        numbers: Counts,
        offsets: Counts | None,
        rejected: Sequence[Rejected],
    ) -> None:
        tokens = np.where(sizes < 0, 0, tokens_of(sizes))
        self.pieces += ((position, piece) for piece in self._cutter.add(tokens, numbers, offsets))
        self.rows += len(sizes)
        self.rejected += len(rejected)
        if rejected and self.first_rejected is None:
            self.first_rejected = rejected[0]
        if self._report is not None:
            self._report(self.rows, file.name)

    def _found(self, text: str | None) -> None:
        self.text_column = self.text_column or text


def _size(record: Record) -> int:
    if record.reason:
        return -1
    text = record.text
    return len(text) if text.isascii() else len(text.encode())
