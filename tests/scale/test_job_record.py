"""``job.json``: what is written is read, the first writer wins, and what was changed is refused."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from job_folders import SCHEMA, job, record, said, started
from xxhash import xxh3_64_hexdigest

from youtu_st.errors import InputError
from youtu_st.scale.input.types import InputFile, Shard
from youtu_st.scale.job import record as records
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.job.record import Job
from youtu_st.scale.settings import Columns, Cutting, Making, Task

FIELDS = ("making", "task", "columns", "cutting", "paths", "files", "shards", "created", "youtu_st")


def sealed(text: str) -> bytes:
    """A text with the checksum that belongs to it, as somebody hostile would write it."""
    body = re.sub(r'"checksum":"[0-9a-f]{16}"\}\n$', "", text).encode()
    return body + f'"checksum":"{xxh3_64_hexdigest(body)}"}}\n'.encode()


def test_all_of_a_job_is_read_as_it_was_written(tmp_path: Path) -> None:
    making = Making(
        "m", "weights", None, "openvino", "int8", "float32", "cuda:0", 4096, 77, "ignore", True, True
    )
    schema = SCHEMA.append(pa.field("raw", pa.string(), metadata={"youtu-st": "json"}))
    wanted = job(
        making=making,
        task=Task("query", "Gib 中 \n \x1b[31m", 4, "float16"),
        columns=Columns("t", None, ("year", "tags", "raw"), True, "gb18030"),
        cutting=Cutting(5, 6),
        paths=("a", "b/ü.csv"),
        schema=schema,
    )
    wanted.create(tmp_path)
    found = Job.read(tmp_path)

    for name in FIELDS[1:]:
        assert getattr(found, name) == getattr(wanted, name), name
    # Neither a device nor a batch of another machine, and nobody's trust.
    assert found.making == Making(
        "m", "weights", None, "openvino", "int8", "float32", None, None, 77, "ignore", True
    )
    assert found.schema.equals(schema, check_metadata=True)
    assert found.encoder.identity == wanted.encoder.identity
    np.testing.assert_array_equal(found.encoder.query_probes, wanted.encoder.query_probes)
    assert (found.dimension, found.rows, found.key) == (4, 12, wanted.key)
    assert found.text() == (tmp_path / "job.json").read_bytes() == wanted.text()


def test_people_can_read_it_line_by_line(tmp_path: Path) -> None:
    job().create(tmp_path)
    text = (tmp_path / "job.json").read_text()
    values = json.loads(text)
    assert values["format"] == "youtu-st-job"
    assert values["shards"] == [[0, 0, 0, 4, 40, 10, 0], [1, 0, 4, 4, 40, 11, 40], [2, 0, 8, 4, 40, 12, 80]]
    assert "[1,0,4,4,40,11,40],\n" in text
    assert values["checksum"] == xxh3_64_hexdigest(text[: text.rindex('"checksum"')].encode())


def test_the_key_is_of_what_the_vectors_and_columns_are() -> None:
    same = [job(), job(5), job(making=Making("elsewhere")), job(cutting=Cutting(9, 9)), job(paths=("b",))]
    assert len({one.key for one in same}) == 1
    others = [
        job(encoder=record(fingerprint="f" * 16)),
        job(task=Task("query")),
        job(task=Task(instruction="")),
        job(task=Task(dtype="float16")),
        job(task=Task(dimensions=3)),
        job(columns=Columns(keep_text=True)),
        job(schema=pa.schema([("year", pa.int32()), ("tags", pa.list_(pa.string()))])),
    ]
    assert len({one.key for one in [job(), *others]}) == len(others) + 1


def test_the_second_who_creates_reads_the_first(tmp_path: Path) -> None:
    first, second = job(3), job(4)
    assert len(first.create(tmp_path).shards) == 3
    assert len(second.create(tmp_path).shards) == 3
    assert JobFolder.create(tmp_path, second).job.text() == first.text()
    assert sorted(os.listdir(tmp_path)) == ["job.json", "vectors"]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_of_processes_that_create_at_once_all_read_one_job(tmp_path: Path, links: bool) -> None:
    code = f"""
import errno, os
from job_folders import job
from youtu_st.scale.job.folder import JobFolder
if not {links}:
    def no_link(*_): raise OSError(errno.EOPNOTSUPP, "no links here")
    os.link = no_link
