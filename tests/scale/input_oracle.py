"""Files for plans, and all rows that a plan's shards give."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from youtu_st.corpus import Splitter
from youtu_st.scale.input.files import find_inputs
from youtu_st.scale.input.planning import plan_input
from youtu_st.scale.input.reading import Reader
from youtu_st.scale.input.types import MOST_ROWS, Plan, Rejected
from youtu_st.scale.settings import Columns, Cutting


class Row(NamedTuple):
    file: str
    number: int
    id: str
    text: str
    kept: dict[str, Any]


def planned(
    *paths: Path | str, cutting: Cutting | None = None, splitter: Splitter | None = None, **columns: Any
) -> tuple[Plan, Columns]:
    asked = Columns(**columns)
    return plan_input(find_inputs(paths), asked, cutting or Cutting(), splitter=splitter), asked


def everything(
    plan: Plan, columns: Columns, *, splitter: Splitter | None = None, seed: int | None = None
) -> tuple[list[Row], list[Rejected]]:
    """All rows of all shards, sorted by file and row; read in an order drawn by ``seed``, or in theirs."""
    order = list(plan.shards)
    if seed is not None:
        random.Random(seed).shuffle(order)
    rows, rejected = [], []
    with Reader(plan.files, columns, plan.schema, splitter) as reader:
        for shard in order:
            count = 0
            for block in reader.rows(shard):
                assert len(block.ids) == len(block.texts) == len(block.numbers) == block.kept.num_rows
                assert len(block.ids) + len(block.rejected) <= MOST_ROWS
                assert block.kept.schema == plan.schema
                name = plan.files[shard.file].name
                kept = block.kept.to_pylist() if plan.schema.names else [{}] * len(block.ids)
                rows += [
                    Row(name, *values)
                    for values in zip(block.numbers, block.ids, block.texts, kept, strict=True)
                ]
                rejected += block.rejected
                count += len(block.ids) + len(block.rejected)
            assert count == shard.rows
    names = [file.name for file in plan.files]
    rows.sort(key=lambda row: (names.index(row.file), row.number))
    rejected.sort(key=lambda bad: (names.index(bad.file), bad.row))
    assert len(rows) + len(rejected) == plan.rows
    assert len(rejected) == plan.rejected
    assert plan.first_rejected == (rejected[0] if rejected else None)
    return rows, rejected


def write_jsonl(path: Path, records: Iterable[Any], *, end: str = "\n") -> Path:
    """A line for each record: a str is written as it is, all else as JSON."""
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    content = "".join(line + end for line in lines).encode("utf-8", "surrogateescape")
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return path


def reasons(rejected: Sequence[Rejected]) -> list[tuple[int, str | None, str]]:
    return [(bad.row, bad.id, bad.reason) for bad in rejected]
