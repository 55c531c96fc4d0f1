"""A shard that is cut short or altered is found, kept aside and open again; wherever the byte is."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_folders import ids_of, job, unit, write

from youtu_st.scale.input.types import Rejected, Shard
from youtu_st.scale.job import facts
from youtu_st.scale.job.facts import DamagedPartError
from youtu_st.scale.job.folder import JobFolder


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    made = JobFolder.create(tmp_path / "out", job(3, 5))
    for number in range(3):
        write(made, number, 4, rejected=[Rejected("corpus/a.jsonl", 5 * number + 5, "an id", "blank")])
    return made


def footer_length(content: bytes) -> int:
    return int.from_bytes(content[-8:-4], "little") + 8


@pytest.mark.parametrize(("bit", "step"), [(0, 1), (5, 3)])
def test_a_flipped_bit_anywhere_in_the_footer_is_found_without_reading_the_rest(
    folder: JobFolder, bit: int, step: int
) -> None:
    path = folder.shard_path(1)
    content = path.read_bytes()
    begin = len(content) - footer_length(content)
    seal = pq.read_metadata(path).metadata[facts.SEAL.encode()]
    of_pages = range(content.rindex(seal), content.rindex(seal) + 16)
    unnoticed = []
    for at in range(begin, len(content), step):
        changed = bytearray(content)
        changed[at] ^= 1 << bit
        path.write_bytes(changed)
        if folder.check(1) is None:
            unnoticed.append(at)
            assert folder.check(1, deep=True) == "its pages are altered"
    assert set(unnoticed) <= set(of_pages)  # which is the checksum of the pages itself


@pytest.mark.parametrize(("bit", "step"), [(1, 1), (7, 5)])
def test_a_flipped_bit_anywhere_in_the_pages_is_found_by_reading_them(
    folder: JobFolder, bit: int, step: int
) -> None:
    path = folder.shard_path(1)
    content = path.read_bytes()
    for at in range(0, len(content) - footer_length(content), step):
        changed = bytearray(content)
        changed[at] ^= 1 << bit
        path.write_bytes(changed)
        assert folder.check(1) is None
        assert folder.check(1, deep=True) == "its pages are altered"


def test_a_shard_cut_short_at_any_length_is_found(folder: JobFolder) -> None:
    path = folder.shard_path(1)
    content = path.read_bytes()
    for length in range(0, len(content), 2):
        path.write_bytes(content[:length])
        assert folder.check(1) in ("it is cut short", "its footer is altered"), length
    for more in (b"\0", b"PAR1", content):
        path.write_bytes(content + more)
        assert folder.check(1) is not None or more == content
        assert folder.check(1, deep=True) is not None
    path.write_bytes(content[:4] + content[20:])  # a hole in the middle
    assert folder.check(1) == "its footer is altered"
    path.write_bytes(content)
    assert folder.check(1, deep=True) is None


def test_zeros_where_a_disk_lost_a_block(folder: JobFolder) -> None:
    path = folder.shard_path(2)
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes(200) + content[300:])
    assert folder.check(2) is None
    assert folder.damaged() == {}
    assert folder.damaged(deep=True) == {2: "its pages are altered"}
    path.write_bytes(bytes(len(content)))
    assert folder.check(2) == "it is cut short"


def test_a_damaged_shard_is_kept_aside_and_open_again(folder: JobFolder) -> None:
    assert folder.open_shards() == []
    for turn in (1, 2):
        folder.shard_path(1).write_bytes(b"damaged %d" % turn)
        assert folder.damaged() == {1: "it is cut short"}
        moved = folder.set_aside(1)
        assert moved == folder.path / "damaged" / f"part-00001.parquet.{turn}"
        assert moved.read_bytes() == b"damaged %d" % turn
        assert folder.done() == {0, 2}
        assert [shard.number for shard in folder.open_shards()] == [1]
        with folder.claim(1):
            write(folder, 1, 4, rejected=[Rejected("corpus/a.jsonl", 10, None, "blank")])
    assert folder.damaged(deep=True) == {}
    assert sorted(os.listdir(folder.vectors)) == [f"part-0000{n}.parquet" for n in range(3)]


def test_a_sound_shard_is_not_set_aside(folder: JobFolder) -> None:
    assert folder.set_aside(1) is None
    assert folder.done() == {0, 1, 2}
    assert not (folder.path / "damaged").exists()


def test_nor_one_that_somebody_encodes_again(folder: JobFolder) -> None:
    folder.shard_path(1).unlink()
    with folder.claim(1):
        folder.shard_path(1).write_bytes(b"")
        assert folder.set_aside(1) is None
    assert folder.set_aside(1).name == "part-00001.parquet.1"
    assert folder.set_aside(1) is None


def test_a_shard_beyond_the_plan_is_not_done_and_can_be_set_aside(folder: JobFolder) -> None:
    os.link(folder.shard_path(1), folder.shard_path(17))
    assert folder.done() == {0, 1, 2}
    assert folder.damaged() == {17: "the job has 3 shards"}
    assert folder.set_aside(17).name == "part-00017.parquet.1"
    assert folder.damaged() == {}


def test_nor_one_of_a_plan_that_was_extended_meanwhile(folder: JobFolder) -> None:
    later = folder.job.extended(
        [replace(folder.job.files[0], name="corpus/b.jsonl")], [Shard(3, 0, 0, 5, 1, 1, 0)]
    )
    folder.job.replace(folder.path, later)
    write(JobFolder.open(folder.path), 3, 5)
    assert folder.damaged() == {3: "the job has 3 shards"}
    assert folder.set_aside(3) is None
    assert JobFolder.open(folder.path).done() == {0, 1, 2, 3}


def test_parquet_that_somebody_else_wrote_is_no_shard(folder: JobFolder) -> None:
    path = folder.shard_path(1)
    table = pq.read_table(path)
    pq.write_table(table, path)
    assert folder.check(1) == "its footer is altered"


METADATA = {
    "no JSON": "{",
    "a list": "[]",
    "nested": "[" * 100_000,
    "another name": '{"rejected": []}',
    "a number for the rejected": '{"rejected": 5}',
    "a rejected row of five": '{"rejected": [[1, 2, 3, 4, 5]]}',
}


@pytest.mark.parametrize("what", METADATA)
def test_facts_by_somebody_hostile(folder: JobFolder, what: str) -> None:
    path = folder.shard_path(1)
    with pq.ParquetWriter(path, folder.schema) as writer:
        writer.write_table(pq.read_table(folder.shard_path(0)).cast(folder.schema))
        writer.add_key_value_metadata({facts.FACTS: METADATA[what], facts.SEAL: "f" * 31 + "e"})
    facts.seal(path, "f" * 31 + "e")
    assert folder.check(1) == "its metadata are not a shard's"
    with pytest.raises(DamagedPartError):
        folder.facts(1)


def test_ids_that_are_null_are_no_shards(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path, job(1, 2, schema=pa.schema([])))
    found = folder.write(0, ids=ids_of(0, 2), vectors=unit(2))
    path = folder.shard_path(0)
    table = pq.read_table(path).set_column(0, "id", pa.array([None, "a"], pa.string()))
    with pq.ParquetWriter(path, folder.schema) as writer:
        writer.write_table(table.cast(folder.schema))
        writer.add_key_value_metadata({facts.FACTS: found.to_text(), facts.SEAL: "f" * 31 + "e"})
    facts.seal(path, "f" * 31 + "e")
    assert folder.check(0) is None
    assert folder.check(0, deep=True) == "its ids are not those that were written"


def test_a_footer_longer_than_what_is_read_at_first(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path, job(1, 3001, schema=pa.schema([])))
    rejected = [Rejected("corpus/a.jsonl", row, f"id {row}", "blank " * 10) for row in range(2, 3002)]
    found = folder.write(0, ids=["one"], vectors=unit(1), rejected=rejected)
    content = folder.shard_path(0).read_bytes()
    assert footer_length(content) > 1 << 17
    assert folder.sound(0, deep=True) == found
    assert list(found.rejected) == rejected
    for at in (-footer_length(content), -(1 << 16) - 5, -100):
        changed = bytearray(content)
        changed[at] ^= 4
        folder.shard_path(0).write_bytes(changed)
        assert folder.check(0) is not None
