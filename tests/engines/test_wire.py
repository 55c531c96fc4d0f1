"""The wire goes where the environment says, as the clients that it stands under did."""

from __future__ import annotations

import gc
import time

import pytest
from engines.hostile_server import KINDS, HostileServer, http, saying

from youtu_st.engines import TencentCloudEncoder
from youtu_st.errors import EngineError, InputError

OPENAI = KINDS[0]
ROW = [1.0] + [0.5] * 31


def test_a_proxy_of_the_environment_is_used(bare, monkeypatch):
    with HostileServer(saying(http(OPENAI.body([ROW])))) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:pass%40word@{proxy.address}")
        got = OPENAI.connect("model.test", bare).encode_raw(["a"], "query")
    assert got.tolist() == [ROW]
    head = proxy.requests[0].decode().lower()
    assert head.startswith("post http://model.test/v1/embeddings http/1.1\r\n")
    assert "\r\nproxy-authorization: basic bwu6cgfzc0b3b3jk\r\n" in head  # me:pass@word


def test_no_proxy_for_what_needs_none(bare, monkeypatch):
    with HostileServer(saying(http(OPENAI.body([ROW])))) as server:
        monkeypatch.setenv("ALL_PROXY", "127.0.0.1:9")
        with pytest.raises(EngineError, match="cannot be reached"):
            OPENAI.connect(server.address, bare, max_attempts=1).encode_raw(["a"], "query")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert OPENAI.connect(server.address, bare).encode_raw(["a"], "query").tolist() == [ROW]


def test_a_proxy_that_is_no_address(bare, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://me:secret@localhost:port")
    with pytest.raises(InputError, match="proxy for http:// is no address like.*NO_PROXY") as caught:
        OPENAI.connect("model.test", bare)
    assert "secret" not in str(caught.value)


def test_a_proxy_is_asked_for_a_tunnel_where_there_is_tls(bare, monkeypatch):
    asked = []

    def refuse(connection, _):
        asked.append(connection.recv(1 << 16))
        connection.sendall(http(status="403 No"))

    with HostileServer(refuse, read=False) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        engine = TencentCloudEncoder(spec=bare, endpoint="api.test", max_attempts=1, timeout=2)
        with pytest.raises(EngineError, match="https://api.test cannot be reached: 403 No"):
            engine.encode_query(["a"])
    assert asked[0].startswith(b"CONNECT api.test:443 HTTP/1.1\r\n")


def test_cookies_are_not_kept(kind, bare):
    replies = saying(http(kind.body([ROW]), Set_Cookie="a=b"), http(kind.body([ROW])))
    with HostileServer(replies) as server:
        engine = kind.connect(server.address, bare)
        for _ in range(2):
            assert engine.encode_raw(["a"], "query").tolist() == [ROW]
    assert not [request for request in server.requests if b"cookie" in request.lower()]


def test_connections_are_closed_with_their_engine(kind, bare):
    closed = []

    def reply(connection, _):
        connection.sendall(http(kind.body([ROW]), Connection=""))
        connection.settimeout(5)
        closed.append(connection.recv(1))

    with HostileServer(reply) as server:
        engine = kind.connect(server.address, bare)
        engine.encode_raw(["a"], "query")
        del engine
        gc.collect()
        until = time.monotonic() + 5
        while not closed and time.monotonic() < until:
            time.sleep(0.01)
    assert closed == [b""]
