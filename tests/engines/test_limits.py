"""What is read of an answer is what an answer may be: memory does not depend on what a server sends."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import zlib

import pytest
from engines.hostile_server import HostileServer, http, saying

from youtu_st.engines.wire import MOST_OF_A_REFUSAL, answer_limit
from youtu_st.errors import EngineError

ROW = [1.0] + [0.5] * 31
MEGABYTES = 300
TOO_LONG = "and no answer of this model needs so many: is it the right address, and the right model?"
PACKED_OTHERWISE = "sent an answer that is packed otherwise than by gzip or deflate, once"


def bomb(window, megabytes=MEGABYTES):
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    piece = b" " * (1 << 20)
    return b"".join([*(packer.compress(piece) for _ in range(megabytes)), packer.flush()])


def endless(connection, head, piece):
    connection.sendall(head)
    for _ in range(MEGABYTES):
        connection.sendall(piece)


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


GZIP, ZLIB, BARE = zlib.MAX_WBITS | 16, zlib.MAX_WBITS, -zlib.MAX_WBITS
MEGABYTE = b" " * (1 << 20)
ANSWERS = {
    "gzip": saying(http(bomb(GZIP), Content_Encoding="gzip")),
    "deflate": saying(http(bomb(ZLIB), Content_Encoding="deflate")),
    "bare deflate": saying(http(bomb(BARE), Content_Encoding="deflate")),
    "twice": saying(http(gzip.compress(bomb(GZIP)), Content_Encoding="gzip, gzip")),
    "in two headers": saying(
        http(gzip.compress(bomb(GZIP)), Content_Encoding="gzip\r\nContent-Encoding: gzip")
    ),
    "br": saying(http(b"\x1b\xff", Content_Encoding="br")),
    "zstd": saying(http(b"\x28\xb5\x2f\xfd", Content_Encoding="zstd")),
    "chunked": lambda connection, _: endless(
        connection, http(Content_Length="", Transfer_Encoding="chunked"), chunk(MEGABYTE)
    ),
    "until it closes": lambda connection, _: endless(connection, http(Content_Length=""), MEGABYTE),
    "a large length": lambda connection, _: endless(
        connection, http(Content_Length=str(MEGABYTES << 20)), MEGABYTE
    ),
    "nothing, packed": lambda connection, _: endless(
        connection, http(Content_Length="", Content_Encoding="deflate"), b"\0\0\0\xff\xff" * 200_000
    ),
    "lists": saying(http(b"[" + b"[]," * 300_000 + b"[]]")),
    "objects": saying(http(b'{"Response": {"Data": [' + b"{}," * 300_000 + b"{}]}}")),
    "openai's objects": saying(http(b'{"data": [' + b"{}," * 300_000 + b"{}]}")),
    "400, chunked": lambda connection, _: endless(
        connection,
        http(status="400 Bad Request", Content_Length="", Transfer_Encoding="chunked"),
        chunk(MEGABYTE),
    ),
    "500, gzip": saying(http(bomb(GZIP), "500 Internal Server Error", Content_Encoding="gzip")),
    "403, br": saying(http(b"\x1b\xff", "403 Forbidden", Content_Encoding="br")),
    "307, gzip": saying(http(bomb(GZIP), "307 Temporary Redirect", Content_Encoding="gzip")),
}

CHILD = """
import json, re, sys
sys.path.insert(0, "tests")
from engines.hostile_server import KINDS
from youtu_st.errors import EngineError

def peak():
    # Not getrusage's, which a child takes over from its parent.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024

name, spec, addresses = json.loads(sys.stdin.read())
kind = next(kind for kind in KINDS if kind.name == name)
engines = {case: kind.connect(address, spec, max_attempts=1) for case, address in addresses.items()}
engines.pop("warm").encode_query(["a"])
before = peak()
found = {}
for case, engine in engines.items():
    try:
        engine.encode_query(["a", "b"])
    except EngineError as error:
        found[case] = str(error)
    found[case] = (found.get(case), peak() - before)
