"""Processes that are run to their end, or killed on their way: their time, processor and memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

BENCHMARKS = Path(__file__).parents[1]
ROOT = BENCHMARKS.parent
YOUTU_ST = [sys.executable, "-c", "import sys; from youtu_st.cli import main; sys.exit(main())"]
LONGEST = 3600.0
LOOK = 0.05


class Failed(Exception):
    """What a contestant could not do, in one line."""


@dataclass(frozen=True)
class Ran:
    """A process that has ended.

    Attributes:
        began: Seconds since the epoch.
        seconds: Until its end.
        cpu: Seconds of processor, of it and of all its children that it has waited for.
        memory: Bytes that it alone has had in memory at most.
        others: Share of the processor that was neither its nor of those it started, from 0 to 1.
        said: What it printed.
    """

    began: float
    seconds: float
    cpu: float
    memory: int
    others: float
    said: str


def progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def environment(further: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's own, in which this folder is found, nothing is fetched, and no library talks."""
    paths = [str(BENCHMARKS), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    quiet = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1"}
    return {**os.environ, **quiet, "PYTHONPATH": os.pathsep.join(paths), **(further or {})}


def run(
    command: Sequence[str],
    log: Path,
    *,
    further: Mapping[str, str] | None = None,
    watch: Callable[[psutil.Process], bool] | None = None,
    expected: Sequence[int] = (0,),
) -> Ran:
    """Run a command to its end.

    Args:
        command: With its arguments.
        log: Gets what it prints.
        further: Of the environment.
        watch: Called every 50 ms; once it has returned True, no more.
        expected: Codes that are no failure.

    Raises:
        Failed: If it ends with another code, or not within an hour.
    """
    busy, began, start = busy_seconds(), time.time(), time.perf_counter()
    memory, children = 0, os.times()
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment(further)
        )
    try:
        seen = psutil.Process(process.pid)
        while process.poll() is None:
            memory = max(memory, peak_memory(process.pid))
            if watch is not None and watch(seen):
                watch = None
            if time.perf_counter() - start > LONGEST:
                raise Failed(f"has not ended within {LONGEST:.0f} s")
            time.sleep(LOOK)
    finally:
        stop(process)
    seconds, busy, after = time.perf_counter() - start, busy_seconds() - busy, os.times()
    said = log.read_text("utf-8", errors="replace")
    if process.returncode not in expected:
        last = said.strip().splitlines()[-1:] or ["it printed nothing"]
        raise Failed(f"ended with code {process.returncode}: {' '.join(last[0].split())[:300]}")
    cpu = after.children_user + after.children_system - children.children_user - children.children_system
    others = max(busy - cpu, 0.0) / (seconds * (psutil.cpu_count() or 1))
    return Ran(began, seconds, cpu, memory, others, said)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End it, politely at first; nothing if it has ended."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def peak_memory(pid: int) -> int:
    """Bytes that a process has had in memory at most; 0 where the system does not say, or it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def busy_seconds() -> float:
    """Of all cores, in all processes, so far."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)
