"""Clients that leave, texts that break, memory that is short, answers on their way: with the command as a process."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from checkpoints import TEXTS
from serving.raw_clients import Answer, Connection, metric, post
from serving.served_process import FAR, Served, served
from serving.troubled import POISON, Troubled

from youtu_st import Encoder


def question(text: str) -> bytes:
    return post({"input": text, "model": "tiny"})


def rows(answer: Answer) -> np.ndarray:
    return np.array([one["embedding"] for one in answer.fields["data"]])


def library(model: Troubled) -> Encoder:
    """What the server has loaded, here."""
    settings = {"truncation": "ignore", "unknown": "ignore", "trust_remote_code": True}
    return Encoder(model.spec, checkpoint=model.weights, batch_tokens=model.batch_tokens, **settings)


async def until(what: Callable[[], bool]) -> None:
    """Wait for something that is to happen, and let the clients go on."""
    end = time.monotonic() + FAR
    while not await asyncio.to_thread(what):
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Troubled:
    return Troubled(tmp_path_factory.mktemp("troubled"), batch_tokens=2048, body_timeout=60).poison()


@pytest.fixture(scope="module")
def server(model: Troubled) -> Iterator[Served]:
    with served(model.config.parent, "--config", model.config) as started:
        started.wait_until_ready()
        yield started


@pytest.fixture(scope="module")
def encoder(model: Troubled) -> Encoder:
    return library(model)


async def test_of_those_that_leave_while_they_wait_none_is_encoded(
    model: Troubled, server: Served, encoder: Encoder
) -> None:
    url, gone = server.url, 500
    before = metric(url, "batch_texts_total")
    model.wait()
    first = asyncio.create_task(Connection(url).ask(question("the first")))
    await until(lambda: model.waits)
    clients = [Connection(url) for _ in range(gone)]
    await asyncio.gather(*(one.send(question(f"of one who leaves, {i}")) for i, one in enumerate(clients)))
    one_has = len(encoder.tokenizer("of one who leaves, 0")["input_ids"])
    await until(lambda: metric(url, "queue_tokens") >= gone * one_has)
    for one in clients:
        one.close()
    await until(lambda: metric(url, "requests_dropped_total", reason="client_left") == gone)
    assert metric(url, "queue_tokens") == 0
    model.go_on()
    last = await Connection(url).ask(question("the last"))
    assert [(await first).status, last.status] == [200, 200]
    assert metric(url, "batch_texts_total") - before == 2
    assert metric(url, "requests_total", status="499") == gone


async def test_a_text_that_breaks_is_an_error_of_its_own(
    model: Troubled, server: Served, encoder: Encoder
) -> None:
    url = server.url
    texts = [f"{TEXTS[0]} And on, {i}" for i in range(32)]
    texts[17] = f"this one {POISON} breaks"
    before = metric(url, "batches_total")
    model.wait()
    first = asyncio.create_task(Connection(url).ask(question("the first")))
    await until(lambda: model.waits)
    each = [asyncio.create_task(Connection(url).ask(question(text))) for text in texts]
    tokens = sum(map(len, encoder.tokenizer(texts)["input_ids"]))
    await until(lambda: metric(url, "queue_tokens") == tokens)
    model.go_on()
    answers = await asyncio.gather(first, *each)
    assert metric(url, "batches_total") - before == 2, "these were to be one batch"
    bad = answers.pop(18)
    assert bad.status == 500
    message = bad.fields["error"]["message"]
    number = re.fullmatch(r"the model gave no finite numbers for input: .* under number (\w+)", message)
    assert number, message
    assert [one["number"] for one in server.events("fault")] == [number[1]]
    assert POISON not in server.text
    good = ["the first", *texts[:17], *texts[18:]]
    assert [answer.status for answer in answers] == [200] * 32
    found = np.concatenate([rows(answer) for answer in answers])
    np.testing.assert_allclose(found, encoder.encode_query(good), atol=1e-6)


async def test_a_text_that_breaks_in_a_list_is_named(model: Troubled, server: Served) -> None:
    answer = await Connection(server.url).ask(post({"input": ["a", "b", "a", POISON], "model": "tiny"}))
    assert (answer.status, answer.fields["error"]["param"]) == (500, "input[3]")


@pytest.mark.slow
async def test_where_there_is_no_memory_for_a_batch_it_is_halved(tmp_path: Path) -> None:
    model = Troubled(tmp_path, batch_tokens=1024)
    texts = [f"{TEXTS[i % 2]} And on, {i}" for i in range(64)]
    encoder = library(model)
    with served(tmp_path, "--config", model.config) as server:
        server.wait_until_ready()
        assert "out of memory" not in server.text
        model.wait()
        first = asyncio.create_task(Connection(server.url).ask(question("the first")))
        await until(lambda: model.waits)
        model.remember(300)
        each = [asyncio.create_task(Connection(server.url).ask(question(text))) for text in texts]
        await until(lambda: metric(server.url, "queue_tokens") > 1024)
        model.go_on()
        answers = await asyncio.gather(first, *each)
        assert [answer.status for answer in answers] == [200] * 65
        halved = re.findall(
            r"out of memory in a batch of (\d+) tokens: at most (\d+) from now on", server.text
        )
        assert halved
        assert all(int(now) == int(before) // 2 for before, now in halved)
        assert server.text.count("Traceback") == 0
        # A text that is too much alone is its own client's error, and no other's.
        model.remember(20)
        short, long = await asyncio.gather(
            *(Connection(server.url).ask(question(text)) for text in ("a", "word " * 60))
        )
        assert (short.status, long.status) == (200, 500)
        assert "input needs more memory than there is" in long.fields["error"]["message"]
        assert [one["number"] for one in server.events("fault")] == [
            long.fields["error"]["message"].split()[-1]
        ]
        assert server.stop() == 0
    (tmp_path / "most").unlink()
    expected = encoder.encode_query(["the first", *texts])
    np.testing.assert_allclose(np.concatenate([rows(one) for one in answers]), expected, atol=1e-6)


@pytest.mark.slow
async def test_where_the_system_gives_no_more_memory_all_are_answered(tmp_path: Path) -> None:
    """A limit on the process that is below what a batch needs: its widest layer alone takes 50 MB."""
    texts = [f"{i} is the number of this text" + " and so on" * 80 for i in range(32)]
    (tmp_path / "serve.yaml").write_text(json.dumps({"model": "minilm", "batch_tokens": 8192}))
    asked = post({"input": texts, "model": "minilm", "encoding_format": "base64"})
    with served(tmp_path, "--config", "serve.yaml") as server:
        server.wait_until_ready()
        first = await Connection(server.url).ask(asked)
        process = psutil.Process(server.process.pid)
        most = process.memory_info().vms + (16 << 20)
        process.rlimit(psutil.RLIMIT_AS, (most, most))
        second = await Connection(server.url).ask(asked)
        assert (first.status, second.status) == (200, 200), server.text[-2000:]
        halved = re.findall(
            r"out of memory in a batch of (\d+) tokens: at most (\d+) from now on", server.text
        )
        assert halved
        assert server.stop() == 0, server.text[-5000:]
    one, two = (
        [np.frombuffer(base64.b64decode(row["embedding"]), "<f4") for row in answer.fields["data"]]
        for answer in (first, second)
    )
    np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.slow
async def test_what_is_read_slowly_is_whole_though_the_server_ends(tmp_path: Path) -> None:
    """Answers that are still on their way when SIGTERM comes are accepted requests too."""
    asked = post({"input": ["a"] * 2048, "model": "minilm"})
    with served(tmp_path, "minilm") as server:
        server.wait_until_ready()
        expected = httpx.post(f"{server.url}/v1/embeddings", json={"input": "a", "model": "minilm"}).json()
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            client.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
            client.settimeout(FAR)
            client.sendall(asked)
            found = client.recv(1 << 12)
            server.process.send_signal(signal.SIGTERM)
            for _ in range(40):
                await asyncio.sleep(0.1)
                found += client.recv(1 << 12)
            assert server.process.poll() is None
            while part := client.recv(1 << 20):
                found += part
        head, _, rest = found.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        body = b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        data = json.loads(body)["data"]
        assert len(data) == 2048
        assert data[2047]["embedding"] == expected["data"][0]["embedding"]
        assert server.process.wait(FAR) == 0
        assert server.events("closed")[0]["requests_given_up"] == 0
