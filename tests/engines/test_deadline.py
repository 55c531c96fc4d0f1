"""A request has one time limit, from connecting to the last byte, whatever the server does in between."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import time

import pytest
from engines.hostile_server import CERTIFICATE, KINDS, HostileServer, http, saying

from youtu_st.engines.wire import TimedOut, Wire
from youtu_st.errors import EngineError

LIMIT = 0.5
ENDLESS = "10000000"


def chunked(connection, server):
    connection.sendall(http(Content_Length="", Transfer_Encoding="chunked"))
    while (
        not server.stopped.is_set()
    ):  # else the thread spins on, and takes half of a core from all that follows
        server.drip(connection, b"1\r\n[\r\n")


DRIPS = {
    "silence": lambda connection, server: time.sleep(5),
    "status": lambda connection, server: server.drip(connection, b"HTTP/1.1 200 " + b"O" * 999),
    "headers": lambda connection, server: server.drip(connection, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 999),
    "interim": lambda connection, server: server.drip(
        connection, b"HTTP/1.1 100 Continue\r\n\r\n" * 99, 0.01
    ),
    "body": lambda connection, server: (
        connection.sendall(http(Content_Length=ENDLESS)),
        server.drip(connection, b"[" * 999),
    ),
    "without length": lambda connection, server: (
        connection.sendall(http(Content_Length="")),
        server.drip(connection, b"[" * 999),
    ),
    "chunked": chunked,
    "a refusal": lambda connection, server: (
        connection.sendall(http(status="400 Bad Request", Content_Length=ENDLESS)),
        server.drip(connection, b"[" * 999),
    ),
    "packed": lambda connection, server: (
        connection.sendall(http(Content_Length=ENDLESS, Content_Encoding="deflate")),
        server.drip(connection, itertools.cycle(b"\0\0\0\xff\xff")),  # blocks with nothing in them
    ),
}


def fails(engine, texts=("a",)):
    """The error of a request, and the seconds until it."""
    start = time.perf_counter()
    with pytest.raises(EngineError) as caught:
        engine.encode_query(list(texts))
    return str(caught.value), time.perf_counter() - start


def says_late(kind, message, address, times=1):
    asked = "asked once" if times == 1 else f"asked {times} times"
    if kind.name == "openai":
        return message == f"http://{address} did not answer within {LIMIT:g} seconds, {asked}"
    told = "" if times == 1 else f", {asked}"
    return message == f"http://{address} cannot be reached{told}: timed out after {LIMIT:g} seconds"


@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS)
def test_a_byte_at_a_time_is_not_an_answer(kind, bare, drip):
    with HostileServer(lambda connection, _: drip(connection, server)) as server:
        engine = kind.connect(server.address, bare, timeout=LIMIT, max_attempts=1)
        message, took = fails(engine)
    assert says_late(kind, message, server.address)
    assert LIMIT <= took < LIMIT + 0.5


def test_each_attempt_has_the_whole_time(kind, bare):
    with HostileServer(lambda connection, _: DRIPS["headers"](connection, server)) as server:
        engine = kind.connect(server.address, bare, timeout=LIMIT, max_attempts=2)
        message, took = fails(engine)
    assert says_late(kind, message, server.address, times=2)
    assert len(server.requests) == 2
    assert 2 * LIMIT <= took < 2 * LIMIT + 1  # the openai client's pause is up to half a second


def test_a_connection_that_was_good_may_be_no_longer(kind, bare):
    def once(connection, request):
        connection.sendall(http(kind.body([[1.0] * 32]), Connection=""))
        connection.recv(1)
        server.drip(connection, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 999)

    with HostileServer(once) as server:
        engine = kind.connect(server.address, bare, timeout=LIMIT, max_attempts=1)
        assert engine.encode_query(["a"]).shape == (1, 32)
        message, took = fails(engine)
    assert len(server.requests) == 1  # the second was sent on the connection of the first
    assert says_late(kind, message, server.address)
    assert LIMIT <= took < LIMIT + 0.5


def test_a_request_that_is_not_taken(kind, bare):
    def sip(connection, _):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while not server.stopped.is_set() and connection.recv(1 << 12):
            time.sleep(0.05)

    with HostileServer(sip, read=False) as server:
        engine = kind.connect(server.address, bare, timeout=LIMIT, max_attempts=1, truncation="ignore")
        texts = [f"{i}{'好' * 1_000_000}" for i in range(7)] if kind.name == "openai" else ["好" * 2000] * 7
        message, took = fails(engine, texts)
    assert "within 0.5 seconds" in message or "timed out" in message
    assert LIMIT <= took < 2 * LIMIT + 1  # the question what the server is has a limit of its own


def test_redirects_are_of_the_same_attempt(bare):
    def onwards(connection, _):
        time.sleep(0.2)
        connection.sendall(http(status="307 Temporary Redirect", Location="/v1/embeddings"))

    with HostileServer(onwards) as server:
        engine = KINDS[0].connect(server.address, bare, timeout=LIMIT, max_attempts=1)
        message, took = fails(engine)
    assert says_late(KINDS[0], message, server.address)
    assert 2 <= len(server.requests) <= 4
    assert LIMIT <= took < LIMIT + 0.5


def test_a_redirect_is_followed_by_the_one_and_refused_by_the_other(kind, bare):
    moved = http(status="307 Temporary Redirect", Location="/elsewhere")
    with HostileServer(saying(moved, http(kind.body([[1.0] * 32])))) as server:
        engine = kind.connect(server.address, bare, max_attempts=1)
        if kind.name == "openai":
            assert engine.encode_query(["a"]).shape == (1, 32)
            assert [request.split()[1] for request in server.requests] == [b"/v1/embeddings", b"/elsewhere"]
            return
        with pytest.raises(EngineError, match="answered ServerNetworkError: status 307, without a reason"):
            engine.encode_query(["a"])  # what is signed for one host is not sent to another
        assert len(server.requests) == 1


def trusting():
    return ssl.create_default_context(cafile=CERTIFICATE)


def test_tls_too():
    with HostileServer(saying(http(b"{}")), tls=True) as server:
        url = f"https://{server.address}/"
        wire = Wire(url, limit=100, context=trusting())
        assert wire.send("POST", url, [(b"Host", b"localhost")], b"{}", seconds=5).body == b"{}"
    with HostileServer(lambda connection, _: DRIPS["headers"](connection, server), tls=True) as server:
        took = until_timed_out(f"https://{server.address}/")
    assert LIMIT <= took < LIMIT + 0.5
    # No handshake: the bytes that arrive are the length of a record that is never there.
    with HostileServer(
        lambda c, _: server.drip(c, b"\x16\x03\x03\x3f\xff" + b"x" * 999), read=False
    ) as server:
        took = until_timed_out(f"https://{server.address}/")
    assert LIMIT <= took < LIMIT + 0.5


def until_timed_out(url):
    wire = Wire(url, limit=100, context=trusting())
    start = time.perf_counter()
    with pytest.raises(TimedOut):
        wire.send("POST", url, [(b"Host", b"localhost")], b"{}", seconds=LIMIT)
    return time.perf_counter() - start


def test_all_addresses_of_a_name_share_the_time(monkeypatch):
    # 192.0.2.0/24 is for documentation: nobody answers there, or the system says at once that there is no way.
    resolve = socket.getaddrinfo

    def two(host, port, *rest, **more):
        if host != "two.test":
            return resolve(host, port, *rest, **more)
        found = (("192.0.2.1", port), ("127.0.0.1", port))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    with HostileServer(saying(http(b"{}"))) as server:
        url = f"http://two.test:{server.address.rpartition(':')[2]}/"
        wire = Wire(url, limit=100, context=None)
        start = time.perf_counter()
        with contextlib.suppress(TimedOut):  # where the first address is waited for
            assert wire.send("POST", url, [(b"Host", b"two.test")], b"{}", seconds=LIMIT).body == b"{}"
        assert time.perf_counter() - start < LIMIT + 0.5
