"""Bodies that come slowly or not at all, clients that leave, and what the event loop is held for."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest
from serving.in_process import ByHand, ready

from youtu_st import Encoder
from youtu_st.serving.faults import ClientGone, Fault
from youtu_st.serving.output import PIECE, Pieces, as_objects
from youtu_st.serving.server import Server
from youtu_st.serving.waiting import answer

GOOD = {"input": "ok", "model": "tiny:query"}


def sent(server: Server, reason: str, kind: str = "dropped") -> float:
    name = f"youtu_st_requests_{kind}_total"
    return server.metrics.registry.get_sample_value(name, {"reason": reason}) or 0.0


async def test_a_body_in_pieces(server: Server, encoder: Encoder) -> None:
    request = ByHand(server, transfer_encoding="chunked")
    for byte in json.dumps(GOOD).encode():
        request.body(bytes([byte]), more=True)
    await request.body(b"").run()
    assert request.status == 200
    row = json.loads(request.answer)["data"][0]["embedding"]
    np.testing.assert_allclose([row], encoder.encode_query(["ok"]), atol=1e-6)


async def test_a_body_that_says_that_it_is_too_large_is_not_kept(encoder: Encoder) -> None:
    server = ready(encoder, name="tiny", max_body=100)
    request = await ByHand(server, content_length="101").body(b"x" * 101).run()
    assert request.status == 413
    error = json.loads(request.answer)["error"]
    assert (error["code"], "100 bytes" in error["message"]) == ("body_too_large", True)
    assert "connection" not in request.headers  # it was heard out: the next request may follow


async def test_a_body_that_turns_out_to_be_too_large(encoder: Encoder) -> None:
    server = ready(encoder, name="tiny", max_body=100)
    request = ByHand(server, transfer_encoding="chunked")
    for _ in range(1000):
        request.body(b"x" * 30, more=True)
    await request.run()
    assert request.status == 413
    assert request.incoming.qsize() > 900
    assert request.headers["connection"] == "close"
    fits = ByHand(server, content_length="60").body(json.dumps(GOOD).encode())
    assert (await fits.run()).status == 200


async def test_a_client_that_asks_first_is_told_at_once(encoder: Encoder) -> None:
    server = ready(encoder, name="tiny", max_body=100)
    request = await ByHand(server, content_length="101", expect="100-continue").run()
    assert request.status == 413
    assert request.headers["connection"] == "close"


async def test_a_body_that_does_not_arrive(encoder: Encoder) -> None:
    server = ready(encoder, name="tiny", body_timeout=0.2)
    request = await ByHand(server, content_length="50").body(b'{"input": "', more=True).run()
    assert request.status == 408
    assert request.headers["connection"] == "close"
    assert "0.2 seconds" in json.loads(request.answer)["error"]["message"]


async def test_a_client_that_leaves_before_its_body_is_here(server: Server) -> None:
    request = await ByHand(server, content_length="50").body(b'{"input": "', more=True).leave().run()
    assert request.sent == []
    assert server.metrics.registry.get_sample_value(
        "youtu_st_requests_total", {"route": "/v1/embeddings", "status": "499"}
    )


async def test_of_clients_that_leave_while_they_wait_none_is_encoded(encoder: Encoder) -> None:
    server = ready(encoder, name="tiny", queue_tokens=1 << 20)
    held = json.dumps({"input": [f"held {i} " * 8 for i in range(400)], "model": "tiny:query"}).encode()
    first = asyncio.create_task(ByHand(server, content_length=str(len(held))).body(held).run())
    while not server.scheduler.queued_tokens:
        await asyncio.sleep(0.001)
    before, gone = encoder.totals.encoded_texts, sent(server, "client_left")
    requests = []
    for i in range(100):
        body = json.dumps({"input": f"of one who leaves, {i}", "model": "tiny:query"}).encode()
        requests.append(ByHand(server, content_length=str(len(body))).body(body).leave())
    await asyncio.gather(*(request.run() for request in requests))
    assert all(request.sent == [] for request in requests)
    assert (await first).status == 200
    assert sent(server, "client_left") == gone + 100
    encoded = encoder.totals.encoded_texts - before
    assert encoded <= 400 + 10, "those that left went through the network"


async def test_a_deadline_drops_what_waits(encoder: Encoder) -> None:
    server = ready(encoder, name="tiny", queue_tokens=1 << 20, timeout=0.05)
    body = json.dumps({"input": [f"text {i} " * 10 for i in range(2000)], "model": "tiny:query"}).encode()
    request = await ByHand(server, content_length=str(len(body))).body(body).run()
    assert request.status == 504
    assert sent(server, "deadline") == 1
    assert server.scheduler.queued_tokens == 0


async def test_the_answer_comes_first() -> None:
    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def work() -> str:
        return "done"

    loop = asyncio.get_running_loop()
    assert await answer(work(), never, loop.time() + 60) == "done"


@pytest.mark.parametrize("why", ["left", "deadline", "cancelled"])
async def test_work_that_nobody_waits_for_has_ended(why: str) -> None:
    ended = False

    async def work() -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended = True

    async def receive() -> dict[str, Any]:
        if why != "left":
            await asyncio.Event().wait()
        await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    seconds = 0.01 if why == "deadline" else 60
    waiting = asyncio.create_task(answer(work(), receive, asyncio.get_running_loop().time() + seconds))
    if why == "cancelled":
        await asyncio.sleep(0.01)
        waiting.cancel()
    expected = {"left": ClientGone, "deadline": Fault, "cancelled": asyncio.CancelledError}[why]
    with pytest.raises(expected):
        await waiting
    assert ended


async def test_an_error_of_the_work_is_the_caller_s() -> None:
    async def work() -> None:
        raise KeyError("a")

    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(KeyError):
        await answer(work(), never, asyncio.get_running_loop().time() + 60)


async def test_large_answers_let_the_event_loop_go_on() -> None:
    """Turns that the loop gets while an answer is written: one a piece, and not one for all of it."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    rows = np.ones((64, PIECE), dtype=np.float32)
    counting = asyncio.create_task(count())
    pieces = [piece async for piece in Pieces((rows, as_objects("float")))]
    counting.cancel()
    assert len(pieces) == 64
    assert turns > 64
