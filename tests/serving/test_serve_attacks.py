"""Hostile and clumsy clients: none gets another answer than it should, or keeps others from theirs."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from checkpoints import save_spec
from serving.in_process import ByHand, client, ready
from serving.over_loopback import served

from youtu_st import Encoder
from youtu_st.errors import InputError
from youtu_st.serving.body import BODIES
from youtu_st.serving.connections import Patience, connection_kind
from youtu_st.serving.keys import Keys, load_keys
from youtu_st.serving.run import open_socket
from youtu_st.serving.server import Server
from youtu_st.serving.settings import ServerSettings

TEXT = "Where is the station?"
ASKED = {"input": TEXT, "model": "tiny:query", "encoding_format": "base64"}


@pytest.fixture(scope="module")
def address(server: Server) -> Iterator[tuple[str, int]]:
    """Of a server with the connections that the command has."""
    with served(server, http=connection_kind(Patience())) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        yield host, int(port)


def posted(*headers: str, **fields: object) -> tuple[bytes, bytes]:
    """The head and the body of a request."""
    body = json.dumps(ASKED | fields).encode()
    lines = ["POST /v1/embeddings HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode(), body


def answers(one: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """The status and the body of each of some answers."""
    found = []
    with one, one.makefile("rb") as stream:
        for _ in range(count):
            status = int(stream.readline().split()[1])
            headers = dict(line.lower().split(b": ", 1) for line in iter(stream.readline, b"\r\n"))
            found.append((status, stream.read(int(headers[b"content-length"]))))
    return found


def vector(answer: bytes) -> np.ndarray:
    """The vector of an answer with one."""
    (row,) = json.loads(answer)["data"]
    return np.frombuffer(base64.b64decode(row["embedding"]), dtype="<f4")


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("upgrade", ["Upgrade: h2c", "upgrade:h2c", "UPGRADE: websocket"])
def test_an_upgrade_that_there_is_not_is_left_alone(address, encoder: Encoder, parts, upgrade) -> None:
    """Java's client asks for HTTP/2 with its first request, which has a body as any other."""
    head, body = posted("Connection: Upgrade, HTTP2-Settings", upgrade, "HTTP2-Settings: AAMAAABkAAQAoAAA")
    one = socket.create_connection(address)
    if parts == 1:
        one.sendall(head + body)
    else:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.sendall(head)
        one.sendall(body)
    one.sendall(b"".join(posted()))  # the connection goes on with HTTP/1.1
    for status, answer in answers(one, 2):
        assert status == 200, answer
        np.testing.assert_allclose(vector(answer), encoder.encode_query([TEXT])[0], atol=1e-6)


def test_many_requests_may_come_one_behind_the_other(address) -> None:
    """Together they are longer than the head of one may be."""
    one = socket.create_connection(address)
    one.sendall(b"".join(posted("X-Padding: " + "x" * 1000)) * 200)
    assert [status for status, _ in answers(one, 200)] == [200] * 200


async def test_bodies_that_come_at_once_have_an_end(encoder: Encoder) -> None:
    """Each of them is shorter than it may be, and together they would fill the memory."""
    most = 100_000
    server = ready(encoder, name="tiny", max_body=most)
    begun = [ByHand(server).body(b" " * most, more=True) for _ in range(BODIES)]
    running = [asyncio.create_task(one.run()) for one in begun]
    while not all(one.incoming.empty() for one in begun):
        await asyncio.sleep(0.001)
    _, body = posted()
    one_more = await ByHand(server).body(body).run()
    assert one_more.status == 429
    assert json.loads(one_more.answer)["error"]["code"] == "bodies_full"
    assert int(one_more.headers["retry-after"]) >= 1
    assert "bodies_full" in server.metrics.page()[0].decode()
    begun[0].incoming.put_nowait({"type": "http.disconnect"})
    await running[0]
    assert (await ByHand(server).body(body).run()).status == 200
    for one in begun[1:]:  # none of those that were first is refused for what came later
        one.body(body)
    await asyncio.gather(*running)
    assert [one.status for one in begun] == [None] + [413] * (BODIES - 1)
    assert (await ByHand(server).body(body).run()).status == 200


