"""The benchmark of large corpora: its inputs, its counting, its arithmetic, and one small run of its parts."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow")

import pyarrow as pa
import pyarrow.parquet as pq

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))  # behind tests/, which has names of its own

import promises  # noqa: E402
from scaling import inputs, memory, processes, report, restarts, results, shards  # noqa: E402
from scaling.contestants import LOOP, ON_RAY, OURS, RAY_BLOCKS, RAY_DATA, STREAM  # noqa: E402
from scaling.counted import WHERE, Count, counted_model, rows_in_tokens  # noqa: E402
from scaling.kills import HalfTime  # noqa: E402
from servers.texts import stock_directory  # noqa: E402


def test_files_hold_all_rows_once_and_about_as_many_each(tmp_path):
    folder = inputs.write(tmp_path / "in", inputs.short_texts(1003), 1003, files=4)
    sizes = [pq.ParquetFile(path).metadata.num_rows for path in sorted(folder.glob("*.parquet"))]
    assert (sum(sizes), max(sizes) - min(sizes)) == (1003, 1)
    table = pq.read_table(folder)
    assert table["id"].to_pylist() == [name for name, _ in inputs.short_texts(1003)]
    assert len(set(table["text"].to_pylist())) == 1003
    assert set(table["kind"].to_pylist()) == {"s"}


def test_equal_texts_have_as_many_tokens_as_they_say_and_short_ones_as_many_as_a_plan_takes_them_for():
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(stock_directory())
    texts = [text for _, text in inputs.equal_texts(20, 100)]
    assert {len(ids) for ids in tokenizer(texts)["input_ids"]} == {100}
    assert len(set(texts)) == 20
    estimated = {-(-len(text.encode()) // 4) for _, text in inputs.short_texts(4000)}
    assert max(estimated) == restarts.TOKENS_OF_A_ROW
    assert memory.MANY == 100 * memory.FEW


def write_rows(folder: Path, ids: list[str], vectors: np.ndarray) -> Path:
    folder.mkdir(parents=True)
    half = len(ids) // 2
    pq.write_table(results.vector_table(ids[:half], vectors[:half]), folder / "a.parquet")
    pq.write_table(results.vector_table(ids[half:], vectors[half:]), folder / "b.parquet")
    return folder


def test_what_a_contestant_has_written_is_compared_row_by_row(tmp_path):
    vectors = np.eye(4, dtype=np.float32)
    right = vectors[[1, 0, 3, 2]]  # in the order of the ids
    ids = ["b", "a", "d", "c"]
    good = write_rows(tmp_path / "good", ids, vectors)
    assert results.what_is_wrong(good, ["a", "b", "c", "d"], right) is None
    assert results.rows_of(good) == 4
    others = write_rows(tmp_path / "others", ids, vectors[::-1])
    assert "a cosine of 0.0000" in results.what_is_wrong(others, ["a", "b", "c", "d"], right)
    assert "1 ids are missing, and 1 were" in results.what_is_wrong(good, ["a", "b", "c", "e"], right)
    twice = write_rows(tmp_path / "twice", ["a", "a", "b", "c"], vectors)
    assert results.what_is_wrong(twice, ["a", "b", "c"], right) == "1 ids are there twice"


def test_lists_of_any_length_are_read_too(tmp_path):
    """As Ray Data writes tensors."""
    rows = pa.array([[1.0, 0.0], [0.0, 1.0]], pa.large_list(pa.float32()))
    pq.write_table(pa.table({"id": ["b", "a"], "vector": rows}), tmp_path / "x.parquet")
    ids, vectors = results.read(tmp_path)
    assert (ids, vectors.tolist()) == (["a", "b"], [[0.0, 1.0], [1.0, 0.0]])


def test_the_first_to_say_so_says_when(tmp_path):
    results.mark(tmp_path / "mark")
    first = results.marked(tmp_path / "mark")
    assert abs(first - time.time()) < 60
    results.mark(tmp_path / "mark")
    assert results.marked(tmp_path / "mark") == first


def test_a_process_is_waited_for_and_what_went_wrong_is_said(tmp_path):
    seen: list[int] = []

    def watch(process) -> bool:
        seen.append(process.pid)
        return True

    script = "import time; held = b'x' * 50_000_000; time.sleep(0.5); print('done', end='')"
    ran = processes.run([sys.executable, "-c", script], tmp_path / "log", watch=watch)
    assert (ran.said, len(seen)) == ("done", 1)
    assert 50e6 < ran.memory < 500e6
    assert ran.seconds > 0.5
    assert ran.cpu > 0
    with pytest.raises(processes.Failed, match="code 3: so it is"):
        processes.run([sys.executable, "-c", "print('so it is'); raise SystemExit(3)"], tmp_path / "log")
    assert processes.run([sys.executable, "-c", "exit(1)"], tmp_path / "log", expected=(0, 1)).said == ""


def test_the_network_itself_counts_rows_whoever_runs_it(tmp_path, monkeypatch):
    from sentence_transformers import SentenceTransformer

    from youtu_st import Encoder

    log, texts = tmp_path / "rows.jsonl", ["one", "two and more", "three " * 300]
    monkeypatch.setenv(WHERE, str(log))
    model = counted_model(tmp_path / "counted")
    rows = rows_in_tokens(model, texts)
    assert len(set(rows)) == 3
    assert Count.of(log).rows(set(rows)) == {}
    counted = Encoder(str(model), truncation="ignore", trust_remote_code=True)
    vectors = counted.encode_document([*texts, "of no interest"])
    np.testing.assert_allclose(
        vectors[:3], Encoder("minilm", truncation="ignore").encode_document(texts), atol=1e-6
    )
    assert Count.of(log).rows(set(rows)) == dict.fromkeys(rows, 1)
    SentenceTransformer(str(model), trust_remote_code=True).encode(texts[1:])
    assert Count.of(log).rows(set(rows)) == {rows[0]: 1, rows[1]: 2, rows[2]: 2}
    with log.open("a") as file:
        file.write('{"process": 1, "rows": ["')  # a line that is being written
    assert sum(Count.of(log).rows(set(rows)).values()) == 5
    assert {batch["process"] for batch in Count.of(log).batches} == {os.getpid()}


def test_whoever_encodes_is_killed_when_half_of_the_rows_are_through(tmp_path):
    log = tmp_path / "rows.jsonl"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as victim:

        def through(*rows: str) -> None:
            with log.open("a") as file:
                print(json.dumps({"process": victim.pid, "time": 0.0, "rows": rows}), file=file)

        class Driver:
            pid = os.getpid()

        half_time = HalfTime(log, set("abcd"))
        through("a", "x", "y", "a")
        assert not half_time(Driver())
        half_time._next = 0.0
        assert (half_time(Driver()), victim.poll(), half_time.killed) == (False, None, None)
        through("b")
        half_time._next = 0.0
        assert half_time(Driver())
        assert (victim.wait(60), half_time.killed) == (-signal.SIGKILL, victim.pid)


def test_figures_are_medians_and_targets_are_ratios_of_them():
    turns = {
        OURS: [{"per_second": s, "others": None, "torch": False} for s in (90.0, 100.0, 1.0)],
        STREAM: [{"per_second": s, "others": 0.1} for s in (95.0, 100.0, 105.0)],
        LOOP: [{"per_second": 80.0}],
    }
    rows = report.medians(turns)
    assert rows[OURS] == {"per_second": 90.0, "others": None}
    assert rows[STREAM] == {"per_second": 100.0, "others": 0.1}
    ray = {
        OURS: {"per_second": 100.0},
        ON_RAY: {"per_second": 90.0},
        RAY_DATA: {"per_second": 60.0},
        RAY_BLOCKS: {"per_second": 120.0},
    }
    kill = {OURS: {"twice": 300, "shard_rows": 400}, ON_RAY: {"twice": 500, "shard_rows": 400}}
    sizes = {"10,000 rows": {"driver_mb": 90.0}, "1,000,000 rows": {"driver_mb": 150.0}}
    cost = {shards.COST: {"seconds": 0.05}, shards.ENCODING: {"seconds": 20.0}}
    parts = {"embed": rows, "ray": ray, "kill": kill, "memory": sizes, "shard": cost}
    found = [(each["got"], each["reached"]) for each in report.targets(parts)]
    assert found == [
        (pytest.approx(0.9), False),
        (pytest.approx(1.125), False),
        (pytest.approx(0.9), True),
        (pytest.approx(0.75), False),  # of the faster of both
        (pytest.approx(0.75), True),
        (pytest.approx(1.25), False),
        (None, None),
        (pytest.approx(60.0), False),
        (pytest.approx(0.0025), True),
        (None, None),
    ]
    assert "90.0" in report.table("embed", rows)
    assert "missed" in promises.target_table(report.targets(parts))


def test_without_the_texts_it_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(inputs, "there", lambda: False)
    assert runpy.run_path(str(BENCHMARKS / "scale.py"))["main"]([]) == 0  # tests/ has a folder of its name
    assert "no scifact and squad" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.slow
def test_a_short_run_measures_its_parts(shared_data, tmp_path):
    out = tmp_path / "figures.json"
    wanted = ["embed", "kill", "restart", "memory", "shard", "copy", "index"]
    command = [
        sys.executable,
        str(BENCHMARKS / "scale.py"),
        "--turns",
        "1",
        "--rows",
        "120",
        "--scale",
        "0.002",
    ]
    pytest.importorskip("lancedb")
    pytest.importorskip("ray")
    done = subprocess.run([*command, "--json", str(out), "--part", *wanted], timeout=3000)
    result = json.loads(out.read_text("utf-8"))
    assert (done.returncode, result["failed"], result["skipped"]) == (0, {}, {})
    assert set(result["parts"]) == set(wanted)
    speed = result["parts"]["embed"]
    assert set(speed) == {OURS, STREAM, LOOP}
    assert all(own["per_second"] > own["with_start"] > 0 for own in speed.values())
    assert result["parts"]["kill"][OURS]["twice"] <= 120
    (again,) = result["parts"]["restart"].values()
    assert again["restart_s"] < again["first_s"] < again["with_start_s"]
    assert str(tmp_path.home()) not in out.read_text("utf-8")
