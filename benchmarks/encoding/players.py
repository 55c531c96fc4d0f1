"""Contestants in processes of their own: built, asked once, then told whose turn it is."""

from __future__ import annotations

import multiprocessing
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

import numpy as np

from encoding import machine
from encoding.contestants import CONTESTANTS, Built, Skipped
from encoding.workloads import Workload

SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class First:
    """What a contestant says of itself after it has encoded everything once."""

    vectors: dict[str, np.ndarray]
    dtype: str
    memory: int
    gpu_memory: int
    waste: dict[str, float | None]


@dataclass
class Turn:
    """Seconds: of each task, and of each query by itself."""

    tasks: dict[str, float] = field(default_factory=dict)
    queries: list[float] = field(default_factory=list)


class Players:
    """The contestants of one workload: started one by one, then told whose turn it is."""

    def __init__(self) -> None:
        self.pipes: dict[str, Connection] = {}
        self.processes: list[SpawnProcess] = []

    def start(self, name: str, target: Callable[..., None], *arguments: Any) -> Any:
        """Start one, and wait for what it says first."""
        pipe, theirs = SPAWN.Pipe()
        process = SPAWN.Process(target=target, args=(*arguments, theirs), daemon=True)
        process.start()
        theirs.close()  # so that one that dies is an error here, and no endless wait
        self.processes.append(process)
        try:
            said = pipe.recv()
        except EOFError:
            process.join()
            return RuntimeError(f"its process ended with code {process.exitcode}")
        if said is None or isinstance(said, First):
            self.pipes[name] = pipe
        return said

    def turn(self, name: str) -> Any:
        self.pipes[name].send(True)
        return self.pipes[name].recv()

    def end(self) -> None:
        for pipe in self.pipes.values():
            pipe.send(False)
        for process in self.processes:
            process.join()


def contestant(name: str, workload: Workload, pipe: Connection) -> None:
    """Runs in a process of its own: builds, encodes everything once, then does a turn whenever told to."""
    quiet()
    try:
        built = CONTESTANTS[name](workload)
        pipe.send(first(built, workload))
    except Skipped as reason:
        pipe.send(str(reason))
        return
    except Exception as error:  # whatever it is, the others still run, and the report says so
        traceback.print_exc()
        pipe.send(error_line(error))
        return
    while pipe.recv():
        pipe.send(turn(built, workload))


def error_line(error: Exception) -> RuntimeError:
    """An error that any process can unpickle."""
    return RuntimeError(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")


def first(built: Built, workload: Workload) -> First:
    vectors, waste = {}, {}
    for name, task in workload.tasks.items():
        rows = [np.asarray(built.documents(call), dtype=np.float32) for call in task.calls()]
        vectors[name], waste[name] = np.concatenate(rows), built.waste(task)
    for text in workload.questions[:3]:
        built.query(text)
    return First(vectors, built.dtype, machine.peak_memory(), machine.peak_gpu_memory(), waste)


def turn(built: Built, workload: Workload) -> Turn:
    taken = Turn()
    for name, task in workload.tasks.items():
        start = time.perf_counter()
        for call in task.calls():
            built.documents(call)
        taken.tasks[name] = time.perf_counter() - start
    for text in workload.questions:
        start = time.perf_counter()
        built.query(text)
        taken.queries.append(time.perf_counter() - start)
    return taken


def multiplications(workload: Workload, dtypes: Sequence[str], pipe: Connection) -> None:
    """Like a contestant: the machine's own speed for the network's matrix products, in each dtype."""
    quiet()
    assert workload.shape is not None
    rows = min(sum(next(iter(workload.tasks.values())).lengths), 4096)
    speeds = {dtype: machine.multiplier(workload.shape.products, rows, dtype) for dtype in dtypes}
    pipe.send(None)
    while pipe.recv():
        pipe.send({dtype: speed() for dtype, speed in speeds.items()})


def quiet() -> None:
    warnings.simplefilter("ignore")
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    disable_progress_bar()
    set_verbosity_error()
