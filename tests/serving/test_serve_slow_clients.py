"""Hundreds of clients that send or read slowly, or not at all: others are answered, and they are closed."""

from __future__ import annotations

import json
import socket
import statistics
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from served_process import served, until

EACH = 100
# The queue holds all that they ask for at once: what is full, where the network is slow, has a test of its own.
SETTINGS = "model: minilm\nbody_timeout: 6\nidle_timeout: 6\nqueue_tokens: 4000000\n"
MOST_SLOWER = 3.0
"""Times that a question may take beside them: far more than it takes, for a machine that does other things too."""
HEAD = b"POST /v1/embeddings HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
LARGE = json.dumps({"model": "minilm", "input": ["a"] * 2048}).encode()
"""One text, and 2,048 rows in the answer: 9 MB, more than a system's buffers take."""


def ask(client: httpx.Client, number: int = 30) -> float:
    """Median seconds of a question."""
    taken = []
    for i in range(number):
        start = time.perf_counter()
        answer = client.post("/v1/embeddings", json={"model": "minilm", "input": f"which planet is red? {i}"})
        taken.append(time.perf_counter() - start)
        assert answer.status_code == 200
    return statistics.median(taken)


def come(address: tuple[str, int]) -> list[socket.socket]:
    """Clients that will never end their head, never end their body, never read their answer; and so on."""
    slow = []
    for _ in range(EACH):
        slow += [socket.create_connection(address) for _ in range(3)]
        slow[-3].sendall(b"POST /v1/embeddings HTTP/1.1\r\n")
        slow[-2].sendall(HEAD % 1000)
        slow[-1].sendall(HEAD % len(LARGE) + LARGE)
    return slow


@pytest.mark.slow
def test_they_cost_others_little_and_are_closed(tmp_path: Path) -> None:
    (tmp_path / "serve.yaml").write_text(SETTINGS)
    with served(tmp_path, "--config", "serve.yaml") as started:
        started.wait_until_ready()
        address = ("127.0.0.1", int(started.url.rpartition(":")[2]))
        process = psutil.Process(started.process.pid)
        memory = []
        with httpx.Client(base_url=started.url, timeout=60) as client:
            ask(client)
            alone = ask(client)
            for _ in range(3):
                slow, end, beside = come(address), time.monotonic() + 5, []
                while time.monotonic() < end or not beside:
                    for one in slow[::3] + slow[1::3]:
                        with suppress(OSError):
                            one.sendall(b"x")
                    beside.append(ask(client))
                # The least: at first, what they ask for is computed.
                assert min(beside) < MOST_SLOWER * alone
                until(lambda: len(process.net_connections()) <= 2)  # what listens, and this client
                for one in slow:
                    one.close()
                memory.append(process.memory_info().rss)
            assert max(memory[1:]) < 1.2 * memory[0]
            assert ask(client) < MOST_SLOWER * alone
        assert started.stop() == 0
