"""Running ``youtu-st serve`` as a process of its own, on a port of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

COMMAND = Path(sys.executable).with_name("youtu-st")
FAR = 120.0
"""Seconds after which what should have happened never does."""


def until(what: Callable[[], Any]) -> Any:
    """Wait for something that is to happen, and return what it is."""
    end = time.monotonic() + FAR
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


class Served:
    """One process, and its log as objects."""

    def __init__(self, folder: Path, *arguments: object, **environment: str) -> None:
        self._log = folder / f"serve-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(COMMAND), "serve", "--port", "0", "--log", "json", *map(str, arguments)],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **environment},
            )

    @property
    def text(self) -> str:
        """All of standard error."""
        return self._log.read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of one kind."""
        lines = [
            line for line in self.text.splitlines(keepends=True) if line.startswith("{") and line[-1] == "\n"
        ]
        return [one for one in map(json.loads, lines) if one["event"] == name]

    @property
    def url(self) -> str:
        """Where it listens; waits until it does."""
        (line,) = until(lambda: self.events("listening") or self._ended())
        return str(line["url"])

    def _ended(self) -> None:
        assert self.process.poll() is None, self.text

    @property
    def base_url(self) -> str:
        """What clients of OpenAI's are given."""
        return f"{self.url}/v1"

    @property
    def answered(self) -> int:
        """Requests that got their vectors, by the log."""
        each = self.events("request")
        return sum((one["route"], one["status"]) == ("/v1/embeddings", 200) for one in each)

    def wait_until_ready(self) -> None:
        """Until requests are taken."""
        until(lambda: self.events("ready") or self._ended())
        assert httpx.get(f"{self.url}/ready").status_code == 200

    def post(self, texts: list[str], **further: Any) -> httpx.Response:
        """Ask for vectors."""
        body = {"model": "minilm", "input": texts, "encoding_format": "base64"}
        return httpx.post(f"{self.url}/v1/embeddings", json=body, timeout=FAR, **further)

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and wait for the exit code."""
        self.process.send_signal(sent)
        return self.process.wait(FAR)


@contextmanager
def ready(folder: Path, *arguments: object, **environment: str) -> Iterator[Served]:
    """As :func:`served`, when requests are taken."""
    with served(folder, *arguments, **environment) as one:
        one.wait_until_ready()
        yield one


@contextmanager
def served(folder: Path, *arguments: object, **environment: str) -> Iterator[Served]:
    """A process that is gone afterwards, whatever happens."""
    one = Served(folder, *arguments, **environment)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.communicate()
