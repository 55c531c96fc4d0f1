"""Workers that are real processes: they fill the folder, die, hang, refuse, and go when their driver goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from worker_jobs import FAR, HoldingServer, alive, assert_stored, begun, documents, texts, until, write

from youtu_st import Encoder
from youtu_st.errors import InputError, ModelLoadError, UnknownModelError
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.pools.child import Child
from youtu_st.scale.pools.events import UNABLE, Died, Event, Failed, Finished
from youtu_st.scale.pools.local import LocalPool
from youtu_st.scale.settings import Columns, Cutting, Making, Task

HELD = "held word"


@pytest.fixture(scope="module")
def encoder(tiny: Path) -> Encoder:
    return Encoder(tiny, truncation="ignore", unknown="ignore")


@pytest.fixture
def server(encoder: Encoder) -> Iterator[HoldingServer]:
    with HoldingServer(encoder, HELD) as one:
        yield one


def at(server: HoldingServer) -> Making:
    return Making(server=server.url)


def events_until(pool: LocalPool, enough: Callable[[list[Event]], object]) -> list[Event]:
    found: list[Event] = []
    end = time.monotonic() + FAR
    while not enough(found):
        assert time.monotonic() < end, found
        found += pool.wait(0.2)
    return found


def finished(events: list[Event]) -> list[int]:
    return sorted(event.shard for event in events if isinstance(event, Finished))


@pytest.mark.slow
def test_two_processes_fill_a_folder(tmp_path: Path, encoder: Encoder, server: HoldingServer) -> None:
    corpus = documents(1000)
    job = begun(tmp_path, corpus, encoder, shard_rows=90)
    left = [shard.number for shard in job.shards]
    found: list[Event] = []
    with LocalPool(tmp_path / "out", [at(server)] * 2) as pool:
        assert pool.open_places() == 4
        while len(found) < len(job.shards):
            while left and pool.open_places():
                pool.submit(left.pop(0))
            assert pool.open_places() >= 0
            found += pool.wait(1)
        pids = pool.pids()
        assert len(pids) == pool.workers() == 2
    assert finished(found) == [shard.number for shard in job.shards]
    assert_stored(tmp_path / "out", corpus, encoder.encode_document(texts(corpus)))
    assert not any(map(alive, pids))


@pytest.mark.slow
def test_a_model_is_loaded_in_the_worker(tmp_path: Path, tiny: Path, encoder: Encoder) -> None:
    corpus = documents(300)
    write(tmp_path / "corpus.jsonl", corpus)
    making = Making(str(tiny), truncation="ignore")
    asked = {
        "folder": str(tmp_path / "out"),
        "paths": [str(tmp_path / "corpus.jsonl")],
        "making": asdict(making),
        "task": asdict(Task()),
        "columns": asdict(Columns(id="id", keep=("rank",))),
        "cutting": asdict(Cutting(rows=100)),
        "bad_rows": "error",
        "extend": False,
    }
    told = []
    with LocalPool(tmp_path / "out", [making]) as pool:
        answer = pool.ask("prepare", asked, told.append)
        assert answer == {"shards": 3, "rows": 300}
        (pid,) = pool.pids()
        for number in range(3):
            pool.submit(number) if pool.open_places() else None
        found = events_until(pool, lambda found: len(found) == 2)
        assert pool.pids() == [pid]  # the process that has the encoder
        pool.submit(2)
        found += events_until(pool, bool)
    assert finished(found) == [0, 1, 2]
    assert_stored(tmp_path / "out", corpus, encoder.encode_document(texts(corpus)))
    with LocalPool(tmp_path / "out", [making]) as pool:
        with pytest.raises(InputError, match=r"(?s)holds another job.*shard rows +100 +50"):
            pool.ask("prepare", {**asked, "cutting": asdict(Cutting(rows=50))})
        verified = pool.ask("verify", {**asked, "rows": 50, "seed": 1})
        assert verified["rows"] == 50
        assert verified["lowest_cosine"] > 1 - 1e-5
        with pytest.raises(UnknownModelError, match="no-such-model"):
            pool.ask("prepare", {**asked, "making": asdict(Making("no-such-model"))})


@pytest.mark.slow
def test_a_killed_worker_is_named_with_its_shard_and_another_takes_over(
    tmp_path: Path, encoder: Encoder, server: HoldingServer
) -> None:
    corpus = documents(300)
    corpus[150]["text"] = HELD
    begun(tmp_path, corpus, encoder, shard_rows=100)
    with LocalPool(tmp_path / "out", [at(server)]) as pool:
        for number in (1, 0):
            pool.submit(number)
        until(server.holds.is_set)
        (pid,) = pool.pids()
        os.kill(pid, signal.SIGKILL)
        (died,) = events_until(pool, bool)
        assert isinstance(died, Died)
        assert died.shard == 1
        assert died.reason == "was killed (signal 9)"
        assert set(died.waiting) <= {0}
        server.go.set()
        for number in (1, *died.waiting):
            pool.submit(number)
        found = events_until(pool, lambda found: len(found) == 2)
        assert finished(found) == [0, 1]
        assert pool.pids() != [pid]
        pool.submit(2)
        assert finished(events_until(pool, bool)) == [2]
    assert_stored(tmp_path / "out", corpus, encoder.encode_document(texts(corpus)))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["server", "stopped"])
def test_a_worker_that_hangs_is_ended(
    tmp_path: Path, encoder: Encoder, server: HoldingServer, how: str
) -> None:
    corpus = documents(200)
    corpus[20]["text"] = HELD
    begun(tmp_path, corpus, encoder, shard_rows=100)
    with LocalPool(tmp_path / "out", [at(server)], shard_timeout=3.0) as pool:
        pool.submit(0)
        until(server.holds.is_set)
        (pid,) = pool.pids()
        if how == "stopped":
            os.kill(pid, signal.SIGSTOP)
        (died,) = events_until(pool, bool)
        assert died == Died(0, (), "took longer than 3 s")
        until(lambda: not alive(pid))
        server.go.set()
        for number in (0, 1):
            pool.submit(number)
        assert finished(events_until(pool, lambda found: len(found) == 2)) == [0, 1]
    assert_stored(tmp_path / "out", corpus, encoder.encode_document(texts(corpus)))


def test_a_shard_that_was_blamed_goes_alone(tmp_path: Path, encoder: Encoder, server: HoldingServer) -> None:
    """Whoever dies next dies of it: the one before is finished, and the one behind not begun."""
    corpus = documents(30)
    corpus[5]["text"] = HELD
    begun(tmp_path, corpus, encoder, shard_rows=10)
    with LocalPool(tmp_path / "out", [at(server)]) as pool:
        pool.submit(0)
        until(server.holds.is_set)
        os.kill(pool.pids()[0], signal.SIGKILL)
        events_until(pool, bool)
        server.holds.clear()
        for number in (1, 0):
            pool.submit(number)
        assert finished(events_until(pool, bool)) == [1]
        until(server.holds.is_set)
        pool.submit(2)
        os.kill(pool.pids()[0], signal.SIGKILL)
        (died,) = events_until(pool, bool)
        assert died == Died(0, (), "was killed (signal 9)")
        assert finished(events_until(pool, bool)) == [2]


@pytest.mark.slow
def test_a_worker_with_other_weights_is_unable(
    tmp_path: Path, checkpoint: Callable[..., Path], tiny: Path
) -> None:
    from checkpoints import save_spec

    spec = save_spec(tmp_path / "other.yaml")
    begun(tmp_path, documents(10), Encoder(tiny, unknown="ignore"))
    other = Making(str(spec), checkpoint=str(checkpoint("qwen2", "bpe-bos")))
    with LocalPool(tmp_path / "out", [other]) as pool:
        pool.submit(0)
        (failed,) = events_until(pool, bool)
        until(lambda: not pool.pids())
        assert pool.open_places() == pool.workers() == 0
    assert isinstance(failed, Failed)
    assert (failed.shard, failed.kind) == (None, UNABLE)
    assert "weights: job has" in failed.message
    assert "\n" not in failed.message


@pytest.mark.slow
def test_a_worker_whose_server_is_not_there_is_unable(tmp_path: Path, tiny: Path) -> None:
    begun(tmp_path, documents(10), Encoder(tiny, unknown="ignore"))
    with LocalPool(tmp_path / "out", [Making(server="http://127.0.0.1:9/v1")]) as pool:
        pool.submit(0)
        (failed,) = events_until(pool, bool)
    assert isinstance(failed, Failed)
    assert (failed.shard, failed.kind) == (None, UNABLE)
    assert "127.0.0.1:9 cannot be reached" in failed.message


DRIVER = """
import sys, time
from pathlib import Path
from youtu_st.scale.pools.local import LocalPool
from youtu_st.scale.settings import Making
pool = LocalPool(Path(sys.argv[1]), [Making(server=sys.argv[2])] * 2)
pool.submit(0)
print(*pool.pids(), flush=True)
while True:
    pool.wait(1.0)
