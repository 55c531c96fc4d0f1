"""A shard's file: what is read from it by others, what it says of itself, and how its numbers are rounded."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import xxhash
from job_folders import DIMENSION, SCHEMA, ids_of, job, kept_of, record, unit, write

from youtu_st.errors import InputError
from youtu_st.scale.input.types import Rejected, Shard
from youtu_st.scale.job.facts import ShardFacts
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.job.shards import digest_of_ids
from youtu_st.scale.settings import Task

BAD = (Rejected("corpus/a.jsonl", 3, "x\ud800", "blank \x1b"), Rejected("corpus/a.jsonl", 4, None, "no text"))


def test_others_read_what_was_written(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path / "out", job())
    for number in range(3):
        write(folder, number)
    assert folder.shard_path(2) == tmp_path / "out" / "vectors" / "part-00002.parquet"
    table = pq.read_table(folder.shard_path(1))
    assert table.schema.names == ["id", "vector", "year", "tags"]
    assert table["id"].to_pylist() == ids_of(1)
    assert table["vector"].type == pa.list_(pa.field("element", pa.float32()), DIMENSION)
    np.testing.assert_array_equal(np.stack(table["vector"].to_numpy()), unit(4, DIMENSION, 101))
    assert table.select(["year", "tags"]).to_pylist() == kept_of(1).to_pylist()

    temporary = folder.shard_path(2).with_name(".part-00002.parquet.0123456789abcdef")
    temporary.write_bytes(folder.shard_path(2).read_bytes())  # of somebody who is about to write it
    whole = pa.dataset.dataset(folder.vectors)
    assert whole.schema.equals(folder.schema, check_metadata=False)
    assert whole.count_rows() == 12
    assert sorted(whole.to_table()["id"].to_pylist()) == sorted(ids_of(0) + ids_of(1) + ids_of(2))


def test_a_shard_without_rows_has_the_same_schema(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path, job(2, 2))
    empty = np.empty((0, DIMENSION), dtype=np.float32)
    folder.write(0, ids=[], vectors=empty, kept=SCHEMA.empty_table(), rejected=BAD)
    write(folder, 1, 2)
    assert pq.read_schema(folder.shard_path(0)).equals(
        pq.read_schema(folder.shard_path(1)), check_metadata=False
    )
    assert pa.dataset.dataset(folder.vectors).to_table()["id"].to_pylist() == ids_of(1, 2)
    assert folder.check(0, deep=True) is None
    assert folder.facts(0).rows == 0


def test_vectors_are_stored_as_they_are_and_the_rest_with_zstd(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path, job(1))
    write(folder, 0)
    metadata = pq.read_metadata(folder.shard_path(0))
    columns = {(c := metadata.row_group(0).column(i)).path_in_schema: c for i in range(metadata.num_columns)}
    assert {path: column.compression for path, column in columns.items()} == {
        "id": "ZSTD",
        "vector.list.element": "UNCOMPRESSED",
        "year": "ZSTD",
        "tags.list.element": "ZSTD",
    }
    assert "RLE_DICTIONARY" not in columns["vector.list.element"].encodings
    raw = unit(4, DIMENSION, 100).astype("<f4").tobytes()
    assert raw in folder.shard_path(0).read_bytes()
    assert metadata.num_row_groups == 1


def test_a_shard_says_what_it_is(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path, job(2, 6))
    written = write(folder, 1, 4, rejected=BAD, tokens=321, cut=2, seconds=1.23456789)
    wanted = ShardFacts(
        shard=1,
        rows=4,
        tokens=321,
        cut=2,
        rejected=BAD,
        seconds=1.234568,
        fingerprint="0123456789abcdef",
        job=folder.job.key,
        digest=digest_of_ids(pa.array(ids_of(1))),
    )
    assert written == folder.facts(1) == folder.sound(1, deep=True) == wanted


def test_the_digest_is_of_the_ids_and_of_nothing_else() -> None:
    ids = ["a", "", "bc", "ключ", "z" * 1000]
    encoded = [one.encode() for one in ids]
    oracle = xxhash.xxh3_128(b"".join(len(one).to_bytes(8, "little") for one in encoded) + b"".join(encoded))
    pieces = [
        pa.array(ids),
        pa.chunked_array([ids[:2], [], ids[2:]], pa.string()),
        pa.array(["no", *ids, "no"])[1:-1],
        pa.array(ids, pa.large_string()),
    ]
    assert {digest_of_ids(one) for one in pieces} == {oracle.hexdigest()}
    others = [
        ["a", "b", "c"],
        ["ab", "c"],
        ["a", "bc"],
        ["c", "b", "a"],
        ["abc", ""],
        ["", "abc"],
        ["abc"],
        [],
    ]
    assert len({digest_of_ids(pa.array(one, pa.string())) for one in others}) == len(others)


def test_a_shard_done_twice_is_the_same_shard(tmp_path: Path) -> None:
    digests = set()
    for name in ("a", "b"):
        folder = JobFolder.create(tmp_path / name, job(1))
        write(folder, 0, seconds=0.5)
        write(folder, 0, seconds=0.5)
        digests.add(hashlib.sha256(folder.shard_path(0).read_bytes()).hexdigest())
        assert folder.done() == {0}
    assert len(digests) == 1


def test_half_floats_are_the_nearest_there_are(tmp_path: Path) -> None:
    dimension = 512
    rows = 64
    folder = JobFolder.create(
        tmp_path, job(1, rows, task=Task(dtype="float16", dimensions=dimension), encoder=record(dimension))
    )
    vectors = unit(rows, dimension, 3)
    # Halfway between two half floats, to the even one; the smallest there is; and what is less than half of it.
    halfway = np.float32(1 + 2**-11), np.float32(1 + 3 * 2**-11), np.float32(2**-24), np.float32(2**-26)
    vectors[0, :4] = halfway
    folder.write(0, ids=ids_of(0, rows), vectors=vectors, kept=_kept(rows))
    column = pq.read_table(folder.shard_path(0))["vector"]
    assert column.type.value_type == pa.float16()
    stored = np.stack(column.to_numpy()).astype(np.float64)
    assert stored[0, :4].tolist() == [1.0, 1 + 2 * 2**-10, 2**-24, 0.0]

    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    every = np.unique(every[np.isfinite(every)].astype(np.float64))
    place = np.searchsorted(every, vectors)  # the nearest of all half floats, by looking
    below, above = every[np.maximum(place - 1, 0)], every[place]
    nearest = np.minimum(np.abs(vectors - below), np.abs(vectors - above))
    np.testing.assert_array_equal(np.abs(stored - vectors), nearest)
    large = np.abs(vectors) >= 2**-14
    assert (nearest[large] <= 2**-11 * np.abs(vectors[large])).all()
    assert nearest[~large].max() <= 2**-25
    assert folder.shard_path(0).stat().st_size < rows * dimension * 2 + 12_000


def test_a_shard_with_other_rows_than_planned_is_not_written(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path, job(2, 5))
    with pytest.raises(
        InputError, match=r"corpus/a\.jsonl has changed .* of 5 rows from row 6 on .*, 4 are there"
    ):
        write(folder, 1, 4)
    assert list(folder.vectors.iterdir()) == []


@pytest.mark.parametrize(
    ("vectors", "kept"),
    [
        (unit(4, 5), kept_of(0)),
        (unit(3), kept_of(0)),
        (unit(4).astype(np.float64), kept_of(0)),
        (unit(4), kept_of(0, 3)),
        (unit(4), kept_of(0).select(["year"])),
        (unit(4), None),
    ],
)
def test_what_does_not_fit_the_job_is_not_written(tmp_path: Path, vectors, kept) -> None:
    folder = JobFolder.create(tmp_path, job(1))
    with pytest.raises(ValueError):
        folder.write(0, ids=ids_of(0), vectors=vectors, kept=kept)
    assert list(folder.vectors.iterdir()) == []


def test_an_id_that_is_half_a_character_is_refused(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path, job(1, 1, schema=pa.schema([])))
    with pytest.raises(InputError, match="an id is not valid Unicode"):
        folder.write(0, ids=["\ud800"], vectors=unit(1))


def test_names_go_on_beyond_five_digits(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path, job(100_002, 1, schema=pa.schema([])))
    for number in (7, 99_999, 100_001):
        write(folder, number, 1)
    assert sorted(path.name for path in folder.vectors.iterdir()) == [
        "part-00007.parquet",
        "part-100001.parquet",
        "part-99999.parquet",
    ]
    assert folder.done() == {7, 99_999, 100_001}
    assert folder.damaged(deep=True) == {}


def test_shards_of_a_job_know_each_other_by_more_than_the_fingerprint(tmp_path: Path) -> None:
    folders = [JobFolder.create(tmp_path / role, job(2, task=Task(role))) for role in ("query", "document")]
    write(folders[0], 0)
    write(folders[0], 1)
    folders[0].shard_path(0).rename(folders[1].shard_path(0))
    folders[0].shard_path(1).rename(folders[0].shard_path(0))
    assert "its job's key is" in str(folders[1].check(0))
    assert folders[0].check(0) == "its shard is 1, not 0"
    assert folders[0].check(1) == "it is gone"


def test_a_longer_plan_is_not_what_a_shard_was_written_by(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path, job(2))
    write(folder, 0)
    shards = (folder.job.shards[0]._replace(rows=5), Shard(1, 0, 5, 3, 1, 1, 0))
    other = JobFolder(tmp_path, replace(folder.job, shards=shards))
    assert other.check(0) == "its number of rows, good and bad, is 4, not 5"


def _kept(rows: int) -> pa.Table:
    return pa.table({"year": [1] * rows, "tags": [["a"]] * rows}, schema=SCHEMA)
