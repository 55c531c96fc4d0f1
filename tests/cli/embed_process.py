"""``youtu-st embed`` as processes that are killed, filled up and interrupted, with a model that can be told to."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from checkpoints import remote_checkpoint, save_spec
from command import COMMAND, Result

from youtu_st import Encoder

FORWARD = """
    def forward(self, input_ids=None, **inputs):
        import os, signal, time
        from pathlib import Path
        signs = Path({folder!r})
        if (signs / "slow").exists():
            time.sleep(float((signs / "slow").read_text()))
        deadly = {poison!r}
        if set(deadly) <= set(input_ids.flatten().tolist()):
            if (signs / "deadly").exists():
                os.kill(os.getpid(), signal.SIGKILL)
            while (signs / "hangs").exists():
                time.sleep(0.1)
        return super().forward(input_ids=input_ids, **inputs)
"""
POISON = "😀"
PATIENCE = 300.0
"""Seconds after which a process is taken to hang; a machine under load takes its time."""


class Told:
    """A tiny model whose network goes by signs in its folder: ``slow`` (seconds a batch), ``deadly``, ``hangs``.

    Args:
        folder: An empty one.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.spec = save_spec(folder / "tiny.yaml", prompts={"query": "", "document": ""})
        self.weights = remote_checkpoint(folder / "weights")
        self.encoder = self._encoder()
        ids = self.encoder.tokenizer(POISON, add_special_tokens=False)["input_ids"]
        remote_checkpoint(self.weights, FORWARD.format(folder=str(folder), poison=ids))

    def _encoder(self) -> Encoder:
        return Encoder(str(self.spec), checkpoint=str(self.weights), trust_remote_code=True)

    def sign(self, name: str, content: str = "") -> None:
        (self.folder / name).write_text(content)

    def unsign(self, name: str) -> None:
        (self.folder / name).unlink()

    @property
    def options(self) -> list[str]:
        return ["--model", str(self.spec), "--checkpoint", str(self.weights), "--trust-remote-code"]


@dataclass
class Started:
    """A driver, and what it has started."""

    process: subprocess.Popen[bytes]

    def workers(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return []

    def kill_a_worker(self, which: int = 0) -> bool:
        there = self.workers()
        if not there:
            return False
        os.kill(there[which % len(there)].pid, signal.SIGKILL)
        return True

    def kill(self, *, workers: bool = False) -> list[psutil.Process]:
        """Kill the driver, and its workers too or not; those that lived."""
        there = self.workers()
        if workers:
            os.killpg(self.process.pid, signal.SIGSTOP)  # it starts no others meanwhile
            for worker in there:
                worker.kill()
        self.process.kill()
        self.process.wait(PATIENCE)
        return there

    def until(self, what: Callable[[], bool]) -> None:
        """Wait for something that is to come while the driver runs, or for its end."""
        end = time.monotonic() + PATIENCE
        while not what() and self.process.poll() is None:
            assert time.monotonic() < end, "it did not come"
            time.sleep(0.01)

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def result(self) -> Result:
        out, err = self.process.communicate(timeout=PATIENCE)
        return Result(self.process.returncode, out.decode(), err.decode())


@contextmanager
def started(*arguments: object, cwd: Path) -> Iterator[Started]:
    """``youtu-st embed`` with these arguments; gone at the end, whatever happens."""
    process = subprocess.Popen(
        [str(COMMAND), "embed", *map(str, arguments)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    running = Started(process)
    try:
        yield running
    finally:
        if process.poll() is None:
            running.kill(workers=True)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