"""


def test_workers_go_at_once_when_their_driver_is_killed(
    tmp_path: Path, encoder: Encoder, server: HoldingServer
) -> None:
    corpus = documents(10)
    corpus[3]["text"] = HELD
    begun(tmp_path, corpus, encoder)
    arguments = [sys.executable, "-c", DRIVER, str(tmp_path / "out"), server.url]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        pids = [int(pid) for pid in driver.stdout.readline().split()]
        until(server.holds.is_set)  # one is in the middle of a request, which is not answered
        assert all(map(alive, pids))
        driver.kill()
    until(lambda: not any(map(alive, pids)))
    assert not server.go.is_set()
    # Locks go with a process's last thread, a moment after it is called dead.
    until(lambda: JobFolder.open(tmp_path / "out").claimed() == set())
    JobFolder.open(tmp_path / "out").sweep()
    assert list((tmp_path / "out" / "vectors").iterdir()) == []


def test_ctrl_c_is_the_drivers_and_closing_ends_what_was_begun(
    tmp_path: Path, encoder: Encoder, server: HoldingServer
) -> None:
    corpus = documents(30)
    corpus[3]["text"] = HELD
    begun(tmp_path, corpus, encoder, shard_rows=10)
    pool = LocalPool(tmp_path / "out", [at(server)])
    for number in range(2):
        pool.submit(number)
    until(server.holds.is_set)
    (pid,) = pool.pids()
    os.kill(pid, signal.SIGINT)
    time.sleep(0.3)
    assert alive(pid)
    server.go.set()
    pool.close()
    assert not alive(pid)
    assert 0 in JobFolder.open(tmp_path / "out").done()
    assert finished(pool.wait(0))[:1] == [0]


def test_closing_now_leaves_what_was_begun(tmp_path: Path, encoder: Encoder, server: HoldingServer) -> None:
    corpus = documents(10)
    corpus[3]["text"] = HELD
    begun(tmp_path, corpus, encoder)
    pool = LocalPool(tmp_path / "out", [at(server)])
    pool.submit(0)
    until(server.holds.is_set)
    (pid,) = pool.pids()
    pool.close(now=True)
    assert not alive(pid)
    assert JobFolder.open(tmp_path / "out").done() == set()


def test_what_a_process_writes_to_standard_error_is_kept_and_fit_to_be_shown() -> None:
    heard: list[object] = []
    child = Child(heard.append, {"PYTHONHASHSEED": "no number"})
    assert child.wait(FAR)
    assert heard == [None]
    reason = child.how_it_ended()
    assert reason.startswith("ended with exit code 1: ")
    assert "PYTHONHASHSEED must be" in reason
    assert reason.isprintable()


def test_a_worker_that_dies_before_it_has_begun_is_nobodys_fault(
    tmp_path: Path, encoder: Encoder, server: HoldingServer
) -> None:
    begun(tmp_path, documents(10), encoder)
    with LocalPool(tmp_path / "out", [at(server)]) as pool:
        assert pool.open_places() == 2
        os.kill(pool.pids()[0], signal.SIGTERM)
        (died,) = events_until(pool, bool)
        assert died == Died(None, (), "was killed (signal 15)")
        pool.submit(0)
        assert finished(events_until(pool, bool)) == [0]


def test_asking_a_process_that_dies(tmp_path: Path) -> None:
    with LocalPool(tmp_path / "out", [Making("minilm")]) as pool:
        pool._environment["PYTHONHASHSEED"] = "no number"
        with pytest.raises(
            ModelLoadError, match=r"the process that was to prepare .* PYTHONHASHSEED must be"
        ):
            pool.ask("prepare", {})


def test_threads_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from youtu_st.scale.pools.local import _threads

    monkeypatch.delenv("RAYON_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "12")
    assert _threads(5) == {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE", "RAYON_NUM_THREADS": "2"}
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    assert _threads(1)["OMP_NUM_THREADS"] == "3"
    monkeypatch.setenv("RAYON_NUM_THREADS", "7")
    assert _threads(4) == {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
