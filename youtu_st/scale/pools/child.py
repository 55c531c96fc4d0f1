"""One process of its own, and the lines that go to it and come from it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from youtu_st.errors import printable

Message = dict[str, Any]
"""A kind, and what is to be said of it: ``{"shard": 12}``."""

# What the interpreter would look for in the working directory first is a user's folder of documents here.
_RUN = (
    "import sys; sys.path[:] = [path for path in sys.path if path]; "
    "from youtu_st.scale.work.process import main; main()"
)
_KEPT_BYTES = 8192
_MOST_REASON = 200
_ERROR = re.compile("error|exception|fault", re.IGNORECASE)


class Child:
    """A process that works: ``youtu_st.scale.work.process``, in a session of its own.

    It is gone when this process is: its standard input closes then.

    Args:
        hear: Called with every message, in a thread of the child's own; with None when no more will come.
        environment: Variables beside those of this process.
    """

    def __init__(self, hear: Callable[[Message | None], None], environment: Mapping[str, str]) -> None:
        self._hear = hear
        self._tail = b""
        self._sending = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _RUN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment, "PYTHONPATH": _search_path()},
            start_new_session=True,
        )
        self._listening = [
            threading.Thread(target=listen, name="youtu-st-child", daemon=True)
            for listen in (self._listen, self._keep_tail)
        ]
        for thread in self._listening:
            thread.start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def send(self, kind: str, content: Any = True) -> None:
        """Say something to it; nothing where it is gone, which it will be heard of."""
        line = json.dumps({kind: content}).encode() + b"\n"
        with self._sending, suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def kill(self) -> None:
        """End it now, and what it has started."""
        if self._process.poll() is not None:
            return
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it is gone, and everything from it was heard, within so many seconds."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        if threading.current_thread() not in self._listening:
            for thread in self._listening:
                thread.join(seconds)
        return True

    def how_it_ended(self) -> str:
        """Its signal or exit code, and the last error that it wrote to standard error."""
        code = self._process.wait()
        self._listening[1].join(1.0)
        how = f"was killed (signal {-code})" if code < 0 else f"ended with exit code {code}"
        last = self.last_error()
        return f"{how}: {last}" if last else how

    def last_error(self) -> str:
        """The last line of its standard error that speaks of an error, else the last one; fit to be shown.

        ``""`` where there is none.
        """
        lines = self._tail.decode(errors="replace").replace("\r", "\n").splitlines()
        written = [line.strip() for line in lines if line.strip()]
        found = [line for line in written if _ERROR.search(line)] or written or [""]
        return printable(found[-1][:_MOST_REASON])

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                try:
                    message = json.loads(line)
                except ValueError:  # cut off in the middle: its last word
                    continue
                self._hear(message)
        self._process.wait()
        self._hear(None)

    def _keep_tail(self) -> None:
        """Read all that it writes to standard error, of which the end is kept: a line may have no end."""
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            while part := os.read(stream.fileno(), _KEPT_BYTES):
                self._tail = (self._tail + part)[-_KEPT_BYTES:]


def _search_path() -> str:
    """Where this process finds its modules, so that the child finds the same."""
    return os.pathsep.join(path or os.getcwd() for path in sys.path)
