"""What all parts play on: a folder, the passages, their right vectors, and turns."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from scaling import inputs, results
from scaling.cluster import two_nodes
from scaling.contestants import Contestant, Job
from scaling.processes import Failed, progress, run

Figures = dict[str, Any]
Players = Mapping[str, Callable[[], Figures]]


@dataclass
class Stage:
    """For one run.

    Attributes:
        folder: For everything that is written.
        turns: How many.
        rows: Passages; None: all.
        scale: Share of the usual number of rows in the parts that make their own, at most 1.
        failed: Why a contestant is out, by its name.
    """

    folder: Path
    turns: int
    rows: int | None = None
    scale: float = 1.0
    failed: dict[str, str] = field(default_factory=dict)

    def count(self, usual: int) -> int:
        """So many rows in this run."""
        return max(round(usual * self.scale), 16)

    @cached_property
    def passages(self) -> list[inputs.Row]:
        return inputs.passages(self.rows)

    @cached_property
    def source(self) -> Path:
        """The passages, in files."""
        return inputs.write(self.folder / "passages", self.passages, len(self.passages))

    @cached_property
    def right(self) -> np.ndarray:
        """The library's vectors of the passages, in the order of their ids."""
        from youtu_st import Encoder

        texts = [text for _, text in sorted(self.passages)]
        return Encoder("minilm", truncation="ignore").encode_document(texts)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A new folder, gone afterwards."""
        folder = self.folder / f"turn-{time.monotonic_ns()}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    @contextmanager
    def nodes(
        self, folder: Path, contestant: Contestant, further: Mapping[str, str] | None = None
    ) -> Iterator[str]:
        """The address of a cluster for a contestant; "" for one that needs none."""
        if not contestant.cpus:
            yield ""
            return
        with two_nodes(folder / "nodes.log", contestant.cpus, further) as address:
            yield address

    def play(self, contestant: Contestant) -> Figures:
        """Let a contestant encode the passages, on a cluster of its own where it needs one.

        Raises:
            Failed: If it ends with an error, or has written anything but the library's vectors.
        """
        with self.scratch() as folder:
            with self.nodes(folder, contestant) as address:
                job = Job(self.source, folder / "out", folder / "mark", address)
                ran = run(contestant.command(job), folder / "log")
            first, last = contestant.first(job), results.last_written(job.out)
            ids = sorted(name for name, _ in self.passages)
            if wrong := results.what_is_wrong(job.out, ids, self.right):
                raise Failed(wrong)
            count = len(self.passages)
            return {
                "per_second": count / (last - first),
                "with_start": count / ran.seconds,
                "start_s": first - ran.began,
                "end_s": ran.began + ran.seconds - last,
                "cpu_ms": None if contestant.cpus else 1000 * ran.cpu / count,
                "driver_mb": ran.memory / 1e6,
                "others": None if contestant.cpus else ran.others,
            }

    def take_turns(self, players: Players, turns: int | None = None) -> dict[str, list[Figures]]:
        """Each player's figures of each turn; one that fails is out, and the report says why."""
        taken: dict[str, list[Figures]] = {name: [] for name in players}
        for number in range(turns or self.turns):
            for name in list(players) if number % 2 == 0 else list(players)[::-1]:
                if name in self.failed:
                    continue
                try:
                    taken[name].append(players[name]())
                    progress(f"turn {number + 1}: {name}: {shown(taken[name][-1])}")
                except Failed as error:
                    self.failed[name] = str(error)
                    progress(f"turn {number + 1}: {name}: FAILED: {error}")
        return {name: figures for name, figures in taken.items() if name not in self.failed}


def shown(figures: Figures) -> str:
    return ", ".join(
        f"{name} {value:.4g}" for name, value in figures.items() if isinstance(value, int | float)
    )
