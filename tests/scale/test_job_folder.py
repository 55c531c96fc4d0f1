"""A job's folder: what is there, what is open, and what is refused."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from job_folders import ids_of, job, names_in, record, unit, write

from youtu_st.errors import InputError
from youtu_st.index import VectorIndex
from youtu_st.scale.input.types import Rejected, Shard
from youtu_st.scale.job.facts import DamagedPartError
from youtu_st.scale.job.folder import JobFolder, has_job
from youtu_st.scale.job.rejected import write_rejected


def test_what_is_there_and_what_is_open(tmp_path: Path) -> None:
    lengths = [(7, 50), (9, 10), (9, 20), (1, 1), (9, 20)]
    shards = [Shard(n, 0, 4 * n, 4, tokens, longest, 0) for n, (longest, tokens) in enumerate(lengths)]
    folder = JobFolder.create(tmp_path / "a" / "b", replace(job(5), shards=tuple(shards)))
    assert (folder.done(), folder.claimed(), folder.damaged()) == (set(), set(), {})
    assert [shard.number for shard in folder.open_shards()] == [2, 4, 1, 0, 3]
    write(folder, 4)
    write(folder, 0)
    assert folder.done() == {0, 4}
    assert [shard.number for shard in folder.open_shards()] == [2, 1, 3]
    assert JobFolder.open(tmp_path / "a" / "b").done() == {0, 4}
    assert names_in(tmp_path / "a" / "b") == [
        "job.json",
        "vectors",
        "vectors/part-00000.parquet",
        "vectors/part-00004.parquet",
    ]


def test_names_that_are_no_shards_are_passed_over(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path, job(3))
    for name in (
        "part-1.parquet",
        "part-000001.parquet",
        "part-00001.parquet.bak",
        "PART-00001.parquet",
        "_SUCCESS",
    ):
        (folder.vectors / name).touch()
    (folder.vectors / "part-٠٠٠٠١.parquet").touch()  # digits, to some
    assert folder.done() == set()
    (folder.vectors / "part-00001.parquet").touch()
    assert folder.done() == {1}
    (folder.vectors / "part-00003.parquet").touch()  # of a plan that was extended meanwhile
    assert folder.done() == {1}


def test_a_new_and_an_empty_folder_are_free(tmp_path: Path) -> None:
    assert not has_job(tmp_path / "none")
    assert not has_job(tmp_path)
    (tmp_path / ".job.json.0123456789abcdef").touch()  # of a process that was killed
    assert not has_job(tmp_path)
    with pytest.raises(InputError, match=f"there is no job in {tmp_path}$"):
        JobFolder.open(tmp_path)
    JobFolder.create(tmp_path, job())
    assert has_job(tmp_path)


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis\x1b.doc").touch()
    told = r"holds thesis\\x1b\.doc, and no job: name a new or an empty folder"
    for call in (has_job, JobFolder.open, lambda path: JobFolder.create(path, job())):
        with pytest.raises(InputError, match=told):
            call(tmp_path)
    (tmp_path / "a.txt").touch()
    with pytest.raises(InputError, match=r"holds a\.txt and 1 more, and no job"):
        JobFolder.open(tmp_path)
    assert len(os.listdir(tmp_path)) == 2


def test_vectors_without_a_job_are_not_added_to(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path, job())
    write(folder, 0)
    (tmp_path / "job.json").unlink()
    with pytest.raises(InputError, match=r"holds vectors without a job\.json, and no job"):
        JobFolder.create(tmp_path, job())


def test_an_index_is_called_one(tmp_path: Path) -> None:
    class Made:
        model_name, fingerprint, dimension = "some-model", "0123456789abcdef", 6
        identity, runtime = {"weights": "aa"}, {"dtype": "float32"}

        def encode_query(self, texts, **_):
            return unit(len(texts))

        encode_document = encode_query

    VectorIndex.create(tmp_path / "index", Made()).close()
    with pytest.raises(
        InputError, match="index holds a VectorIndex, and no job: name a new or an empty folder"
    ):
        JobFolder.create(tmp_path / "index", job())


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    for call in (JobFolder.open, has_job):
        with pytest.raises(InputError, match="out is no folder$"):
            call(tmp_path / "out")
    with pytest.raises(InputError, match="out cannot be written to: File exists"):
        JobFolder.create(tmp_path / "out", job())
    with pytest.raises(InputError, match="out/below cannot be written to: Not a directory"):
        JobFolder.create(tmp_path / "out" / "below", job())
    assert (tmp_path / "out").read_text() == "mine"


def test_a_path_that_no_system_has(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder's name holds a NUL"):
        JobFolder.create(f"{tmp_path}/a\0b", job())
    with pytest.raises(InputError):
        JobFolder.open(f"{tmp_path}/a\0b")
    with pytest.raises(InputError, match="cannot be written to: File name too long"):
        JobFolder.create(tmp_path / ("a" * 300), job())


@pytest.mark.parametrize("name", ["vectors", "damaged"])
@pytest.mark.parametrize("kind", ["link", "file"])
def test_links_in_the_place_of_folders_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    JobFolder.create(out, job())
    elsewhere.mkdir()
    if (out / name).exists():
        (out / name).rmdir()
    if kind == "link":
        (out / name).symlink_to(elsewhere)
    else:
        (out / name).touch()
    with pytest.raises(InputError, match=f"out/{name} is no folder, or a link"):
        JobFolder.open(out)
    with pytest.raises(InputError, match=f"out/{name} is no folder, or a link"):
        JobFolder.create(out, job())


def test_a_link_in_the_place_of_the_job_is_refused_and_not_written_through(tmp_path: Path) -> None:
    JobFolder.create(tmp_path / "theirs", job())
    (tmp_path / "out").mkdir()
    for target in (tmp_path / "theirs" / "job.json", tmp_path / "victim"):
        (tmp_path / "out" / "job.json").symlink_to(target)
        with pytest.raises(InputError, match=r"out/job\.json is a link: a job's folder holds no links"):
            JobFolder.open(tmp_path / "out")
        with pytest.raises(InputError, match=r"out/job\.json is a link"):
            JobFolder.create(tmp_path / "out", job(5))
        (tmp_path / "out" / "job.json").unlink()
    assert not (tmp_path / "victim").exists()
    assert len(JobFolder.open(tmp_path / "theirs").job.shards) == 3


def test_a_link_in_the_place_of_a_shard_is_refused_and_not_written_through(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path / "out", job())
    (tmp_path / "victim").write_text("mine")
    folder.shard_path(1).symlink_to(tmp_path / "victim")
    for call in (folder.done, folder.open_shards, folder.damaged):
        with pytest.raises(InputError, match=r"part-00001\.parquet is no plain file: remove it"):
            call()
    assert folder.claim(1) is None
    write(folder, 1)
    assert (tmp_path / "victim").read_text() == "mine"
    assert folder.done() == {1}
    assert not folder.shard_path(1).is_symlink()


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    write(JobFolder.create(tmp_path / "out", job()), 0)
    assert JobFolder.open(tmp_path / "disk").done() == {0}


REJECTED = [
    Rejected("corpus/ä.jsonl", 3, "\ud800 id", 'blank "text"\n\x1b[31m'),
    Rejected("corpus/ä.jsonl", 9, None, "not valid JSON"),
    Rejected("corpus/b.csv", 1, "9", "too long"),
]


def test_rejected_rows_are_written_down_in_the_order_of_the_input(tmp_path: Path) -> None:
    import json

    folder = JobFolder.create(tmp_path, job(3, 6))
    write(folder, 2, 5, rejected=REJECTED[2:])
    write(folder, 0, 4, rejected=REJECTED[:2])
    assert write_rejected(folder) == 3
    lines = (tmp_path / "rejected.jsonl").read_bytes().splitlines()
    assert [json.loads(line) for line in lines] == [row._asdict() for row in REJECTED]
    assert all(32 <= byte < 127 for line in lines for byte in line)
    write(folder, 1, 6)
    assert write_rejected(folder) == 3
    folder.shard_path(0).unlink()
    assert write_rejected(folder) == 1
    assert len((tmp_path / "rejected.jsonl").read_bytes().splitlines()) == 1
    folder.shard_path(2).unlink()
    assert write_rejected(folder) == 0
    assert names_in(tmp_path) == ["job.json", "vectors", "vectors/part-00001.parquet"]


def test_a_link_for_the_rejected_rows_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path / "out", job(1, 5))
    (tmp_path / "victim").write_text("mine")
    (folder.path / "rejected.jsonl").symlink_to(tmp_path / "victim")
    write(folder, 0, 4, rejected=REJECTED[:1])
    assert write_rejected(folder) == 1
    assert (tmp_path / "victim").read_text() == "mine"
    assert not (folder.path / "rejected.jsonl").is_symlink()


def test_rejected_rows_of_a_damaged_shard_are_not_passed_over(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path, job(1, 5))
    write(folder, 0, 4, rejected=REJECTED[:1])
    folder.shard_path(0).write_bytes(b"")
    with pytest.raises(InputError, match=r"part-00000\.parquet cannot be read: it is cut short"):
        write_rejected(folder)
    with pytest.raises(DamagedPartError):
        folder.facts(0)
    assert names_in(tmp_path) == ["job.json", "vectors", "vectors/part-00000.parquet"]


def test_vectors_may_be_shorter_than_the_encoders(tmp_path: Path) -> None:
    from youtu_st.scale.settings import Task

    folder = JobFolder.create(tmp_path, job(1, task=Task(dimensions=3)))
    write(folder, 0)
    assert str(folder.schema.field("vector").type) == "fixed_size_list<element: float>[3]"
    with pytest.raises(InputError, match=re.escape("dimensions is 7, and the encoder has 6")):
        JobFolder.open(JobFolder.create(tmp_path / "b", job(1, task=Task(dimensions=7))).path)


def test_a_job_without_kept_columns(tmp_path: Path) -> None:
    import pyarrow as pa

    folder = JobFolder.create(tmp_path, job(1, schema=pa.schema([]), encoder=record(2)))
    vectors = np.eye(4, 2, dtype=np.float32)
    folder.write(0, ids=ids_of(0), vectors=vectors, kept=pa.table({}))
    folder.write(0, ids=ids_of(0), vectors=vectors)
    assert folder.schema.names == ["id", "vector"]
    assert folder.check(0, deep=True) is None
