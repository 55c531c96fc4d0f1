"""What a `VectorIndex` of a size costs: for whoever writes it, and for each process that reads it.

python -m scaling.indexes write FOLDER ROWS
python -m scaling.indexes read FOLDER ROWS

say so, as JSON: vectors are given, so that the index alone is measured.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from scaling.processes import run
from scaling.shards import DIMENSION, FreeEncoder
from scaling.stage import Figures, Stage

SIZES = (200_000, 1_000_000)
BLOCK, SEARCHES, CHANGES = 20_000, 50, 200
CENTRES, NOISE = 1000, 0.6


def index(stage: Stage) -> dict[str, list[Figures]]:
    """Of 200,000 and of 1,000,000 rows, in one turn."""

    def play(count: int) -> Figures:
        with stage.scratch() as folder:
            said: Figures = {}
            for what in ("write", "read"):
                command = [sys.executable, "-m", "scaling.indexes", what, str(folder / "index"), str(count)]
                said |= json.loads(run(command, folder / "log").said.strip().splitlines()[-1])
            return said

    sizes = {f"{usual:,} x {DIMENSION}": stage.count(usual) for usual in SIZES}
    return stage.take_turns({name: partial(play, count) for name, count in sizes.items()}, turns=1)


def blocks(count: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Unit rows around seeded centres, as those of texts on so many subjects are."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((CENTRES, DIMENSION), dtype=np.float32)
    for first in range(0, count, BLOCK):
        size = min(BLOCK, count - first)
        rows = centres[chance.integers(CENTRES, size=size)]
        rows = rows + NOISE * chance.standard_normal((size, DIMENSION), dtype=np.float32)
        yield rows / np.linalg.norm(rows, axis=1, keepdims=True)


def seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def write(folder: Path, count: int) -> Figures:
    from youtu_st.index import VectorIndex

    index = VectorIndex.create(folder, FreeEncoder())
    first = 0

    def build() -> None:
        nonlocal first
        for rows in blocks(count):
            names = [f"row-{first + i}" for i in range(len(rows))]
            index.add([f"Passage {name}." for name in names], names, vectors=rows)
            first += len(rows)

    found = {"build_s": seconds(build), "close_s": seconds(index.close)}
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {**found, "writer_mb": peak() / 1e6, "disk_mb": size / 1e6}


def read(folder: Path, count: int) -> Figures:
    from youtu_st.index import VectorIndex

    encoder, before = FreeEncoder(), peak()
    opened: list[VectorIndex] = []
    found: Figures = {"open_s": seconds(lambda: opened.append(VectorIndex.open(folder, encoder)))}
    (reader,) = opened
    (queries,) = blocks(SEARCHES, seed=1)
    taken = [seconds(partial(reader.search, query, k=10)) for query in queries]
    found |= {"search_ms": 1000 * statistics.median(taken), "reader_mb": (peak() - before) / 1e6}

    (rows,) = blocks(CHANGES, seed=2)
    taken = [
        seconds(partial(reader.add, ["A change."], [f"row-{i}"], vectors=rows[i : i + 1]))
        for i in range(len(rows))
    ]
    found |= {"first_change_ms": 1000 * taken[0], "change_ms": 1000 * statistics.median(taken[1:])}
    found |= {"changes_mb": (peak() - before) / 1e6, "close_changed_s": seconds(reader.close)}
    return found


def peak() -> int:
    """Bytes that this process has had in memory at most."""
    from encoding.machine import peak_memory

    return peak_memory()


if __name__ == "__main__":
    part = {"write": write, "read": read}[sys.argv[1]]
    print(json.dumps(part(Path(sys.argv[2]), int(sys.argv[3]))))
