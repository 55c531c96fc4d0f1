"""A worker in this process: every vector is the encoder's own, whatever shards and blocks begin and end where."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from index.tiny import TinyEncoder
from worker_jobs import assert_stored, begun, documents, numbers, stored, texts, write

from youtu_st import Encoder
from youtu_st.errors import ModelLoadError
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.pools.events import Failed, Finished
from youtu_st.scale.settings import Columns, Cutting, Making, Task
from youtu_st.scale.work.preparing import prepare
from youtu_st.scale.work.worker import Worker


@pytest.fixture(scope="module")
def encoder(tiny: Path) -> Encoder:
    return Encoder(tiny, truncation="ignore", unknown="ignore", max_length=48)


def work(folder: Path, encoder: Any, shards: Iterator[int | None], **further: Any) -> list[Finished | Failed]:
    worker = Worker(folder, Making(), encoder=encoder, **further)
    found = list(worker.run(shards))
    worker.close()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 7, 100, 1024, 2500])
def test_every_vector_is_the_encoders_own(tmp_path: Path, encoder: Encoder, rows: int) -> None:
    corpus = documents(2600)
    job = begun(tmp_path, corpus if rows > 20 else corpus[:150], encoder, shard_rows=rows)
    before = encoder.totals
    found = work(tmp_path / "out", encoder, numbers(job))
    corpus = corpus if rows > 20 else corpus[:150]
    assert [event.shard for event in found] == list(range(len(job.shards)))
    assert_stored(tmp_path / "out", corpus, encoder.encode_document(texts(corpus)))
    finished = [event for event in found if isinstance(event, Finished)]
    assert [event.rows for event in finished] == [shard.rows for shard in job.shards]
    assert all(event.encoded and event.rejected == 0 for event in finished)
    facts = [JobFolder.open(tmp_path / "out").facts(shard.number) for shard in job.shards]
    assert [(one.rows, one.tokens, one.cut) for one in facts] == [(e.rows, e.tokens, e.cut) for e in finished]
    assert sum(one.tokens for one in facts) > 0
    assert before.texts < encoder.totals.texts


@pytest.mark.slow
@pytest.mark.parametrize("rows", [7, 100, 700])
def test_cut_texts_are_counted_in_their_own_shard(tmp_path: Path, encoder: Encoder, rows: int) -> None:
    corpus = documents(1500)
    job = begun(tmp_path, corpus, encoder, shard_rows=rows)
    found = work(tmp_path / "out", encoder, numbers(job))
    lengths = [len(encoder.tokenizer(text)["input_ids"]) for text in texts(corpus)]
    over = [length > encoder.max_length for length in lengths]
    assert 100 < sum(over) < 1400
    assert [event.cut for event in found] == [sum(over[i : i + rows]) for i in range(0, len(corpus), rows)]


def test_queries_with_an_instruction_in_fewer_dimensions(tmp_path: Path, encoder: Encoder) -> None:
    corpus = documents(230)
    task = Task("query", "Classify the topic", 8)
    job = begun(tmp_path, corpus, encoder, task=task)
    work(tmp_path / "out", encoder, numbers(job))
    expected = encoder.encode_query(texts(corpus), instruction="Classify the topic", dimensions=8)
    assert_stored(tmp_path / "out", corpus, expected)


def test_kept_columns_stand_beside_their_vectors(tmp_path: Path, encoder: Encoder) -> None:
    corpus = documents(2100)
    job = begun(tmp_path, corpus, encoder, shard_rows=800, keep=("rank",))
    work(tmp_path / "out", encoder, numbers(job))
    for shard in job.shards:
        table = pq.read_table(JobFolder.open(tmp_path / "out").shard_path(shard.number))
        assert table["rank"].to_pylist() == list(range(shard.first, shard.first + shard.rows))
        assert table["id"].to_pylist() == [f"d{i}" for i in table["rank"].to_pylist()]


@pytest.mark.slow
def test_the_next_shard_is_asked_for_while_the_last_one_is_encoded(tmp_path: Path, encoder: Encoder) -> None:
    job = begun(tmp_path, documents(6000), encoder, shard_rows=3000)
    told: list[str] = []

    def shards() -> Iterator[int | None]:
        for shard in job.shards:
            told.append(f"asked {shard.number}")
            yield shard.number
        told.append("asked")

    worker = Worker(tmp_path / "out", Making(), encoder=encoder)
    for event in worker.run(shards(), lambda shard: told.append(f"began {shard}")):
        told.append(f"finished {event.shard}")
    worker.close()
    assert told.index("asked 1") < told.index("finished 0")
    assert [one for one in told if one.startswith("began")] == ["began 0", "began 1"]
    assert told[:2] == ["asked 0", "began 0"]
    assert told[-1] == "finished 1"


def test_none_finishes_what_is_under_way(tmp_path: Path, encoder: Encoder) -> None:
    job = begun(tmp_path, documents(300), encoder)
    folder, there = JobFolder.open(tmp_path / "out"), []

    def shards() -> Iterator[int | None]:
        for shard in job.shards:
            yield shard.number
            yield None
            there.append(folder.done())

    work(tmp_path / "out", encoder, shards())
    assert there == [{0}, {0, 1}, {0, 1, 2}]


def test_a_shard_that_is_there_is_told_and_not_encoded(tmp_path: Path, encoder: Encoder) -> None:
    job = begun(tmp_path, documents(300), encoder)
    work(tmp_path / "out", encoder, iter([1]))
    written = JobFolder.open(tmp_path / "out").shard_path(1).read_bytes()
    found = {event.shard: event for event in work(tmp_path / "out", encoder, numbers(job))}
    assert [found[n].encoded for n in range(3)] == [True, False, True]
    assert found[1].rows == 100
    assert JobFolder.open(tmp_path / "out").shard_path(1).read_bytes() == written


HOLDER = """
import sys
from youtu_st.scale.job.folder import JobFolder
claim = JobFolder.open(sys.argv[1]).claim(int(sys.argv[2]))
print("held" if claim else "not held", flush=True)
sys.stdin.read()
claim.release()
"""


@pytest.mark.parametrize("end", ["let go", "killed"])
def test_a_shard_that_another_process_has_is_waited_for(tmp_path: Path, encoder: Encoder, end: str) -> None:
    corpus = documents(300)
    job = begun(tmp_path, corpus, encoder)
    arguments = [sys.executable, "-c", HOLDER, str(tmp_path / "out"), "1"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        told = []
        worker = Worker(tmp_path / "out", Making(), encoder=encoder)
        for event in worker.run(numbers(job)):
            told.append(event.shard)
            if len(told) == 2:
                assert told == [0, 2]
                other.stdin.close() if end == "let go" else other.kill()
        worker.close()
    assert told == [0, 2, 1]
    assert_stored(tmp_path / "out", corpus, encoder.encode_document(texts(corpus)))


def test_a_shard_that_another_process_finishes_is_not_encoded_again(tmp_path: Path, encoder: Encoder) -> None:
    job = begun(tmp_path, documents(200), encoder)
    folder = JobFolder.open(tmp_path / "out")
    claim = folder.claim(0)
    assert claim is not None
    other = Worker(tmp_path / "out", Making(), encoder=encoder)
    found = []
    worker = Worker(tmp_path / "out", Making(), encoder=encoder)
    for event in worker.run(numbers(job)):
        found.append((event.shard, event.encoded))
        if event.shard == 1:
            claim.release()
            assert [done.encoded for done in other.run(iter([0]))] == [True]
    assert found == [(1, True), (0, False)]


def test_any_encoder_will_do(tmp_path: Path) -> None:
    tiny, corpus = TinyEncoder(), documents(5000)
    job = begun(tmp_path, corpus, tiny, shard_rows=900)
    found = work(tmp_path / "out", tiny, numbers(job))
    assert [event.shard for event in found] == list(range(6))
    assert_stored(tmp_path / "out", corpus, tiny.encode_document(texts(corpus)))


def test_an_encoder_with_other_weights_is_refused_with_what_differs(tmp_path: Path, encoder: Encoder) -> None:
    begun(tmp_path, documents(3), TinyEncoder())
    with pytest.raises(ModelLoadError, match=r"weights: job has tiny, encoder has .*dimension: job has 16"):
        Worker(tmp_path / "out", Making(), encoder=encoder)


def test_a_file_that_has_changed_fails_its_shards_and_no_others(tmp_path: Path, encoder: Encoder) -> None:
    rows = documents(400)
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / "a.jsonl", rows[:200])
    write(tmp_path / "in" / "b.jsonl", rows[200:])
    job = prepare(
        tmp_path / "out",
        [str(tmp_path / "in")],
        Making(),
        Task(),
        Columns(id="id"),
        Cutting(rows=100),
        encoder=lambda: encoder,
    )
    write(tmp_path / "in" / "a.jsonl", [*rows[:150], {"id": "x", "text": "another"}])
    found = {event.shard: event for event in work(tmp_path / "out", encoder, numbers(job))}
    for number in (0, 1):
        failed = found[number]
        assert isinstance(failed, Failed)
        assert failed.kind == "fault"
        assert "a.jsonl" in failed.message
        assert "has changed" in failed.message
    assert np.allclose(
        np.stack([stored(tmp_path / "out")[row["id"]] for row in rows[200:]]),
        encoder.encode_document(texts(rows[200:])),
        atol=1e-6,
    )
    assert len(stored(tmp_path / "out")) == 200
