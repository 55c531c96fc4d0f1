"""The beginning of a job, and its continuation: what is planned, what is compared, what is refused."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest
from index.tiny import TinyEncoder
from worker_jobs import assert_stored, documents, texts, write

from youtu_st import Encoder
from youtu_st.errors import InputError
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.job.record import Job
from youtu_st.scale.pools.events import FULL, Failed, Finished
from youtu_st.scale.settings import Columns, Cutting, Making, Task
from youtu_st.scale.work.preparing import Telling, prepare
from youtu_st.scale.work.worker import Worker

ROWS = documents(60)


def prepared(folder: Path, encoder: Any = None, /, **further: Any) -> Job:
    asked: dict[str, Any] = {
        "making": Making("tiny"),
        "task": Task(),
        "columns": Columns(id="id"),
        "cutting": Cutting(rows=10),
    }
    asked |= further
    made = encoder or asked.pop("encoder", None) or TinyEncoder()
    return prepare(folder / "out", [str(folder / "in")], encoder=lambda: made, **asked)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / "a.jsonl", ROWS[:25])
    write(tmp_path / "in" / "b.jsonl", ROWS[25:40])
    return tmp_path


def work(folder: Path, shards: Any) -> list[Finished | Failed]:
    worker = Worker(folder / "out", Making(), encoder=TinyEncoder())
    found = list(worker.run(iter(shards)))
    worker.close()
    return found


def test_a_job_is_planned_once(corpus: Path) -> None:
    told: list[tuple[int, str]] = []
    first = prepared(corpus, report=lambda rows, file: told.append((rows, file)))
    assert [(shard.file, shard.first, shard.rows) for shard in first.shards] == [
        (0, 0, 10),
        (0, 10, 10),
        (0, 20, 5),
        (1, 0, 10),
        (1, 10, 5),
    ]
    assert Job.read(corpus / "out").text() == first.text()
    assert prepared(corpus).text() == first.text()
    assert prepared(corpus, making=Making("another path to it")).text() == first.text()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"cutting": Cutting(rows=11)}, "shard rows +10 +11"),
        ({"task": Task("query")}, "role +document +query"),
        ({"task": Task(dtype="float16")}, "dtype +float32 +float16"),
        ({"columns": Columns(id="id", keep=("rank",))}, "kept columns +none +rank"),
        ({"encoder": TinyEncoder(name="other")}, "weights +tiny +other"),
        ({"encoder": TinyEncoder(32)}, "dimension +16 +32"),
    ],
)
def test_another_job_is_refused_with_a_table(corpus: Path, asked: dict[str, Any], told: str) -> None:
    before = prepared(corpus).text()
    with pytest.raises(InputError, match=f"(?s)holds another job.*{told}.*new folder"):
        prepared(corpus, **asked)
    assert Job.read(corpus / "out").text() == before


def test_an_instruction_is_for_queries(corpus: Path) -> None:
    with pytest.raises(InputError, match="an instruction goes with role='query'"):
        prepared(corpus, task=Task("document", "find it"))
    assert not (corpus / "out").exists()


def test_what_the_encoder_does_not_take_is_said_before_anything_is_planned(corpus: Path, tiny: Path) -> None:
    with pytest.raises(InputError, match="dimensions must be one of 8, 16, 32"):
        prepared(corpus, Encoder(tiny), task=Task(dimensions=7))
    assert not (corpus / "out").exists()


@pytest.mark.parametrize("done", [0, 2, 5])
def test_new_files_are_planned_behind_the_others(corpus: Path, done: int) -> None:
    first = prepared(corpus)
    work(corpus, range(done))
    write(corpus / "in" / "0.jsonl", ROWS[40:])
    with pytest.raises(
        InputError, match=r"begun with another input: .*0.jsonl changed, vanished or came anew"
    ):
        prepared(corpus)
    job = prepared(corpus, extend=True)
    assert job.shards[:5] == first.shards
    assert [(shard.number, shard.file, shard.first, shard.rows) for shard in job.shards[5:]] == [
        (5, 2, 0, 10),
        (6, 2, 10, 10),
    ]
    assert prepared(corpus, extend=True).text() == job.text()
    found = work(corpus, range(7))
    assert sum(event.encoded for event in found if isinstance(event, Finished)) == 7 - done
    assert_stored(corpus / "out", ROWS, TinyEncoder().encode_document(texts(ROWS)))


@pytest.mark.parametrize("done", [0, 5])
def test_a_new_row_with_an_old_id_is_refused(corpus: Path, done: int) -> None:
    before = prepared(corpus).text()
    work(corpus, range(done))
    write(corpus / "in" / "c.jsonl", [ROWS[50], {"id": "d30", "text": "another d30"}])
    with pytest.raises(InputError, match=r"one id: .*b\.jsonl, one of rows 1 to 10, and .*c\.jsonl, row 2$"):
        prepared(corpus, extend=True)
    assert Job.read(corpus / "out").text() == before


def test_a_changed_file_is_named(corpus: Path) -> None:
    prepared(corpus)
    write(corpus / "in" / "b.jsonl", ROWS[25:41])
    for extend in (False, True):
        with pytest.raises(InputError, match=r"another input: .*b.jsonl changed"):
            prepared(corpus, extend=extend)


def test_a_folder_with_something_else_is_left_alone(corpus: Path) -> None:
    (corpus / "out").mkdir()
    (corpus / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds thesis.txt, and no job"):
        prepared(corpus)


def test_what_is_met_on_the_way_is_told(corpus: Path) -> None:
    (corpus / "in" / "picture\x1b.png").write_bytes(b"")
    told: list[str] = []
    prepared(corpus, notes=Telling(told.append))
    assert len(told) == 1
    assert r"picture\x1b.png" in told[0]


def test_a_disk_that_is_full_and_then_is_not(corpus: Path) -> None:
    prepared(corpus)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        found = work(corpus, [0, 1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [(event.shard, getattr(event, "kind", "")) for event in found] == [(0, FULL), (1, FULL)]
    assert list((corpus / "out" / "vectors").iterdir()) == []
    assert all(isinstance(event, Finished) for event in work(corpus, range(5)))
    assert JobFolder.open(corpus / "out").done() == set(range(5))
    assert_stored(corpus / "out", ROWS[:40], TinyEncoder().encode_document(texts(ROWS[:40])))


def test_a_shard_that_the_job_does_not_have(corpus: Path) -> None:
    prepared(corpus)
    found = work(corpus, [0, 17, 1])
    assert {event.shard: isinstance(event, Finished) for event in found} == {0: True, 17: False, 1: True}
