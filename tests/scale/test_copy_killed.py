"""``kill -9`` of a copy at any moment, and the same command again: every row once, and as it was."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from copy_ends import assert_same, content, ends, make_index, read

from youtu_st.scale.copying.ends import open_destination

WORKER = Path(__file__).with_name("copy_worker.py")
KILLS = 20


def start(source: str, there: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), source, there]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def go(worker: subprocess.Popen[str]) -> None:
    assert worker.stdin is not None
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n", worker.communicate()[1]
    worker.stdin.write("go\n")
    worker.stdin.flush()


def rows_there(there: str) -> int | None:
    """How many rows a copy that was killed has left; None: nothing of that name."""
    destination = open_destination(there)
    try:
        if destination.record is None:
            return None
        destination.reopen(destination.record)
        return destination.count()
    finally:
        destination.close()


def finish(worker: subprocess.Popen[str]) -> tuple[list[str], dict[str, Any]]:
    """Let it come to its end: the steps that it said, and what it compared."""
    said, told = worker.communicate(timeout=300)
    assert worker.returncode == 0, told
    *steps, last = said.splitlines()
    proof = json.loads(last)
    assert proof["holds"]
    return steps, proof


def kill_at(worker: subprocess.Popen[str], step: int, after: float) -> None:
    """End it some moments after it has said so many steps."""
    assert worker.stdout is not None
    for _ in range(step):
        assert worker.stdout.readline()
    time.sleep(after)
    worker.kill()
    worker.communicate()
    assert worker.returncode == -9


def remove(there: str) -> None:
    kind, colon, rest = there.partition(":")
    shutil.rmtree(rest.partition("#")[0] if colon else kind)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(
    ("store", "rows"), [("lancedb", 900), ("milvus", 900), ("qdrant", 300), ("index", 900)]
)
def test_kills_at_twenty_moments_lose_and_repeat_nothing(tmp_path: Path, store: str, rows: int) -> None:
    source, there = make_index(tmp_path / "source", content(rows)), ends(tmp_path)[store]
    worker = start(source, there)
    go(worker)
    steps, proof = finish(worker)
    assert proof["written"] == rows
    assert steps[-2:] == [f"indexing {rows}", f"comparing {rows}"]
    remove(there)
    chance, left = random.Random(11), []
    waiting = start(source, there)
    while len(left) < KILLS:
        worker, waiting = waiting, start(source, there)  # the next one imports while this one works
        go(worker)
        kill_at(worker, chance.randint(0, len(steps)), chance.uniform(0, 0.02))
        left.append(rows_there(there))
        assert (left[-1] or 0) <= rows
        if left[-1] == rows:
            assert_same(read(there), content(rows))
            remove(there)
    go(waiting)
    _, proof = finish(waiting)
    assert proof["written"] == rows - (0 if left[-1] in (None, rows) else left[-1])
    assert_same(read(there), content(rows))
    assert len({count for count in left if count and count < rows}) >= 3, (
        left
    )  # in the middle of the rows, too