mine = job(int(sys.argv[2]), paths=(sys.argv[2],))
print("ready", flush=True)
sys.stdin.readline()
print(len(JobFolder.create(sys.argv[1], mine).job.shards), flush=True)
"""
    processes = [started(code, tmp_path / "out", 3 + i) for i in range(4)]
    for process in processes:
        assert said(process) == "ready"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    found = {said(process) for process in processes}
    assert {process.wait(30) for process in processes} == {0}
    if links:
        assert found == {str(len(Job.read(tmp_path / "out").shards))}
    assert sorted(os.listdir(tmp_path / "out")) == ["job.json", "vectors"]


def test_an_extended_job_has_the_old_shards_and_the_new(tmp_path: Path) -> None:
    before = job(2)
    before.create(tmp_path)
    new = (InputFile("corpus/b.csv", "/data/corpus/b.csv", "csv", 9, "cd" * 16, 7, "gbk"),)
    after = before.extended(new, [Shard(2, 0, 0, 7, 70, 30, 0)])
    before.replace(tmp_path, after)

    found = Job.read(tmp_path)
    assert found.files == (*before.files, *new)
    assert found.shards == (*before.shards, Shard(2, 1, 0, 7, 70, 30, 0))
    assert (found.created, found.key, found.rows) == (before.created, before.key, 15)
    assert os.listdir(tmp_path) == ["job.json"]

    with pytest.raises(InputError, match="another process has extended the job in .* meanwhile: start again"):
        before.replace(tmp_path, before.extended(new, [Shard(2, 0, 0, 6, 70, 30, 0)]))
    assert Job.read(tmp_path).shards == found.shards


@pytest.mark.parametrize("at", [0, 30, 200, -40, -3], ids=str)
def test_a_changed_byte_anywhere_is_found(tmp_path: Path, at: int) -> None:
    job().create(tmp_path)
    text = bytearray((tmp_path / "job.json").read_bytes())
    text[at] ^= 1
    (tmp_path / "job.json").write_bytes(text)
    with pytest.raises(
        InputError, match=r"job\.json is damaged: it .*; where it cannot be restored, start in a new"
    ):
        Job.read(tmp_path)


@pytest.mark.parametrize("length", [0, 1, 100, -1, -40], ids=str)
def test_a_job_that_is_cut_short_is_refused(tmp_path: Path, length: int) -> None:
    job().create(tmp_path)
    text = (tmp_path / "job.json").read_bytes()
    (tmp_path / "job.json").write_bytes(text[:length])
    with pytest.raises(InputError, match=r"job\.json is damaged"):
        Job.read(tmp_path)


def test_a_later_format_asks_for_an_upgrade(tmp_path: Path) -> None:
    later = b'{"format": "youtu-st-job", "version": 2, "what": "nobody knows yet"}'
    (tmp_path / "job.json").write_bytes(later)
    with pytest.raises(
        InputError, match="it has format version 2; this release reads up to 1: upgrade youtu-st"
    ):
        Job.read(tmp_path)


HOSTILE = {
    "no JSON": lambda text: "\x1b[2Jboo",
    "another file": lambda text: '{"format": "youtu-st-index", "version": 2}\n',
    "a list": lambda text: "[1]\n",
    "nested": lambda text: text.replace('"paths":["corpus"]', f'"paths":{"[" * 100_000}'),
    "two versions": lambda text: text.replace('"paths"', '"version":7,"paths"'),
    "no encoder": lambda text: text.replace('"encoder"', '"decoder"'),
    "something more": lambda text: text.replace('"paths"', '"run":"me","paths"'),
    "trust": lambda text: text.replace(
        '"model":"some-model","checkpoint"', '"trust_remote_code":true,"checkpoint"'
    ),
    "a model that is a list": lambda text: text.replace(
        '"model":"some-model","check', '"model":["a"],"check'
    ),
    "a role of one's own": lambda text: text.replace('"role":"document"', '"role":"encode_query"'),
    "a dtype of one's own": lambda text: text.replace('"dtype":"float32"},\n"col', '"dtype":"int8"},\n"col'),
    "an endless vector": lambda text: text.replace('"dimensions":null', '"dimensions":9999999999'),
    "a length below zero": lambda text: text.replace('"max_length":null', '"max_length":-1'),
    "a path with NUL": lambda text: text.replace("/data/corpus/a.jsonl", "/data/\\u0000"),
    "half a character": lambda text: text.replace("/data/corpus/a.jsonl", "/data/\\ud800"),
    "a size of 10^400": lambda text: text.replace('"size":123', f'"size":1{"0" * 400}'),
    "a size of 10^5000": lambda text: text.replace('"size":123', f'"size":1{"0" * 5000}'),
    "a size that is true": lambda text: text.replace('"size":123', '"size":true'),
    "a file in a list": lambda text: text.replace('{"name":"corpus/a.jsonl"', '[{"name":"corpus/a.jsonl"'),
    "keep is a str": lambda text: text.replace('"keep":["year","tags"]', '"keep":"year"'),
    "paths is a dict": lambda text: text.replace('"paths":["corpus"]', '"paths":{"a":1}'),
    "a shard twice": lambda text: text.replace("[2,0,8", "[1,0,8"),
    "a shard of a file that is not there": lambda text: text.replace("[2,0,8", "[2,1,8"),
    "a shard from before the file": lambda text: text.replace("[2,0,8", "[2,0,-8"),
    "a shard without rows": lambda text: text.replace("[2,0,8,4", "[2,0,8,0"),
    "a shard of floats": lambda text: text.replace("[2,0,8,4", "[2,0,8.5,4"),
    "a shard of text": lambda text: text.replace("[2,0,8,4", '[2,0,"8",4'),
    "a shard beyond 64 bits": lambda text: text.replace("[2,0,8,4", f"[2,0,{1 << 63},4"),
    "a short shard": lambda text: text.replace(",12,80]", ",12]"),
    "a shard of shards": lambda text: text.replace("[2,0,8,4", "[2,[0],8,4"),
    "shards are a number": lambda text: re.sub(r'"shards":\[.*?\n\],\n', '"shards":7,\n', text, flags=re.S),
    "no schema": lambda text: re.sub('"schema":"[^"]*"', '"schema":"AAAA"', text),
    "a schema that is none": lambda text: re.sub('"schema":"[^"]*"', '"schema":"/////xAAAAAA"', text),
    "a schema that is a number": lambda text: re.sub('"schema":"[^"]*"', '"schema":5', text),
    "probes of another length": lambda text: text.replace('"dimension":6', '"dimension":7'),
    "identity is a list": lambda text: re.sub('"identity":{[^}]*}', '"identity":[]', text),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_job_by_somebody_hostile_is_one_clear_error(tmp_path: Path, what: str) -> None:
    before = job().text().decode()
    text = HOSTILE[what](before)
    assert text != before
    (tmp_path / "job.json").write_bytes(sealed(text))
    with pytest.raises(InputError) as caught:
        JobFolder.open(tmp_path)
    told = str(caught.value)
    assert told.startswith(f"{tmp_path}/job.json is damaged: ")
    assert told.isprintable()
    assert len(told) < 600


def test_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MOST_BYTES", 5000)
    (tmp_path / "job.json").write_bytes(b"{" * 5001)
    with pytest.raises(InputError, match=r"job\.json cannot be read: .*more than 5,000 bytes"):
        Job.read(tmp_path)
    with open(tmp_path / "job.json", "wb") as file:
        file.truncate(1 << 40)  # no disk has it
    with pytest.raises(InputError, match="more than 5,000 bytes"):
        Job.read(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "job.json")
    with pytest.raises(InputError, match=r"job\.json cannot be read: .*it is a pipe"):
        Job.read(tmp_path)


def test_what_is_not_unicode_is_refused_before_it_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"what a job is told must be valid Unicode, and 'a.*udcffb' is not"):
        job(paths=("a\udcffb",)).create(tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_a_quarter_of_a_million_shards_are_read_whole(tmp_path: Path) -> None:
    many = job(250_000)
    many.create(tmp_path)
    found = JobFolder.open(tmp_path)
    assert found.job.shards == many.shards
    assert [shard.number for shard in found.open_shards()[:2]] == [249_999, 249_998]
    assert type(found.job.shards[7].rows) is int
