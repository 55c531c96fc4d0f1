"""embed on a cluster of its own: started for the job on this machine, and gone with it, whatever ends it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from ray_nodes import FAR, until
from worker_jobs import Document, Matrix, assert_stored, documents, texts, write

from youtu_st import Encoder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed"),
]

COMMAND = "import sys; from youtu_st.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def corpus() -> list[Document]:
    return documents(4000)


@pytest.fixture(scope="module")
def want(tiny: Path, corpus: list[Document]) -> Matrix:
    encoder = Encoder(tiny, truncation="ignore", unknown="ignore", device="cpu")
    return encoder.encode_document(texts(corpus))


class Command:
    """The command, in a session of its own, as a terminal has it.

    Args:
        folder: Of the corpus and the job.
        tiny: The model.
        rows: The corpus.
    """

    def __init__(self, folder: Path, tiny: Path, rows: list[Document]) -> None:
        corpus, self.out = write(folder / "corpus.jsonl", rows), folder / "out"
        line = ["embed", corpus, "--model", tiny, "--out", self.out, "--id", "id", "--shard-tokens", 8000]
        self._line = [*line, "--engine", "ray", "--workers", 2]
        self.seen: dict[int, psutil.Process] = {}
        self.started: list[subprocess.Popen[str]] = []

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", COMMAND, *map(str, self._line)]
        pipe, environment = subprocess.PIPE, {**os.environ, "RAY_ADDRESS": ""}
        one = subprocess.Popen(
            command, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True
        )
        self.started.append(one)
        return one

    def look(self) -> None:
        """Remember all processes that have come of it: they may lose their parents."""
        for process in psutil.Process(self.started[-1].pid).children(recursive=True):
            self.seen[process.pid] = process

    def until_done(self, shards: int) -> None:
        def there() -> bool:
            assert self.started[-1].poll() is None, self.started[-1].communicate()
            self.look()
            return len(list((self.out / "vectors").glob("part-*"))) >= shards

        until(there, every=0.05)

    def assert_nothing_is_left(self) -> None:
        _, alive = psutil.wait_procs(list(self.seen.values()), timeout=FAR)
        assert not alive
        assert len(self.seen) > 5


@pytest.fixture
def command(tmp_path: Path, tiny: Path, corpus: list[Document]) -> Iterator[Command]:
    one = Command(tmp_path, tiny, corpus)
    yield one
    for started in one.started:
        started.kill()
        started.communicate()
    psutil.wait_procs(list(one.seen.values()), timeout=FAR)


def test_a_cluster_is_started_and_ends_with_the_job(
    command: Command, want: Matrix, corpus: list[Document]
) -> None:
    started = command.start()
    command.until_done(2)
    out, err = started.communicate(timeout=FAR)
    assert (started.returncode, err) == (0, ""), out + err
    assert re.fullmatch(r"4,000 documents, [^\n]* shards encoded, 0 found done -> [^\n]*\n", out)
    command.assert_nothing_is_left()
    assert_stored(command.out, corpus, want)


def test_kill_9_of_the_command_leaves_no_cluster_behind(
    command: Command, want: Matrix, corpus: list[Document]
) -> None:
    started = command.start()
    command.until_done(3)
    started.kill()
    command.assert_nothing_is_left()
    started = command.start()
    out, err = started.communicate(timeout=FAR)
    assert (started.returncode, err) == (0, ""), out + err
    assert int(re.findall(r"(\d+) found done", out)[0]) >= 3
    assert_stored(command.out, corpus, want)


def test_ctrl_c_ends_it_after_the_shards_under_way(
    command: Command, want: Matrix, corpus: list[Document]
) -> None:
    started = command.start()
    command.until_done(3)
    os.killpg(started.pid, signal.SIGINT)  # to all that a terminal's group holds
    out, err = started.communicate(timeout=FAR)
    assert started.returncode == 130, out + err
    first, last = err.splitlines()
    assert first.startswith("youtu-st: stopping: after the shards that are under way")
    assert re.match(r"youtu-st: stopped: \d+ shards? left; go on with: youtu-st embed ", last)
    command.assert_nothing_is_left()
    started = command.start()
    out, err = started.communicate(timeout=FAR)
    assert (started.returncode, err) == (0, ""), out + err
    assert_stored(command.out, corpus, want)
