"""Rows that are encoded twice after kill -9 of a worker, as the network itself counts them."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

from scaling import contestants, results
from scaling.contestants import Contestant, Job
from scaling.counted import WHERE, Count, counted_model, rows_in_tokens
from scaling.processes import Failed, run
from scaling.stage import Figures, Stage

MOST_TURNS = 3
LOOK = 0.5
USUAL = 1 << 19
"""Tokens of a shard, unless somebody says otherwise."""


class HalfTime:
    """Kills whoever has sent the last rows through the network, once half of all have been through."""

    def __init__(self, log: Path, known: set[str]) -> None:
        self._log, self._known = log, known
        self._next = 0.0
        self.killed: int | None = None

    def __call__(self, driver: psutil.Process) -> bool:
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + LOOK
        count = Count.of(self._log)
        if len(count.rows(self._known)) < len(self._known) / 2:
            return False
        self.killed = count.batches[-1]["process"]
        if self.killed == driver.pid:
            raise Failed("the process that was started encodes by itself: there is no worker to kill")
        with suppress(ProcessLookupError):
            os.kill(self.killed, signal.SIGKILL)
            return True
        return False


def kill(stage: Stage) -> dict[str, list[Figures]]:
    """One worker's process is killed at half-time; the rest is the contestant's own doing."""
    model = counted_model(stage.folder / "counted")
    rows = rows_in_tokens(model, [text for _, text in sorted(stage.passages)])

    def play(contestant: Contestant) -> Figures:
        with stage.scratch() as folder:
            log = folder / "rows.jsonl"
            half_time = HalfTime(log, set(rows))
            further = {WHERE: str(log)}
            with stage.nodes(folder, contestant, further) as address:
                job = Job(stage.source, folder / "out", folder / "mark", address, str(model), USUAL)
                ran = run(contestant.command(job), folder / "log", further=further, watch=half_time)
            if half_time.killed is None:
                raise Failed("it had ended before half of the rows had been seen to be through")
            if wrong := results.what_is_wrong(
                job.out, sorted(name for name, _ in stage.passages), stage.right
            ):
                raise Failed(wrong)
            through = Count.of(log).rows(set(rows))
            own = contestant.first is contestants.of_shards
            shards = [results.shard_facts(path)["rows"] for path in results.files_of(job.out)] if own else []
            return {
                "twice": sum(through.values()) - len(set(rows)),
                "shard_rows": max(shards, default=None),
                "seconds": ran.seconds,
            }

    there = (contestants.ours, contestants.on_ray, contestants.ray_data, contestants.ray_blocks)
    return stage.take_turns({one.name: partial(play, one) for one in there}, min(stage.turns, MOST_TURNS))
