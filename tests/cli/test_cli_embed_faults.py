"""Whatever is killed, fills up or hangs: the same line goes on, and every id is there once."""

from __future__ import annotations

import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from command import Result
from embed_process import POISON, Told, started
from embedded import check, check_tidy, parts, rows, stored, write_jsonl

pytestmark = pytest.mark.slow
ROWS = rows(600)
LINE = ("corpus", "--id", "id", "--shard-tokens", "300", "--out", "out")
SUMMARY = re.compile(r"; (\d+) shards? encoded, (\d+) found done(?:, (\d+) not done)? -> out\n")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return Told(tmp_path_factory.mktemp("told") / "model")


@pytest.fixture
def here(tmp_path: Path, told: Told) -> Path:
    write_jsonl(tmp_path / "corpus" / "a.jsonl", ROWS)
    for sign in ("slow", "deadly", "hangs"):
        (told.folder / sign).unlink(missing_ok=True)
    return tmp_path


def counts(result: Result) -> tuple[int, int, int]:
    """Shards encoded, found and left, as the last line has them."""
    found = SUMMARY.search(result.out)
    assert found, result
    return int(found[1]), int(found[2]), int(found[3] or 0)


def seen(out: Path) -> dict[str, tuple[int, int]]:
    """The shards that are there, each with what changes when it is written again."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in parts(out)}


@pytest.mark.long
@pytest.mark.parametrize("what", ["worker", "driver", "both"])
def test_kills_at_random_moments_cost_the_shards_under_way(here: Path, told: Told, what: str) -> None:
    """Ten kills each. What is there is never written again; a shard that is begun again was not there."""
    told.sign("slow", "0.05")
    chance, out, kills, runs = random.Random(what), here / "out", 0, 0
    before: dict[str, tuple[int, int]] = {}
    result: Result | None = None
    while result is None or result.code != 0:
        runs += 1
        assert runs < 40, result
        found = len(parts(out))
        with started(*LINE, *told.options, "--workers", 2, cwd=here) as driver:
            if kills < 10:
                # Half of the moments while models are loaded, half of them later.
                if chance.random() < 0.5:
                    driver.until(lambda found=found: len(parts(out)) > found)
                time.sleep(chance.uniform(0, 1.5))
            while kills < 10 and driver.process.poll() is None:
                before |= seen(out)
                if what == "worker":
                    kills += driver.kill_a_worker(chance.randrange(2))
                    now = len(parts(out))
                    driver.until(lambda now=now: len(parts(out)) > now)
                    time.sleep(chance.uniform(0, 1.0))
                    continue
                workers = driver.kill(workers=what == "both")
                kills += 1
                psutil.wait_procs(workers, 60)
                assert not any(worker.is_running() for worker in workers)  # nobody works for nobody
                break
            else:
                result = driver.result()
                assert result.code in (0, 1), result
        now = seen(out)
        assert {name: now[name] for name in before} == before
        before = now
    assert kills == 10 or what == "worker"
    encoded, there, left = counts(result)
    assert (encoded + there, left) == (len(parts(out)), 0)
    check(out, ROWS, told.encoder)


def test_two_drivers_of_one_folder_both_end_well(here: Path, told: Told) -> None:
    """Started at once, where there is no job: they agree on one, and each shard is encoded once."""
    told.sign("slow", "0.05")
    with (
        started(*LINE, *told.options, cwd=here) as first,
        started(*LINE, *told.options, cwd=here) as second,
    ):
        both = [first.result(), second.result()]
    assert [result.code for result in both] == [0, 0], both
    assert sum(counts(result)[0] for result in both) == len(parts(here / "out"))
    assert all(sum(counts(result)) == len(parts(here / "out")) for result in both)
    check(here / "out", ROWS, told.encoder)


def test_what_a_killed_driver_had_begun_is_taken_over_by_the_other(here: Path, told: Told) -> None:
    told.sign("slow", "0.1")
    with (
        started(*LINE, *told.options, cwd=here) as first,
        started(*LINE, *told.options, cwd=here) as second,
    ):
        first.until(lambda: len(parts(here / "out")) > 3)
        first.kill()
        result = second.result()
    assert (result.code, counts(result)[2]) == (0, 0), result
    check(here / "out", ROWS, told.encoder)


@pytest.mark.parametrize("how", ["limit", "disk"])
def test_a_disk_that_fills_up_in_the_middle(here: Path, told: Told, how: str) -> None:
    """A line; and when there is room, the same command goes on."""
    told.sign("slow", "0.05")
    out = here / "out"
    if how == "disk":
        out.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(out)], capture_output=True, check=False
        )
        if mounted.returncode:
            pytest.skip("no file system can be mounted here")
    try:
        with started(*LINE, *told.options, cwd=here) as driver:
            driver.until(lambda: len(parts(out)) > 3)
            if how == "disk":
                fill(here / "out" / "vectors" / "ballast")
            else:
                for worker in driver.workers():
                    hard = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)[1]
                    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (1000, hard))
            result = driver.result()
        assert (result.code, result.out) == (2, ""), result
        (line,) = result.err.splitlines()
        assert "no room" in line or "no space" in line.lower() or "too large" in line.lower()
        before = seen(out)
        (here / "out" / "vectors" / "ballast").unlink(missing_ok=True)
        check_tidy(out)
        with started(*LINE, *told.options, cwd=here) as driver:
            result = driver.result()
        assert result.code == 0, result
        assert counts(result)[1] == len(before)
        assert before.items() <= seen(out).items()
        check(out, ROWS, told.encoder)
    finally:
        if how == "disk":
            subprocess.run(["umount", str(out)], check=False)


def fill(path: Path) -> None:
    """Write until nothing more can be."""
    with open(path, "wb", buffering=0) as ballast:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    ballast.write(b"x" * size)
            except OSError:
                continue


def poisoned(here: Path) -> list[dict[str, Any]]:
    """The corpus with one text that the model can be told to die of."""
    lines = [dict(row) for row in ROWS]
    lines[300]["text"] += POISON  # with a space before it, it is other tokens
    write_jsonl(here / "corpus" / "a.jsonl", lines)
    return lines


def test_a_shard_that_ends_three_workers_is_reported_and_skipped(here: Path, told: Told) -> None:
    lines = poisoned(here)
    told.sign("deadly")
    with started(*LINE, *told.options, "--workers", 2, cwd=here) as driver:
        result = driver.result()
    assert result.code == 1, result
    shards = len(parts(here / "out")) + 1
    encoded, there, left = counts(result)
    # One that was in its place when its worker died, before it could say so, is found done.
    assert (encoded + there, left) == (shards - 1, 1)
    assert there <= 3
    (line,) = [line for line in result.err.splitlines() if "skipped" in line]
    found = re.fullmatch(
        r"youtu-st: skipped: shard (\d+) \(from row ([\d,]+) of corpus/a.jsonl, (\d+) rows\): 3 workers ended over it, "
        r"the last was killed \(signal 9\)",
        line,
    )
    assert found, line
    assert int(found[2]) <= 301 < int(found[2]) + int(found[3])
    ids = stored(here / "out")
    missing = [i for i, row in enumerate(lines) if row["id"] not in ids]
    assert missing == list(range(int(found[2]) - 1, int(found[2]) - 1 + int(found[3])))
    check_tidy(here / "out")

    told.unsign("deadly")
    with started("out", "--trust-remote-code", cwd=here) as driver:
        result = driver.result()
    assert (result.code, counts(result)) == (0, (1, shards - 1, 0)), result
    check(here / "out", lines, told.encoder)


def test_a_worker_that_hangs_is_ended(here: Path, told: Told) -> None:
    """The shard is begun again by another; here the cause is gone by then."""
    lines = poisoned(here)
    told.sign("hangs")
    with started(*LINE, *told.options, "--shard-timeout", 20, cwd=here) as driver:
        driver.until(lambda: bool(driver.workers()))
        first = driver.workers()[0].pid
        driver.until(
            lambda: first not in [worker.pid for worker in driver.workers()] and bool(driver.workers())
        )
        told.unsign("hangs")
        result = driver.result()
    assert (result.code, counts(result)[2]) == (0, 0), result
    check(here / "out", lines, told.encoder)


@pytest.mark.parametrize("times", [1, 2])
def test_interrupted_once_it_ends_after_what_is_under_way_and_twice_at_once(
    here: Path, told: Told, times: int
) -> None:
    told.sign("slow", "0.3")
    with started(*LINE, *told.options, cwd=here) as driver:
        driver.until(lambda: len(parts(here / "out")) > 2)
        workers = driver.workers()
        if times == 2:
            told.sign("slow", "8")  # so that what is under way does not end by itself meanwhile
            time.sleep(2)
        driver.interrupt()
        if times == 2:
            time.sleep(0.5)
            driver.interrupt()
        result = driver.result()
    there = len(parts(here / "out"))
    assert result.code == 130, result
    psutil.wait_procs(workers, 60)
    assert not any(worker.is_running() for worker in workers)
    check_tidy(here / "out")
    first, last = result.err.splitlines()
    assert first == "youtu-st: stopping: after the shards that are under way; Ctrl-C again ends it now"
    if times == 1:
        encoded, found, left = counts(result)
        assert (encoded, found) == (there, 0)
        assert last == f"youtu-st: stopped: {left} shards left; go on with: youtu-st embed out"
    else:
        assert (result.out, last) == ("", "youtu-st: error: interrupted")
    told.unsign("slow")
    with started("out", "--trust-remote-code", cwd=here) as driver:
        result = driver.result()
    assert (result.code, counts(result)[1:]) == (0, (there, 0)), result
    check(here / "out", ROWS, told.encoder)


def test_a_worker_that_cannot_begin_is_told_of(here: Path, told: Told) -> None:
    """Other weights under the same name: what is there stays, and nothing is mixed."""
    with started(*LINE, *told.options, cwd=here) as driver:
        assert driver.result().code == 0
    parts(here / "out")[0].unlink()
    other = Told(here / "other")
    program = (
        "import sys, torch; from safetensors.torch import load_file, save_file\n"
        "weights = {name: value * 1.01 for name, value in load_file(sys.argv[1]).items()}\n"
        "save_file(weights, sys.argv[1], {'format': 'pt'})"
    )
    subprocess.run([sys.executable, "-c", program, str(other.weights / "model.safetensors")], check=True)
    with started("out", "--checkpoint", other.weights, "--trust-remote-code", cwd=here) as driver:
        result = driver.result()
    assert (result.code, result.out) == (2, ""), result
    (line,) = result.err.splitlines()
    assert "weights" in line


def test_a_signal_to_end_leaves_nothing_behind(here: Path, told: Told) -> None:
    """SIGTERM, as schedulers of clusters send it, ends it as a second Ctrl-C does."""
    told.sign("slow", "0.3")
    with started(*LINE, *told.options, cwd=here) as driver:
        driver.until(lambda: len(parts(here / "out")) > 1)
        workers = driver.workers()
        os.kill(driver.process.pid, signal.SIGTERM)
        result = driver.result()
    assert result.code == 130, result
    psutil.wait_procs(workers, 60)
    check_tidy(here / "out")
