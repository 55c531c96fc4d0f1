"""More than a server can do: refused in time, at a bounded cost; and an event loop that nothing holds up."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from bisect import bisect_left, bisect_right
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from serving.raw_clients import Connection, metric, post
from serving.served_process import Served, served

SECONDS = float(os.environ.get("YOUTU_ST_TEST_LOAD_SECONDS", "15"))
"""Of too many requests; a minute shows more."""
MOST_GROWN = 0.05 if SECONDS < 30 else 0.15
"""In a minute the system's allocator spreads over a tenth more, with batches of all sizes, and then no further."""
TIMES_TOO_MANY = 4
QUEUE_TOKENS = 8192
CONNECTIONS = 768
"""More than the queue has room for."""


def question(number: object) -> bytes:
    fields = {"input": f"which planet is known for its red colour, and why? {number}", "model": "minilm"}
    return post({**fields, "encoding_format": "base64"})


class Sent(NamedTuple):
    """A request and its answer."""

    at: float
    seconds: float
    status: int
    retry_after: str | None


class Crowd:
    """Clients that send at a rate, whether they are answered or not.

    Args:
        url: Of the server.
    """

    def __init__(self, url: str) -> None:
        self.sent: list[Sent] = []
        self._free = [Connection(url) for _ in range(CONNECTIONS)]

    async def _ask(self, connection: Connection, number: int) -> None:
        start = time.monotonic()
        answer = await connection.ask(question(number))
        taken = time.monotonic() - start
        self.sent.append(Sent(start, taken, answer.status, answer.headers.get("retry-after")))
        self._free.append(connection)

    async def come(self, rate: float, seconds: float) -> None:
        """Send, and wait for the last answer.

        Args:
            rate: Requests a second.
            seconds: For how long.
        """
        start, asking = time.monotonic(), list[asyncio.Task[None]]()
        while (now := time.monotonic() - start) < seconds:
            while self._free and len(asking) < now * rate:
                asking.append(asyncio.create_task(self._ask(self._free.pop(), len(asking))))
            await asyncio.sleep(0.005)
        await asyncio.gather(*asking)
        for connection in self._free:
            connection.close()


async def rate_of(url: str, clients: int = 32, seconds: float = 3.0) -> float:
    """Questions a second that are answered, asked by a number of clients that each wait for their answer."""
    end, answered = time.monotonic() + seconds, 0

    async def ask(number: int) -> None:
        nonlocal answered
        connection = Connection(url)
        while time.monotonic() < end:
            assert (await connection.ask(question(number))).status == 200
            answered += 1
        connection.close()

    await asyncio.gather(*map(ask, range(clients)))
    return answered / seconds


async def alone(url: str, number: int = 25) -> float:
    """Median seconds of a question, with no other beside it."""
    connection, taken = Connection(url), []
    for i in range(number):
        start = time.monotonic()
        assert (await connection.ask(question(i))).status == 200
        taken.append(time.monotonic() - start)
    connection.close()
    return statistics.median(taken)


def most_between(answered: list[Sent]) -> int:
    """How many others are answered while one waits: the longest wait, on a clock that the machine moves."""
    ends = sorted(one.at + one.seconds for one in answered)
    return max(bisect_left(ends, one.at + one.seconds) - bisect_right(ends, one.at) for one in answered)


async def watch(server: Served, seen: list[tuple[float, int]]) -> None:
    """Note the memory of a process, again and again."""
    process = psutil.Process(server.process.pid)
    while True:
        seen.append((time.monotonic(), process.memory_info().rss))
        await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_a_full_queue(tmp_path: Path) -> None:
    with served(tmp_path, "minilm", "--queue-tokens", QUEUE_TOKENS) as server:
        server.wait_until_ready()
        url = server.url
        before = await alone(url)
        rate = await rate_of(url)
        memory: list[tuple[float, int]] = []
        watching = asyncio.create_task(watch(server, memory))
        crowd, start = Crowd(url), time.monotonic()
        await crowd.come(TIMES_TOO_MANY * rate, SECONDS)
        took = time.monotonic() - start
        watching.cancel()
        await asyncio.sleep(1)
        after = min([await alone(url) for _ in range(3)])

        answered = [one for one in crowd.sent if one.status == 200]
        refused = [one for one in crowd.sent if one.status == 429]
        assert len(answered) + len(refused) == len(crowd.sent)
        assert len(refused) > len(answered) / 2, "the queue was hardly full"
        assert all(int(one.retry_after or 0) >= 1 for one in refused)
        tokens = metric(url, "tokens_total", kind="encoded") / metric(url, "texts_total", kind="encoded")
        longest = max(one.seconds for one in answered)
        queue_seconds = QUEUE_TOKENS / tokens * took / len(answered)
        between_them = most_between(answered)

        def between(begin: float, end: float) -> float:
            part = [rss for at, rss in memory if begin <= (at - start) / SECONDS < end]
            return statistics.median(part)

        grown = between(0.8, 1.0) / between(0.3, 0.5) - 1
        print(
            f"{rate:.0f} questions a second; {len(answered)} answered, {len(refused)} refused in {took:.1f} s; "
            f"memory grown by {grown:.1%} of {between(0.3, 0.5) / 1e6:.0f} MB; the longest wait {longest:.2f} s, "
            f"{between_them} answers long, where the queue is {queue_seconds:.2f} s and "
            f"{QUEUE_TOKENS / tokens:.0f} answers long; a question alone {1000 * before:.1f} ms before, "
            f"{1000 * after:.1f} ms after"
        )
        assert grown < MOST_GROWN
        # What was under way when it came, and shorter ones that came later and went before it, for a time.
        assert between_them < 3 * QUEUE_TOKENS / tokens
        assert after < 2 * before + 0.02
        assert server.stop() == 0
