"""Rows encoded again, by a real encoder: the stored vectors are found to be its own, or not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from job_folders import job

from youtu_st import Encoder
from youtu_st.errors import InputError
from youtu_st.probes import EncoderRecord
from youtu_st.scale.input.files import find_inputs
from youtu_st.scale.input.planning import plan_input
from youtu_st.scale.input.reading import Reader
from youtu_st.scale.input.types import InputFile, Rejected, Rows, Shard
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.job.verifying import verify
from youtu_st.scale.settings import Columns, Cutting, Task

ROWS, SHARDS = 11, 5
WORDS = (
    "river",
    "stone",
    "light",
    "house",
    "paper",
    "wind",
    "seven",
    "green",
    "metal",
    "河",
    "光",
    "纸",
    "风",
)


def text_of(row: int) -> str:
    return " ".join(WORDS[(row * 7 + i * i) % len(WORDS)] for i in range(3 + row % 6))


@pytest.fixture(scope="module")
def encoder(tiny: Path) -> Encoder:
    return Encoder(str(tiny))


def read(shard: Shard) -> Iterator[Rows]:
    """Rows in blocks of four; every eleventh is a bad one."""
    numbers = [n for n in range(shard.first, shard.first + shard.rows) if n % ROWS != 3]
    for start in range(0, len(numbers), 4):
        block = numbers[start : start + 4]
        yield Rows([f"row {n}" for n in block], [text_of(n) for n in block], block, pa.table({}))


def whole(shard: Shard) -> tuple[list[str], list[str]]:
    blocks = list(read(shard))
    return [name for rows in blocks for name in rows.ids], [text for rows in blocks for text in rows.texts]


@pytest.fixture
def made(tmp_path: Path, encoder: Encoder) -> Callable[..., JobFolder]:
    def make(task: Task) -> JobFolder:
        files = (InputFile("a.txt", "/a.txt", "txt", 1, "a", ROWS * SHARDS),)
        new = job(
            SHARDS,
            ROWS,
            schema=pa.schema([]),
            encoder=EncoderRecord.of(encoder),
            task=task,
            columns=Columns(),
            files=files,
        )
        folder = JobFolder.create(tmp_path / "out", new)
        how = {} if task.dimensions is None else {"dimensions": task.dimensions}
        if task.instruction is not None:
            how["instruction"] = task.instruction
        for shard in new.shards:
            ids, texts = whole(shard)
            vectors = getattr(encoder, f"encode_{task.role}")(texts, **how)
            bad = [Rejected("a.txt", shard.first + 4, None, "blank")]
            folder.write(shard.number, ids=ids, vectors=vectors, rejected=bad)
        return folder

    return make


@pytest.mark.parametrize(
    "task", [Task(), Task("query"), Task("query", "Find the passage", 8), Task(dimensions=16)], ids=str
)
def test_an_encoder_finds_its_own_vectors(made, encoder: Encoder, task: Task) -> None:
    found = verify(made(task), encoder, read=read, rows=20, seed=3)
    assert found.rows == 20
    assert found.shards in range(3, SHARDS + 1)
    assert found.lowest_cosine > 1 - 1e-6
    assert found.largest_difference < 1e-6


def test_half_floats_are_as_near_as_they_can_be(made, encoder: Encoder) -> None:
    found = verify(made(Task(dtype="float16")), encoder, read=read, rows=1000)
    assert (found.rows, found.shards) == (50, 5)
    assert 1e-6 < found.largest_difference <= 2**-12 + 1e-6
    assert found.lowest_cosine > 1 - 1e-5


def test_vectors_of_another_task_are_found(made, encoder: Encoder) -> None:
    folder = made(Task("query", "Find the passage"))
    folder = JobFolder(folder.path, folder.job)
    number = 2
    shard = folder.job.shards[number]
    ids, texts = whole(shard)
    plain = encoder.encode_query(texts, instruction="")
    bad = [Rejected("a.txt", shard.first + 4, None, "blank")]
    folder.write(number, ids=ids, vectors=plain, rejected=bad)
    stored = encoder.encode_query(texts, instruction="Find the passage")
    found = verify(folder, encoder, read=read, rows=1000)
    assert found.lowest_cosine == pytest.approx(float((plain * stored).sum(axis=1).min()), abs=1e-5)
    assert found.largest_difference == pytest.approx(float(np.abs(plain - stored).max()), abs=1e-6)
    assert found.lowest_cosine < 0.999


def test_one_vector_of_many_in_the_place_of_another_is_found(made, encoder: Encoder) -> None:
    folder = made(Task())
    shard = folder.job.shards[1]
    ids, texts = whole(shard)
    vectors = encoder.encode_document(texts)
    vectors[[4, 5]] = vectors[[5, 4]]
    folder.write(1, ids=ids, vectors=vectors, rejected=[Rejected("a.txt", shard.first + 4, None, "blank")])
    assert verify(folder, encoder, read=read, rows=1000).lowest_cosine == pytest.approx(
        float(vectors[4] @ vectors[5]), abs=1e-5
    )


@pytest.mark.slow
def test_the_seed_decides_and_every_row_can_be_drawn(made, encoder: Encoder) -> None:
    folder = made(Task())
    asked: list[list[str]] = []

    class Counting:
        dimension = encoder.dimension

        def encode_document(self, texts, **how):
            asked.append(sorted(texts))
            return encoder.encode_document(texts, **how)

    for seed in (1, 1, 2):
        verify(folder, Counting(), read=read, rows=6, seed=seed)
    assert asked[0] == asked[1] != asked[2]
    seen: set[str] = set()
    for seed in range(60):
        verify(folder, Counting(), read=read, rows=6, seed=seed)
    seen.update(text for texts in asked for text in texts)
    assert seen == {text_of(n) for n in range(ROWS * SHARDS) if n % ROWS != 3}
    few = verify(folder, encoder, read=read, rows=1000, most_shards=2)
    assert (few.rows, few.shards) == (20, 2)


def test_what_cannot_be_verified(made, encoder: Encoder, tmp_path: Path) -> None:
    folder = made(Task())

    def changed(shard: Shard) -> Iterator[Rows]:
        for rows in read(shard):
            rows.ids = [f"new {name}" for name in rows.ids]
            yield rows

    with pytest.raises(InputError, match=r"a\.txt has no row with the id 'row \d+' any more: it has changed"):
        verify(folder, encoder, read=changed, rows=3)
    with pytest.raises(InputError, match="rows must be an int of at least 1, not 0"):
        verify(folder, encoder, read=read, rows=0)
    content = bytearray(folder.shard_path(2).read_bytes())
    content[300] ^= 1
    folder.shard_path(2).write_bytes(content)
    with pytest.raises(InputError, match=r"part-00002\.parquet: its pages are altered"):
        verify(folder, encoder, read=read, rows=1000)
    for number in range(SHARDS):
        folder.shard_path(number).unlink()
    with pytest.raises(InputError, match="there is no shard in .* yet"):
        verify(folder, encoder, read=read, rows=3)
    bad = [Rejected("a.txt", 1, None, "blank")] * ROWS
    folder.write(0, ids=[], vectors=np.empty((0, encoder.dimension), np.float32), rejected=bad)
    with pytest.raises(InputError, match="have no row with a vector"):
        verify(folder, encoder, read=read, rows=3)


def test_the_input_is_read_where_the_job_has_found_it(encoder: Encoder, tmp_path: Path) -> None:
    texts = [text_of(n) for n in range(40)]
    lines = [json.dumps({"key": f"row {n}", "text": text}) for n, text in enumerate(texts)]
    lines[7] = json.dumps({"key": "bad", "text": " "})
    (tmp_path / "a.jsonl").write_text("\n".join(lines[:25]) + "\n")
    (tmp_path / "b.jsonl").write_text("\n".join(lines[25:]) + "\n")
    columns, cutting = Columns(id="key"), Cutting(10**6, 6)
    plan = plan_input(find_inputs([tmp_path]), columns, cutting)
    new = job(
        encoder=EncoderRecord.of(encoder),
        columns=columns,
        cutting=cutting,
        files=plan.files,
        schema=plan.schema,
    )
    folder = JobFolder.create(tmp_path / "out", replace(new, shards=plan.shards))
    with Reader(plan.files, columns, plan.schema) as reader:
        for shard in plan.shards:
            rows = list(reader.rows(shard))
            ids = [name for block in rows for name in block.ids]
            vectors = encoder.encode_document([texts[int(name[4:])] for name in ids])
            bad = [one for block in rows for one in block.rejected]
            folder.write(shard.number, ids=ids, vectors=vectors, rejected=bad)
    found = verify(JobFolder.open(folder.path), encoder, 1000, 5)
    assert (found.rows, found.shards) == (39, len(plan.shards))
    assert found.lowest_cosine > 1 - 1e-6
    (tmp_path / "b.jsonl").write_text("\n".join(reversed(lines[25:])) + "\n")
    with pytest.raises(InputError, match=r"b\.jsonl.* has changed since it was planned"):
        verify(folder, encoder, 1000)


def test_the_record_of_a_real_encoder_is_read_as_it_was_written(made, encoder: Encoder) -> None:
    folder = JobFolder.open(made(Task()).path)
    assert folder.job.encoder.differences(encoder, what="job") == []
    assert json.loads((folder.path / "job.json").read_text())["encoder"]["fingerprint"] == encoder.fingerprint
