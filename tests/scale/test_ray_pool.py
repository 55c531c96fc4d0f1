"""embed on Ray: two real nodes, and what becomes of a job when processes, drivers, nodes and networks go."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from ray_nodes import FAR, Nodes, networks_are_allowed, two_nodes, until
from worker_jobs import Document, Matrix, assert_stored, documents, texts, write

from youtu_st import Encoder
from youtu_st.scale.job.folder import JobFolder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.long,
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed"),
]

COMMAND = "import sys; from youtu_st.cli import main; sys.exit(main())"
ACTOR = "ray::Actor"
DOCUMENTS = 8000
SHARDS = 32
KILLS = int(os.environ.get("YOUTU_ST_TEST_KILLS", "8"))


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Two nodes with one CPU each."""
    if not networks_are_allowed():
        pytest.skip("no networks of their own can be made here")
    with two_nodes() as made:
        yield made


@pytest.fixture(scope="module")
def corpus() -> list[Document]:
    return documents(DOCUMENTS)


@pytest.fixture(scope="module")
def want(tiny: Path, corpus: list[Document]) -> Matrix:
    encoder = Encoder(tiny, truncation="ignore", unknown="ignore", device="cpu")
    return encoder.encode_document(texts(corpus))


class Job:
    """One job, and the command that does it, on the head node.

    Args:
        folder: Of the corpus and the job.
        nodes: The cluster.
        tiny: The model.
        rows: The corpus.
    """

    def __init__(self, folder: Path, nodes: Nodes, tiny: Path, rows: list[Document]) -> None:
        self.folder, self.nodes = folder, nodes
        self.out = folder / "out"
        self.rows = rows
        corpus = write(folder / "corpus.jsonl", rows)
        tokens = sum(max(1, -(-len(row["text"].encode()) // 4)) for row in rows) // SHARDS
        self.line = ["embed", corpus, "--model", tiny, "--out", self.out, "--id", "id", "--engine", "ray"]
        self.line += ["--shard-tokens", tokens]
        self.drivers: list[subprocess.Popen[str]] = []

    def start(self, *more: object, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", COMMAND, *self.line, *more]
        pipe = subprocess.PIPE
        started: subprocess.Popen[str] = self.nodes.driver(
            *command, stdout=pipe, stderr=pipe, text=True, cwd=self.folder, env=environment
        )
        self.drivers.append(started)
        return started

    def end(self, started: subprocess.Popen[str], *, code: int = 0) -> str:
        """Its standard output; nothing but what it has to say is on standard error."""
        out, err = started.communicate(timeout=3 * FAR)
        assert started.returncode == code, out + err
        if code == 0:
            assert err == "", err
            assert len(out.splitlines()) == 1, out
        return out + err

    def done(self) -> int:
        return len(list((self.out / "vectors").glob("part-*.parquet"))) if self.out.exists() else 0

    def parts(self) -> list[Path]:
        return sorted((self.out / "vectors").glob("part-*.parquet"))

    def shards(self) -> int:
        """Of the plan; -1: there is none yet."""
        return len(JobFolder.open(self.out).job.shards) if (self.out / "job.json").exists() else -1

    def until_begun(self, shards: int) -> None:
        """Until there are actors, and so many shards; or it is done."""
        last = self.drivers[-1]
        until(lambda: last.poll() is not None or (self.done() >= shards and self.actors()), every=0.02)

    def until_done(self, shards: int) -> None:
        def there() -> bool:
            assert self.drivers[-1].poll() is None, self.drivers[-1].communicate()
            return self.done() >= shards

        until(there, every=0.02)

    def actors(self) -> list[psutil.Process]:
        return [*self.nodes.head.named(ACTOR), *self.nodes.other.named(ACTOR)]


@pytest.fixture
def job(tmp_path: Path, nodes: Nodes, tiny: Path, corpus: list[Document]) -> Iterator[Job]:
    one = Job(tmp_path, nodes, tiny, corpus)
    yield one
    for started in one.drivers:
        for process in nodes.head.processes():
            if process.pid == started.pid:
                process.kill()
        started.communicate()
    until(lambda: not one.actors())  # they end with their driver


def encoded(line: str) -> int:
    """Shards that a command says it has encoded."""
    found = re.search(r"([\d,]+) shards? encoded", line)
    assert found is not None, line
    return int(found[1].replace(",", ""))


def test_two_nodes_fill_a_folder_and_say_nothing_else(job: Job, want: Matrix) -> None:
    started = job.start()
    until(lambda: job.nodes.head.named(ACTOR) and job.nodes.other.named(ACTOR))
    line = job.end(started)
    assert encoded(line) == job.done() > SHARDS // 2
    assert_stored(job.out, job.rows, want)
    again = job.end(job.start())
    assert encoded(again) == 0


def test_a_killed_actor_costs_its_shards_alone(job: Job, want: Matrix) -> None:
    started = job.start()
    job.until_done(6)
    job.actors()[0].send_signal(signal.SIGKILL)
    line = job.end(started)
    assert_stored(job.out, job.rows, want)
    # It held two at most; two more it may have done without a chance to say so.
    assert job.done() - 4 <= encoded(line) <= job.done()


def test_a_killed_driver_takes_its_actors_with_it_and_the_same_line_goes_on(job: Job, want: Matrix) -> None:
    job.start()
    job.until_done(6)
    (driver,) = [one for one in job.nodes.head.processes() if one.pid == job.drivers[-1].pid]
    driver.kill()
    until(lambda: not job.actors())
    before = job.done()
    line = job.end(job.start())
    assert encoded(line) == job.done() - before
    assert_stored(job.out, job.rows, want)


def test_kills_at_random_moments_lose_what_is_under_way_and_no_more(job: Job, want: Matrix) -> None:
    """Of an actor, of the driver, of both: in one job after another, until that many kills are done."""
    chance = random.Random(17)
    kills = 0
    while kills < KILLS:
        started = job.start()
        kind = chance.choice(["actor", "driver", "both"])
        before = {path: path.stat().st_mtime_ns for path in job.parts()}
        aim = len(before) + chance.randint(0, 4)
        job.until_begun(aim)
        time.sleep(chance.random())
        if kind != "driver":
            for actor in job.actors()[:1]:
                actor.kill()
        if kind != "actor":
            started.kill()
            started.communicate()
            until(lambda: not job.actors())
        else:
            job.end(started)
        kills += 1
        # A shard that is there is done: nobody has written it again.
        assert {path: path.stat().st_mtime_ns for path in before} == before
        if job.done() == job.shards():
            assert_stored(job.out, job.rows, want)
            shutil.rmtree(job.out)
    if job.out.exists():
        before = job.parts()
        assert encoded(job.end(job.start())) == job.shards() - len(before)
        assert_stored(job.out, job.rows, want)
        assert sorted(path.name for path in job.out.iterdir()) == ["job.json", "vectors"]


def test_a_node_that_goes_leaves_the_rest_to_the_other(job: Job, want: Matrix) -> None:
    started = job.start()
    job.until_done(6)
    job.nodes.other.kill_raylet()
    line = job.end(started)
    assert_stored(job.out, job.rows, want)
    assert job.done() - 4 <= encoded(line) <= job.done()
    job.nodes.renew()


def cut(job: Job, seconds: float | None) -> None:
    """Cut the other node's cable once some shards are there; None: for good."""
    job.until_done(6)
    job.nodes.other.cut_off()
    if seconds is not None:
        time.sleep(seconds)
        job.nodes.other.join()


@pytest.mark.parametrize("seconds", [30.0, None], ids=["30-s", "for-good"])
def test_a_network_that_is_cut_off(job: Job, want: Matrix, seconds: float | None) -> None:
    started = job.start()
    cut(job, seconds)
    job.end(started)
    assert_stored(job.out, job.rows, want)
    job.nodes.renew()


def test_a_pool_grows_with_the_cluster(job: Job, want: Matrix) -> None:
    job.nodes.other.stop()
    until(lambda: not job.nodes.other.processes())
    started = job.start()
    job.until_done(2)
    assert not job.nodes.other.named(ACTOR)
    (alone,) = job.nodes.head.named(ACTOR)
    alone.send_signal(signal.SIGSTOP)  # else it is done before there is another node
    job.nodes.renew()
    before = job.done()
    until(lambda: job.nodes.other.named(ACTOR))
    until(lambda: job.done() > before)  # which the one that came has done
    with suppress(psutil.NoSuchProcess):  # it may have been silent for too long
        alone.send_signal(signal.SIGCONT)
    job.end(started)
    assert_stored(job.out, job.rows, want)


def test_a_worker_that_hangs_is_ended_and_its_shard_taken_over(job: Job, want: Matrix) -> None:
    started = job.start("--shard-timeout", 20)
    job.until_done(4)
    held = job.actors()[0]
    held.send_signal(signal.SIGSTOP)
    line = job.end(started)
    assert job.done() - 4 <= encoded(line) <= job.done()
    assert_stored(job.out, job.rows, want)
    until(lambda: not held.is_running() or held.status() == psutil.STATUS_ZOMBIE)


def test_a_node_that_does_not_see_the_folder_is_named(
    job: Job, tmp_path: Path, nodes: Nodes, tiny: Path
) -> None:
    """The driver has a file system of its own over the job's folder."""
    line = " ".join(map(str, [sys.executable, "-c", f"'{COMMAND}'", *job.line]))
    (tmp_path / "out").mkdir()
    hidden = f"mount -t tmpfs none {tmp_path / 'out'} && exec {line}"
    pipe = subprocess.PIPE
    started = nodes.driver("unshare", "-m", "sh", "-c", hidden, stdout=pipe, stderr=pipe, text=True)
    _, err = started.communicate(timeout=FAR)
    if "unshare" in err or "mount:" in err:
        pytest.skip("no mounts of their own can be made here")
    assert started.returncode == 2
    assert re.fullmatch(
        rf"youtu-st: error: the node 10\.77\.\d+\.[12] does not see {re.escape(str(tmp_path / 'out'))}: .*\n",
        err,
    )


def test_what_is_refused_before_a_model_is_loaded(job: Job) -> None:
    said = job.end(job.start("--address", "127.0.0.1:9"), code=2)
    assert said.startswith("youtu-st: error: there is no Ray cluster at 127.0.0.1:9: ")
    assert said.count("\n") == 1
    said = job.end(job.start("--gpus-per-worker", 1), code=2)
    assert "no node of the cluster has the 1 CPUs and 1 GPUs that a worker is to have" in said
