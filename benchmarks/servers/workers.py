"""Processes that are asked things over a pipe; and servers, their CPU and their memory."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from servers.client import HOST

SPAWN = multiprocessing.get_context("spawn")
START_SECONDS = 120.0
Answer = Callable[..., Any]


class Failed(Exception):
    """What another process could not do, in one line."""


class Worker:
    """A process that builds something once, then answers questions about it.

    Args:
        build: Called in the process; gives the functions that may be asked for, by name.
        arguments: What ``build`` is called with.
    """

    def __init__(self, build: Callable[..., Mapping[str, Answer]], *arguments: Any) -> None:
        self._pipe, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_serve, args=(theirs, build, arguments), daemon=True)
        self._process.start()
        theirs.close()  # so that one that dies is an error here, and no endless wait
        self._answer()

    def ask(self, name: str, *arguments: Any) -> Any:
        """Call one of its functions, and wait for the result."""
        self._pipe.send((name, arguments))
        return self._answer()

    def _answer(self) -> Any:
        try:
            fine, said = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise Failed(f"its process ended with code {self._process.exitcode}") from None
        if not fine:
            raise Failed(said)
        return said

    def end(self) -> None:
        self._pipe.close()
        self._process.join()


def _serve(pipe: Connection, build: Callable[..., Mapping[str, Answer]], arguments: tuple[Any, ...]) -> None:
    functions: Mapping[str, Answer] | None = None
    said: Any = None
    while True:
        try:
            if functions is None:
                functions = build(*arguments)
            else:
                name, given = pipe.recv()
                said = functions[name](*given)
        except EOFError:
            return
        except Exception as error:  # whatever it is, the others go on, and the report says so
            traceback.print_exc()
            pipe.send((False, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"))
            if functions is None:
                return
        else:
            pipe.send((True, said))


class Server:
    """A server's process, started and waited for.

    Args:
        command: Starts it.
        port: Where it will listen.
        ready: Path that answers 200 as soon as requests can be sent.
        log: File for what it prints.
        environment: Beside this process's own.
    """

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        ready: str,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.port, self._log = port, log
        self.started = time.perf_counter()
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}
            )
        self._seen = psutil.Process(self._process.pid)
        try:
            self.ready_after = self.wait(ready)
        except Failed:
            self.stop()
            raise

    def wait(self, path: str) -> float:
        """Wait until a path answers 200; seconds since the start."""
        while (passed := time.perf_counter() - self.started) < START_SECONDS:
            if self._process.poll() is not None:
                raise Failed(f"ended with code {self._process.returncode}: {self._last_line()}")
            if status(self.port, path) == 200:
                return time.perf_counter() - self.started
            time.sleep(0.01)
        raise Failed(f"{path} did not answer 200 in {passed:.0f} s: {self._last_line()}")

    def _last_line(self) -> str:
        lines = self._log.read_text("utf-8", errors="replace").strip().splitlines()
        return " ".join(lines[-1].split())[:300] if lines else "it printed nothing"

    def cpu(self) -> float:
        """CPU seconds so far, in all threads and processes of it."""
        return sum(
            each.cpu_times().user + each.cpu_times().system
            for each in (self._seen, *self._seen.children(recursive=True))
        )

    def memory(self) -> int:
        """Bytes in memory now."""
        return sum(each.memory_info().rss for each in (self._seen, *self._seen.children(recursive=True)))

    def stop(self) -> None:
        """End it, politely at first."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def status(port: int, path: str) -> int | None:
    """What a path answers now; None: nothing listens."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        return int(taken.getsockname()[1])
