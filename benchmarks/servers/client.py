"""Clients in a closed loop: each connection sends its next request when the last one's answer has arrived.

In a process of its own, and with as little work for each answer as can be, so that a request costs the client
a tenth of a millisecond: what is measured is the server.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

HOST = "127.0.0.1"
LAST_CHUNK = b"\r\n0\r\n\r\n"  # of a JSON body, in which no line ends
GIVE_UP = 120.0
"""Seconds after the end of a load in which what was sent must have been answered."""


@dataclass(frozen=True)
class Stream:
    """Connections that send requests of one kind.

    Attributes:
        requests: Whole requests, headers and all; the connections take them in turn, again and again.
        connections: How many at once.
        background: Whether its last answers do not matter: where all others have theirs, it hangs up.
    """

    requests: Sequence[bytes]
    connections: int
    background: bool = False


@dataclass(frozen=True)
class Load:
    """What is sent to a server.

    Attributes:
        port: On the loopback address.
        streams: By name.
        seconds: For how long requests are sent; what is on its way then is waited for.
        lead: Seconds before them, of which nothing counts; where there is a background, it is alone in them.
        count: Instead of seconds: so many requests of each stream.
    """

    port: int
    streams: Mapping[str, Stream]
    seconds: float = 0.0
    lead: float = 0.0
    count: int | None = None


@dataclass
class Answers:
    """What came back to a stream.

    Attributes:
        taken: Seconds of each answer whose request was sent after the lead.
        in_time: How many answers came between the lead and the end.
        all: How many came at all.
        statuses: How often each.
        first_failure: The body of the first answer that is not 200.
    """

    taken: list[float] = field(default_factory=list)
    in_time: int = 0
    all: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    first_failure: str | None = None


@dataclass(frozen=True)
class Result:
    """What a load came to.

    Attributes:
        answers: By the stream's name.
        seconds: From the first request to the last answer.
        client_cpu: The client's own CPU seconds.
    """

    answers: Mapping[str, Answers]
    seconds: float
    client_cpu: float


def post(path: str, body: Mapping[str, Any]) -> bytes:
    """A whole request."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(content)}\r\n\r\n".encode() + content


def get(path: str) -> bytes:
    """A whole request without a body."""
    return f"GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode()


class Connection(asyncio.Protocol):
    """One connection that is kept open, and one request on it at a time.

    Args:
        next_request: The next one, or None at the end.
        on_answer: Is told when it was sent, when its answer was whole, its status, and its body.
    """

    def __init__(
        self,
        next_request: Callable[[], bytes | None],
        on_answer: Callable[[float, float, int, bytes], None],
    ) -> None:
        self._next, self._on_answer = next_request, on_answer
        self._arrived = bytearray()
        self._head: tuple[int, int | None] | None = None  # where it ends, and how long the body is
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._send()

    def _send(self) -> None:
        request = self._next()
        if request is None:
            self.hang_up()
            return
        self._sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._arrived += data
        if self._head is None:
            end = self._arrived.find(b"\r\n\r\n")
            if end < 0:
                return
            self._head = end + 4, body_length(self._arrived[: end + 2])
        start, length = self._head
        whole = self._arrived.endswith(LAST_CHUNK) if length is None else len(self._arrived) >= start + length
        if not whole:
            return
        answered, status, body = time.perf_counter(), int(self._arrived[9:12]), bytes(self._arrived[start:])
        self._arrived.clear()
        self._head = None
        self._on_answer(self._sent, answered, status, body if length is not None else joined(body))
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server hung up"))

    def hang_up(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        self.transport.abort()


def body_length(head: bytearray) -> int | None:
    """Bytes of a body, by its answer's head; None: it comes in chunks."""
    for line in bytes(head).lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
        if line.startswith(b"transfer-encoding:") and b"chunked" in line:
            return None
    raise ConnectionError("an answer that does not say where it ends")


def joined(chunks: bytes) -> bytes:
    """A body that came in chunks."""
    body, start = bytearray(), 0
    while size := int(chunks[start : (end := chunks.index(b"\r\n", start))], 16):
        body += chunks[end + 2 : end + 2 + size]
        start = end + 2 + size + 2
    return bytes(body)


def run(load: Load) -> Result:
    """Send a load, and gather what comes back.

    Raises:
        ConnectionError: The server hung up, or did not answer in time.
    """
    return asyncio.run(_run(load))


async def _run(load: Load) -> Result:
    cpu, start = time.process_time(), time.perf_counter()
    begin = start + load.lead
    answers = {name: Answers() for name in load.streams}
    behind = [
        each
        for name, stream in load.streams.items()
        if stream.background
        for each in await _connect(load, stream, answers[name], begin)
    ]
    if behind:
        await asyncio.sleep(begin - time.perf_counter())
    ahead = [
        each.done
        for name, stream in load.streams.items()
        if not stream.background
        for each in await _connect(load, stream, answers[name], begin)
    ]
    waiting = None if load.count is not None else load.lead + load.seconds + GIVE_UP
    _, late = await asyncio.wait(ahead, timeout=waiting, return_when=asyncio.FIRST_EXCEPTION)
    seconds = time.perf_counter() - start
    for each in behind:
        each.hang_up()
    for done in (*ahead, *(each.done for each in behind)):
        if done.done():
            done.result()
    if late:
        raise ConnectionError(f"no answer in {GIVE_UP:.0f} s after the end of the load")
    return Result(answers, seconds, time.process_time() - cpu)


async def _connect(load: Load, stream: Stream, answers: Answers, begin: float) -> list[Connection]:
    """A stream's connections, each of which has sent its first request."""
    end, requests = begin + load.seconds, iter(itertools.cycle(stream.requests))
    if load.count is not None:
        requests = itertools.islice(requests, load.count)

    def next_request() -> bytes | None:
        by_seconds = load.count is None
        return None if by_seconds and time.perf_counter() >= end else next(requests, None)

    def on_answer(sent: float, answered: float, status: int, body: bytes) -> None:
        answers.all += 1
        answers.statuses[status] += 1
        if status != 200 and answers.first_failure is None:
            answers.first_failure = body[:300].decode(errors="replace")
        if sent >= begin:
            answers.taken.append(answered - sent)
        if load.count is not None or begin <= answered < end:
            answers.in_time += 1

    made = [Connection(next_request, on_answer) for _ in range(stream.connections)]
    for each in made:
        await asyncio.get_running_loop().create_connection(partial(_itself, each), HOST, load.port)
    return made


def _itself(connection: Connection) -> Connection:
    return connection


def bodies(port: int, requests: Sequence[bytes]) -> list[Any]:
    """The answers to some requests, one after the other, read as JSON."""
    found: list[Any] = []

    async def ask() -> None:
        loop, left = asyncio.get_running_loop(), iter(requests)
        made = Connection(
            lambda: next(left, None), lambda sent, answered, status, body: found.append(json.loads(body))
        )
        await loop.create_connection(lambda: made, HOST, port)
        await made.done

    asyncio.run(ask())
    return found


def functions() -> Mapping[str, Callable[..., Any]]:
    """What the client's process can be asked to do."""
    return {"run": run, "bodies": bodies}