print(json.dumps(found))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads the peak where Linux tells it")
def test_no_answer_takes_much_memory(kind, bare, folder):
    servers = {case: HostileServer(reply) for case, reply in ANSWERS.items()}
    servers["warm"] = HostileServer(saying(http(kind.body([ROW]))))
    for server in servers.values():
        server.__enter__()
    told = [kind.name, str(folder / "bare.yaml"), {case: one.address for case, one in servers.items()}]
    ran = subprocess.run(
        [sys.executable, "-c", CHILD], input=json.dumps(told), capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    for server in servers.values():
        server.__exit__()
    found = json.loads(ran.stdout)
    print({case: (message and message[:90], round(peak)) for case, (message, peak) in found.items()})
    assert set(found) == set(ANSWERS)
    for case, (message, peak) in found.items():
        assert peak < 64, (case, peak)  # megabytes over an ordinary request; 300 arrive
        assert message, case
        assert len(message) < 400, case
    for case in ("gzip", "deflate", "bare deflate", "chunked", "until it closes", "a large length"):
        assert TOO_LONG in found[case][0], (case, found[case])
    for case in ("twice", "in two headers", "br", "zstd"):
        assert found[case][0].endswith(PACKED_OTHERWISE), (case, found[case])
    status = {"400, chunked": "400", "500, gzip": "500", "403, br": "403", "307, gzip": "307"}
    for case, number in status.items():
        assert number in found[case][0], (case, found[case])


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "identity", "deflate", "identity, gzip"])
def test_what_was_packed_as_asked_is_unpacked(kind, bare, encoding):
    vectors = [ROW, ROW[::-1]]
    pack = {"identity": bytes, "deflate": zlib.compress}.get(encoding, gzip.compress)
    with HostileServer(saying(http(pack(kind.body(vectors)), Content_Encoding=encoding))) as server:
        got = kind.connect(server.address, bare).encode_raw(["a", "b"], "query")
    assert got.tolist() == vectors
    assert b"\r\naccept-encoding: gzip, deflate\r\n" in server.requests[0].lower()


def test_deflate_without_its_header_a_byte_at_a_time(kind, bare):
    packer = zlib.compressobj(9, zlib.DEFLATED, BARE)
    body = packer.compress(kind.body([ROW])) + packer.flush()

    def reply(connection, _):
        connection.sendall(http(Content_Length=str(len(body)), Content_Encoding="deflate"))
        server.drip(connection, body, 0.001)

    with HostileServer(reply) as server:
        assert kind.connect(server.address, bare).encode_raw(["a"], "query").tolist() == [ROW]


def test_the_limit_is_far_from_any_answer(kind, bare):
    wide = json.dumps(kind.rows([[-0.12345678901234567e-10] * 32] * 7), indent=16).encode()
    assert len(wide) * 2 < answer_limit(7, 32) + 7 * 32 * 64
    for body, fits in ((wide, True), (wide.ljust(answer_limit(7, 32)), True), (wide.ljust(1 << 21), False)):
        with HostileServer(saying(http(body))) as server:
            settings = {"batch_size": 7} if kind.name == "openai" else {}
            engine = kind.connect(server.address, bare, **settings)
            texts = list("abcdefg")
            if fits:
                assert engine.encode_raw(texts, "query").shape == (7, 32)
            else:
                with pytest.raises(EngineError, match=r"sent more than 1,062,912 bytes, and no answer"):
                    engine.encode_raw(texts, "query")
        assert len(server.requests) == 1  # asking again would not help


def test_a_length_that_is_not_true(kind, bare):
    good = kind.body([ROW])
    for length, message in ((len(good) + 9, "cannot be reached"), (len(good) - 9, "something else than")):
        with HostileServer(saying(http(good, Content_Length=str(length)))) as server:
            engine = kind.connect(server.address, bare, max_attempts=1)
            with pytest.raises(EngineError, match=message):
                engine.encode_query(["a"])
    for length in ("-1", "1e9", "9" * 400, "0x10", f"{len(good)}, 3"):
        with HostileServer(saying(http(good, Content_Length=length))) as server:
            engine = kind.connect(server.address, bare, max_attempts=1, timeout=5)
            with pytest.raises(EngineError) as caught:
                engine.encode_query(["a"])
        assert len(str(caught.value)) < 400


def test_a_long_refusal_is_still_that_refusal(kind, bare):
    reason = b'{"error": {"message": "down for the day"}} ' + b" " * 2 * MOST_OF_A_REFUSAL
    with HostileServer(saying(http(reason, "503 Service Unavailable"), http(kind.body([ROW])))) as server:
        assert kind.connect(server.address, bare, max_attempts=2).encode_raw(["a"], "query").tolist() == [ROW]
    assert len(server.requests) == 2
    with HostileServer(saying(http(reason, "403 Forbidden"))) as server:
        engine = kind.connect(server.address, bare, max_attempts=1)
        with pytest.raises(EngineError, match="403.*down for the day"):
            engine.encode_query(["a"])
