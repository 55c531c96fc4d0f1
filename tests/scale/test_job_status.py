"""How far a job is, from what its shards say; and the room that the rest needs."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from job_folders import SCHEMA, ids_of, job, names_in, unit, write

from youtu_st.errors import InputError
from youtu_st.scale.input.types import Rejected, Shard
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.job.room import check_room, is_full, room, size
from youtu_st.scale.job.status import busy_seconds, status
from youtu_st.scale.settings import Columns, Task


def test_a_job_that_has_not_begun(tmp_path: Path) -> None:
    found = status(JobFolder.create(tmp_path, job(3)))
    assert (found.done, found.open, found.rows, found.rows_left, found.tokens) == (0, 3, 0, 12, 0)
    assert (found.speed, found.seconds_left, found.under_way, found.damaged) == (0.0, None, (), {})


def test_all_that_shards_say_is_added_up(tmp_path: Path) -> None:
    made = job(6, 5)
    shards = [shard._replace(tokens=100 if shard.number < 4 else 600) for shard in made.shards]
    folder = JobFolder.create(tmp_path, replace(made, shards=tuple(shards)))
    bad = Rejected("corpus/a.jsonl", 1, None, "blank")
    ends = {0: 1000.0, 1: 1004.0, 2: 2000.0, 3: 2004.0}
    for number, end in ends.items():
        write(folder, number, 4, rejected=[bad], tokens=50, cut=number, seconds=4.0)
        os.utime(folder.shard_path(number), (end, end))
    folder.shard_path(5).write_bytes(b"PAR1")
    before = names_in(tmp_path)
    with folder.claim(4):
        found = status(folder)
    assert (found.done, found.open, found.rows, found.rows_left) == (4, 2, 16, 10)
    assert (found.tokens, found.rejected, found.cut) == (200, 4, 6)
    assert found.under_way == (4,)
    assert found.damaged == {"part-00005.parquet": "it is cut short"}
    # Twice two shards of five rows one after the other, and a pause of a quarter of an hour, which is none of it.
    assert found.speed == 20 / 16
    assert found.seconds_left == 1200 * 16 / 400
    assert names_in(tmp_path) == before


def test_what_workers_do_at_once_counts_once() -> None:
    assert busy_seconds([]) == 0
    assert busy_seconds([(0, 4), (1, 5), (2, 3), (10, 12), (12, 13)]) == 8
    assert busy_seconds([(5, 5)]) == 0


def test_only_the_last_shards_tell_the_speed(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path, job(70))
    for number in range(60):
        seconds = 8.0 if number < 28 else 2.0
        write(folder, number, seconds=seconds)
        os.utime(folder.shard_path(number), (number * 100, number * 100))
    assert status(folder).speed == 2.0


def test_the_room_that_vectors_and_columns_need(tmp_path: Path) -> None:
    made = job(2, 1000, columns=Columns(keep=("year",), keep_text=True))
    schema = pa.schema([("year", pa.int64()), ("name", pa.string()), ("text", pa.string())])
    made = replace(made, schema=schema, task=Task(dtype="float16"))
    needed, free = room(JobFolder.create(tmp_path, made))
    vectors, ids, years, names = 2000 * 6 * 2, 2000 * 16, 2000 * 9, 2000 * 32
    texts = 2 * 10_000 * 4 // 2
    assert needed == vectors + ids + years + names + texts + 2 * 4096
    assert abs(free - shutil.disk_usage(tmp_path).free) < 1 << 30


def test_the_shards_that_are_there_tell_the_rest(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path, job(4, 3000))
    for number in (0, 2):
        columns = {"year": [1] * 3000, "tags": [["a"]] * 3000}
        kept = pa.table(columns, schema=SCHEMA)
        folder.write(number, ids=ids_of(number, 3000), vectors=unit(3000), kept=kept)
    sizes = [folder.shard_path(number).stat().st_size for number in (0, 2)]
    assert room(folder).needed == pytest.approx(sum(sizes) + 2 * 4096, abs=2)
    folder.shard_path(1).write_bytes(b"")
    folder.shard_path(3).write_bytes(b"")
    assert room(folder).needed == 0
    check_room(folder)


def test_no_disk_has_room_for_all_there_is(tmp_path: Path) -> None:
    shards = tuple(Shard(n, 0, 0, 1 << 50, 1, 1, 0) for n in range(2))
    folder = JobFolder.create(tmp_path, replace(job(2), shards=shards))
    with pytest.raises(InputError, match=r"needs about 254,[0-9.,]+ TB, and its disk has [0-9.,]+ .B free"):
        check_room(folder)


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (12_345_678, "12.3 MB"), (10**16, "10,000.0 TB")],
)
def test_sizes_as_people_say_them(count: int, shown: str) -> None:
    assert size(count) == shown


def test_which_errors_mean_that_there_is_no_room() -> None:
    assert is_full(OSError(28, "No space left on device"))
    assert is_full(OSError(122, "Disk quota exceeded"))
    assert not is_full(OSError(13, "Permission denied"))
    assert not is_full(ValueError(28))