@pytest.mark.slow
async def test_one_endless_word_keeps_nobody_waiting(
    checkpoint: Callable[[str, str], Path], tmp_path: Path
) -> None:
    """It is one token, and takes seconds to read."""
    spec = save_spec(tmp_path / "words.yaml", prompts={"query": "", "document": ""}, template=None)
    words = Encoder(spec, checkpoint=checkpoint("bert", "wordpiece"), truncation="ignore", unknown="ignore")
    server = ready(words, name="tiny")
    async with client(server) as asking:
        long = asyncio.create_task(asking.post("/v1/embeddings", json=ASKED | {"input": "a" * 3_000_000}))
        await asyncio.sleep(0.3)
        for _ in range(3):
            answer = await asking.post("/v1/embeddings", json=ASKED)
            assert answer.status_code == 200
            assert not long.done()
        assert (await long).status_code == 200


@pytest.mark.skipif(os.name != "posix", reason="a shell closes them")
@pytest.mark.parametrize("closed", [">&- 2>&-", "<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_connection_stands_where_the_standard_streams_were(tmp_path: Path, closed: str) -> None:
    """What a library writes to them would go to a client."""
    told = tmp_path / "told"
    code = (
        "import os, socket, sys; from youtu_st.cli.serve import keep_standard_streams;"
        "keep_standard_streams(); one = socket.socket(); print('said', flush=True); sys.stderr.write('x');"
        f"open({str(told)!r}, 'w').write(str(one.fileno()) + ' ' + str(sys.stdin.read()))"
    )
    command = f'exec "$0" -c "$1" {closed}'
    done = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, code], stdin=subprocess.DEVNULL, timeout=60
    )
    assert done.returncode == 0
    assert int(told.read_text()) > 2


async def test_a_compressed_body_is_named(server: Server) -> None:
    async with client(server) as asking:
        for encoding in ("gzip", "deflate", "GZIP", "br, gzip"):
            sent = {"content": gzip.compress(posted()[1]), "headers": {"Content-Encoding": encoding}}
            answer = await asking.post("/v1/embeddings", **sent)
            assert answer.status_code == 415
            error = answer.json()["error"]
            assert (error["param"], error["code"]) == ("Content-Encoding", "content_encoding")
        plain = {"content": posted()[1], "headers": {"Content-Encoding": "identity"}}
        assert (await asking.post("/v1/embeddings", **plain)).status_code == 200


async def test_another_method_is_told_the_right_one(server: Server) -> None:
    asked = [("GET", "/v1/embeddings"), ("PUT", "/health")]
    async with client(server) as asking:
        told = [(await asking.request(*one)).json()["error"]["message"] for one in asked]
    assert told == ["this path takes POST", "this path takes GET"]


async def test_token_ids_of_documents_are_none_of_langchain(server: Server) -> None:
    async with client(server) as asking:
        answer = await asking.post("/v2/rerank", json={"query": "a", "documents": [1, 2]})
    assert answer.status_code == 400
    assert answer.json()["message"].endswith("another tokenizer's words: send texts")


async def test_no_mark_of_markdown_in_the_page(server: Server) -> None:
    async with client(server) as asking:
        page = (await asking.get("/docs")).text
    assert "<code>:document</code>" in page
    assert "`" not in page


def test_keys_that_windows_wrote(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_bytes(b"\xef\xbb\xbfkey-one-0123456789\r\nkey-two-0123456789\r\n")
    file.chmod(0o600)
    keys = load_keys(file, {})
    assert all(keys.allows(f"Bearer key-{one}-0123456789") for one in ("one", "two"))
    assert not keys.allows("Bearer \ufeffkey-one-0123456789")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a shell that limits, as on Linux")
@pytest.mark.parametrize("files", [256, 1000])
def test_as_many_connections_as_the_process_may_have(files: int) -> None:
    code = (
        "import resource; from youtu_st.cli.serve import raise_file_limit; raise_file_limit();"
        "print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    command = [
        "/bin/sh",
        "-c",
        f'ulimit -Sn 256; ulimit -Hn {files}; exec "$0" -c "$1"',
        sys.executable,
        code,
    ]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert told.split() == [str(files)] * 2


def test_an_address_as_it_stands_in_a_url() -> None:
    with open_socket(ServerSettings(host="[127.0.0.1]", port=0), Keys()) as opened:
        assert opened.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a b", "x" * 64])
def test_a_name_of_no_machine_is_said_in_words(host: str) -> None:
    with pytest.raises(InputError, match=r"^--host '.*' is no address: [^\[]+$"):
        open_socket(ServerSettings(host=host), Keys())
