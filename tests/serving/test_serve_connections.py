"""Connections of clients that are late, on real sockets: each is closed in its time, and nobody else is."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from youtu_st.serving.connections import MOST_HEAD, Patience, close_idle, connection_kind

PATIENCE = Patience(head=0.5, body=0.8, idle=1.0)
SLOW = 2.0
"""Seconds of an answer that takes longer than all of these."""
FAR = 20.0
"""Seconds after which what should have come never does."""
LARGE = 64 << 20


async def app(scope: Any, receive: Any, send: Any) -> None:
    """``/read``: how many bytes the body has; ``/large``: many; ``/early``: an answer before the body."""
    length = 0
    if scope["path"] == "/read":
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            length, more = length + len(message["body"]), message["more_body"]
    body = bytes(LARGE) if scope["path"] == "/large" else str(length).encode()
    if scope["path"] == "/slow":
        await asyncio.sleep(SLOW)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Served(uvicorn.Server):
    """A server in a thread, which looks at its connections often."""

    def __init__(self, patience: Patience) -> None:
        kind = connection_kind(patience)
        config = uvicorn.Config(app, http=kind, ws="none", lifespan="off", log_config=None, port=0)
        super().__init__(config)

    async def serve(self, sockets: Any = None) -> None:
        looking = asyncio.create_task(close_idle(self.server_state.connections, every=0.05))
        await super().serve(sockets)
        looking.cancel()

    @property
    def port(self) -> int:
        return int(self.servers[0].sockets[0].getsockname()[1])

    def connect(self, sent: bytes = b"") -> socket.socket:
        one = socket.create_connection(("127.0.0.1", self.port))
        one.sendall(sent)
        return one


@contextmanager
def serving(patience: Patience = PATIENCE) -> Iterator[Served]:
    server = Served(patience)
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    yield server
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serving() as one:
        yield one


def until(what: Callable[[], object]) -> None:
    """Wait for something that is to happen."""
    end = time.monotonic() + FAR
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def rest(one: socket.socket) -> bytes:
    """All that still comes until the other side closes."""
    one.settimeout(FAR)
    found = b""
    try:
        while part := one.recv(1 << 16):
            found += part
    except ConnectionResetError:
        pass
    one.close()
    return found


def is_open(one: socket.socket) -> bool:
    """Whether the other side has neither closed nor reset it, and what came is not read."""
    if not select.select([one], [], [], 0)[0]:
        return True
    try:
        return bool(one.recv(1, socket.MSG_PEEK))
    except ConnectionResetError:
        return False


def trickle(one: socket.socket, what: bytes, every: float = 0.1) -> float:
    """Send a byte at a time, for ever, until the other side has had enough; seconds that it took."""
    start = time.monotonic()
    position = 0
    while is_open(one):
        assert time.monotonic() - start < FAR
        try:
            one.sendall(what[position % len(what) :][:1])
        except (ConnectionResetError, BrokenPipeError):
            break
        position += 1
        time.sleep(every)
    return time.monotonic() - start


def test_a_connection_on_which_nothing_comes_is_closed(server: Served) -> None:
    assert rest(server.connect()) == b""


def test_a_head_that_never_ends_is_told_so(server: Served) -> None:
    one = server.connect(b"GET / HTTP/1.1\r\n")
    assert trickle(one, b"x-a: b\r\n") >= PATIENCE.head
    assert rest(one).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_a_head_without_a_limit_is_not_kept(server: Served) -> None:
    for begin, part in ((b"GET / HTTP/1.1\r\nx: ", b"a"), (b"GET /", b"a"), (b"", b"\r\n")):
        one = server.connect(begin)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            one.sendall(part * (64 << 20))  # more than the system keeps for a reader
        one.close()
    # One of many headers, in one piece.
    many = b"".join(b"x-%d: 1\r\n" % number for number in range(MOST_HEAD // 8))
    assert b"431 Request Header" in rest(server.connect(b"GET / HTTP/1.1\r\n" + many))


def test_a_head_of_usual_length_is_read(server: Served) -> None:
    answer = httpx.get(f"http://127.0.0.1:{server.port}/", headers={"x": "a" * 16_000})
    assert answer.status_code == 200


def test_a_body_that_nobody_waits_for_any_more_is_no_reason_to_stay(server: Served) -> None:
    one = server.connect(b"POST /early HTTP/1.1\r\ncontent-length: 1000000\r\n\r\n")
    assert trickle(one, b"a") >= PATIENCE.body - 0.1
    assert rest(one).startswith(b"HTTP/1.1 200")


def test_a_body_that_the_application_waits_for_is_given_up(server: Served) -> None:
    one = server.connect(b"POST /read HTTP/1.1\r\ncontent-length: 1000000\r\n\r\n")
    assert trickle(one, b"a") >= PATIENCE.body - 0.1


def test_what_stands_between_requests_keeps_nothing_open(server: Served) -> None:
    one = server.connect(b"GET / HTTP/1.1\r\n\r\n")
    assert trickle(one, b"\r\n") >= PATIENCE.idle - 0.1


def test_an_answer_that_is_not_read_is_dropped_with_its_memory(server: Served) -> None:
    with ExitStack() as stack:
        several = [stack.enter_context(server.connect(b"GET /large HTTP/1.1\r\n\r\n")) for _ in range(4)]
        until(lambda: len(server.server_state.connections) >= 4)
        until(lambda: not server.server_state.connections)
        for one in several:
            assert len(rest(one)) < LARGE


def test_an_answer_that_is_read_slowly_comes_whole(server: Served) -> None:
    """Longer than an idle connection is kept, and in every second more than a client must read."""
    one = server.connect(b"GET /large HTTP/1.1\r\nconnection: close\r\n\r\n")
    one.settimeout(FAR)
    start, length = time.monotonic(), 0
    while part := one.recv(1 << 20):
        length += len(part)
        if time.monotonic() - start < 2 * PATIENCE.idle:
            time.sleep(0.1)
    assert time.monotonic() - start > 2 * PATIENCE.idle
    assert length > LARGE


def test_a_request_that_takes_longer_than_all_of_these_is_answered(server: Served) -> None:
    assert b"HTTP/1.1 200" in rest(server.connect(b"GET /slow HTTP/1.1\r\nconnection: close\r\n\r\n"))


def test_a_client_that_asks_now_and_then_keeps_its_connection(server: Served) -> None:
    one = server.connect()
    ports = set()
    for _ in range(4):
        time.sleep(PATIENCE.idle / 2)
        one.sendall(b"POST /read HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc")
        answer = b""
        while not answer.endswith(b"\r\n\r\n3"):
            part = one.recv(1000)
            assert part
            answer += part
        ports.add(one.getsockname())
    assert len(ports) == 1
    one.close()


def test_a_request_behind_one_that_is_computed_is_not_late(server: Served) -> None:
    one = server.connect(b"GET /slow HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nconnect")
    time.sleep(2 * PATIENCE.head)
    one.sendall(b"ion: close\r\n\r\n")
    assert rest(one).count(b"HTTP/1.1 200") == 2


def test_many_that_are_late_are_all_closed_and_others_are_answered(server: Served) -> None:
    heads = [server.connect(b"POST /read HTT") for _ in range(100)]
    bodies = [server.connect(b"POST /read HTTP/1.1\r\ncontent-length: 9\r\n\r\n1") for _ in range(100)]
    assert httpx.get(f"http://127.0.0.1:{server.port}/").text == "0"
    for one in heads:
        assert rest(one).startswith(b"HTTP/1.1 408")
    for one in bodies:
        assert rest(one) == b""
    until(lambda: not server.server_state.connections)
