"""The event loop under load: how long its turns take, and for how long it is kept from one."""

from __future__ import annotations

import asyncio
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from checkpoints import save_checkpoint, save_spec
from serving import greedy_clients
from serving.in_process import application, ready

from youtu_st import Encoder
from youtu_st.serving.connections import Patience, connection_kind
from youtu_st.serving.run import SWITCH_SECONDS

TESTS = Path(__file__).parents[1]
LONGEST = 0.005
"""Seconds of a turn of the loop."""
ROUNDS = 4
"""Of which one is enough: what the server does itself, it does in each of them."""
SECONDS = 2.0


class Turns(selectors.DefaultSelector):
    """Notes how long the loop is busy between two looks at its sockets, in seconds of its own thread's work."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[float] = []
        self._began: float | None = None

    def select(self, timeout: float | None = None) -> Any:
        if self._began is not None:
            self.taken.append(time.thread_time() - self._began)
        found = super().select(timeout)
        self._began = time.thread_time()
        return found


class Watched:
    """A server in a thread, with a loop that is watched."""

    def __init__(self, app: Any) -> None:
        self.turns, self.lags = Turns(), list[float]()
        self._socket = socket.create_server(("127.0.0.1", 0))
        kind = connection_kind(Patience())
        self._server = uvicorn.Server(
            uvicorn.Config(app, http=kind, ws="none", lifespan="off", log_config=None)
        )
        self._thread = threading.Thread(target=self._run)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def _run(self) -> None:
        loop = asyncio.SelectorEventLoop(self.turns)
        loop.run_until_complete(self._serve())
        loop.close()

    async def _serve(self) -> None:
        beating = asyncio.create_task(self._beat())
        await self._server.serve([self._socket])
        beating.cancel()

    async def _beat(self) -> None:
        """How late the loop is; not where the whole process does nothing either, as its cores do other things."""
        while True:
            start, worked = time.perf_counter(), time.process_time()
            await asyncio.sleep(0.001)
            late = time.perf_counter() - start - 0.001
            self.lags.append(min(late, time.process_time() - worked))

    @contextmanager
    def serving(self) -> Iterator[None]:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        try:
            yield
        finally:
            self._server.should_exit = True
            self._thread.join()


@pytest.fixture
def often() -> Iterator[None]:
    """Threads change as they do in a server's process."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    yield
    sys.setswitchinterval(before)


@pytest.mark.slow
def test_nothing_holds_the_loop_up(tmp_path: Path, often: None) -> None:
    weights = save_checkpoint(tmp_path / "weights", "bert", "wordpiece", hidden=1024)
    spec = save_spec(
        tmp_path / "tiny.yaml", prompts={"query": "", "document": ""}, dimension=1024, max_length=16
    )
    encoder = Encoder(spec, checkpoint=weights, truncation="ignore", unknown="ignore", batch_tokens=1024)
    server = ready(encoder, name="wide", queue_tokens=1 << 20)
    watched = Watched(application(server))
    with watched.serving():
        for _ in range(ROUNDS):
            watched.turns.taken.clear()
            watched.lags.clear()
            command = [sys.executable, "-m", greedy_clients.__name__, watched.url, str(SECONDS)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=TESTS)
            assert done.returncode == 0, done.stderr
            answered = [int(number) for number in done.stdout.split()]
            assert all(answered), answered
            turn, lag = max(watched.turns.taken), float(np.percentile(watched.lags, 99))
            print(answered, f"longest turn {1000 * turn:.1f} ms; lag {1000 * lag:.1f} ms, of 99 in 100")
            if turn < LONGEST and lag < 4 * LONGEST:
                return
    pytest.fail("something holds the loop up")
