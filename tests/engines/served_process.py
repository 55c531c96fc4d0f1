"""``youtu-st serve`` as a process of its own on the loopback address."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

START = "import sys; from youtu_st.cli import main; sys.exit(main())"
SECONDS = 120
"""For a model to load, on a machine where much else runs."""


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class ServedProcess:
    """A context manager around a server that is ready.

    Args:
        log: The file that it writes its log to.
        *arguments: Of the command, beside the port.
        port: None: any.
        wait: Wait until it is ready.
    """

    def __init__(self, log: Path, *arguments: object, port: int | None = None, wait: bool = True) -> None:
        self.log = log
        self.port = port or free_port()
        self._command = [sys.executable, "-c", START, "serve", *map(str, arguments), "--port", str(self.port)]
        self._wait = wait
        self._process: subprocess.Popen[Any] | None = None

    @property
    def url(self) -> str:
        """The address with ``/v1``, as ``base_url``."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> ServedProcess:
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={"OMP_NUM_THREADS": "1", **os.environ},
            )
        if self._wait:
            self.wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGTERM)

    def end(self, how: int) -> None:
        """Send a signal, and wait for the end."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(how)
            try:
                self._process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def wait_until_ready(self) -> None:
        """Until ``/ready`` is 200.

        Raises:
            AssertionError: With the log, if it ends before.
        """
        until = time.monotonic() + SECONDS
        while time.monotonic() < until and self._process is not None and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=5):
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(self.log.read_text("utf-8", "replace"))

    def requests(self) -> int:
        """Requests that got their vectors, by the log."""
        return self.log.read_text("utf-8", "replace").count("route=/v1/embeddings status=200")
