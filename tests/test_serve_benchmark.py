"""The serving benchmark: its client, its arithmetic and its contestants, and one small run of all of it."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import threading
import time
from asyncio import Future, new_event_loop
from collections import deque
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from youtu_st import Encoder
from youtu_st.spec.model import load_spec

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import serve  # noqa: E402
from servers import client, report, scenarios, texts, workers  # noqa: E402
from servers.client import Load, Stream  # noqa: E402
from servers.contestants import FIRST_COME, OURS, PLAIN  # noqa: E402


@contextmanager
def slow_server(answer, *, hang_up_after=None):
    """Reads requests one by one, and sends what ``answer(number, body)`` gives, in the pieces that it gives."""
    seen, lock = [], threading.Lock()
    listening = socket.create_server((client.HOST, 0))

    def talk(connection):
        with connection, connection.makefile("rb") as arrived:
            while head := arrived.readline():
                length = 0
                while (line := arrived.readline()) != b"\r\n":
                    length = int(line.split(b":")[1]) if line.startswith(b"content-length") else length
                body = arrived.read(length)
                with lock:
                    seen.append((head, body))
                    number = len(seen)
                if hang_up_after is not None and number > hang_up_after:
                    return
                try:
                    for piece in answer(number, body):
                        connection.sendall(piece)
                except OSError:  # the client has left
                    return

    def accept():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1], seen
    finally:
        listening.close()


def whole(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nServer: s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def in_pieces(number, body):
    """An answer that arrives cut in the middle of its head and of its body."""
    sent = whole(b"x" * number)
    for cut in (sent[:3], sent[3:25], sent[25:-1], sent[-1:]):
        yield cut
        time.sleep(0.001)


def test_requests_are_sent_in_turn_and_every_answer_is_counted():
    requests = [client.post("/a", {"input": f"text {i}"}) for i in range(3)]
    with slow_server(in_pieces) as (port, seen):
        result = client.run(Load(port, {"q": Stream(requests, 2)}, count=7))
    answers = result.answers["q"]
    assert (answers.all, answers.in_time, dict(answers.statuses)) == (7, 7, {200: 7})
    assert len(answers.taken) == 7
    assert min(answers.taken) >= 0.003  # three pauses in each answer
    assert all(head == b"POST /a HTTP/1.1\r\n" for head, _ in seen)
    assert sorted(json.loads(body)["input"] for _, body in seen) == sorted(f"text {i % 3}" for i in range(7))


def test_a_load_by_seconds_waits_for_what_is_on_its_way_and_does_not_count_the_lead():
    def answer(number, body):
        time.sleep(0.02)
        yield whole(b"{}")

    with slow_server(answer) as (port, seen):
        result = client.run(Load(port, {"q": Stream([client.get("/")], 3)}, seconds=1.0, lead=1.0))
    answers = result.answers["q"]
    assert answers.all == len(seen)
    assert 3 <= len(answers.taken) < answers.all
    assert answers.in_time <= answers.all - 3  # a first answer of each connection at least came in the lead
    assert min(answers.taken) >= 0.02
    assert 2.0 <= result.seconds < 30


def test_a_background_has_a_lead_and_is_left_when_the_others_have_their_answers():
    leave = threading.Event()

    def answer(number, body):
        if b"long" in body:
            leave.wait(60)
        yield whole(b"{}")

    streams = {
        "short": Stream([client.post("/", {"input": "short"})], 3),
        "long": Stream([client.post("/", {"input": "long"})], 1, background=True),
    }
    with slow_server(answer) as (port, seen):
        result = client.run(Load(port, streams, seconds=0.3, lead=0.3))
        leave.set()
    assert (b"long" in seen[0][1], result.answers["long"].all) == (True, 0)
    short = result.answers["short"]
    assert len(short.taken) == short.all == len(seen) - 1 > 0
    assert result.seconds < 60


def test_what_is_not_200_is_kept_and_a_server_that_hangs_up_is_an_error():
    with slow_server(lambda number, _: [whole(b"full", b"429 Too Many")]) as (port, _):
        answers = client.run(Load(port, {"q": Stream([client.get("/")], 1)}, count=3)).answers["q"]
    assert (dict(answers.statuses), answers.first_failure) == ({429: 3}, "full")
    with (
        slow_server(lambda number, _: [whole(b"{}")], hang_up_after=2) as (port, _),
        pytest.raises(ConnectionError, match="hung up"),
    ):
        client.run(Load(port, {"q": Stream([client.get("/")], 1)}, count=5))


def test_an_answer_may_come_in_chunks_but_must_say_where_it_ends():
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b'{"data": [1, 20]}'
    chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:3], body[3:])]
    with slow_server(lambda *_: [head, chunks[0][:4], chunks[0][4:], chunks[1], b"0\r\n\r\n"]) as (port, _):
        assert client.bodies(port, [client.get("/")] * 2) == [{"data": [1, 20]}] * 2
    with (
        slow_server(lambda *_: [b"HTTP/1.1 200 OK\r\n\r\n"]) as (port, _),
        pytest.raises(ConnectionError, match="where it ends"),
    ):
        client.run(Load(port, {"q": Stream([client.get("/")], 1)}, count=1))


def test_a_worker_tells_what_went_wrong_in_its_process():
    worker = workers.Worker(client.functions)
    with pytest.raises(workers.Failed, match="KeyError"):
        worker.ask("no such function")
    with slow_server(lambda *_: [whole(b"[1]")]) as (port, _):
        assert worker.ask("bodies", port, [client.get("/")]) == [[1]]  # it goes on
    worker.end()
    with pytest.raises(workers.Failed, match="TypeError"):
        workers.Worker(client.functions, "too much")


def test_a_batch_of_the_first_come_is_what_fits_when_padded():
    from servers.first_come import next_batch

    loop, chance = new_event_loop(), random.Random(0)
    for _ in range(200):
        lengths = [chance.randint(1, 40) for _ in range(chance.randint(1, 12))]
        entries = deque((list(range(n)), Future(loop=loop)) for n in lengths)
        gone = {i for i in range(len(lengths)) if chance.random() < 0.3}
        for i in gone:
            entries[i][1].cancel()
        waiting = [n for i, n in enumerate(lengths) if i not in gone]
        fits = [n for n in range(1, len(waiting) + 1) if n == 1 or n * max(waiting[:n]) <= 60]
        batch = next_batch(entries, 60)
        most = max((n for n in fits if all(m in fits for m in range(1, n))), default=0)
        assert [len(ids) for ids, _ in batch] == waiting[:most]
        assert [len(ids) for ids, future in entries if not future.cancelled()] == waiting[most:]
    loop.close()


def test_minilm_with_a_template_has_the_same_weights_and_instructions_of_one_length(tmp_path):
    spec = load_spec(texts.write_instruction_spec(tmp_path / "spec.yaml"))
    instructed = Encoder(spec, checkpoint=texts.stock_directory())
    plain = Encoder("minilm")
    asked = ["does sleep heal", "what is blood"]
    np.testing.assert_allclose(instructed.encode_query(asked), plain.encode_query(asked), atol=1e-6)
    told = instructed.encode_query(asked, instruction=texts.INSTRUCTIONS[0])
    assert np.abs(told - plain.encode_query(asked)).max() > 0.01
    assert len(set(texts.INSTRUCTIONS)) == 32
    tokenizer = plain.model.tokenizer
    assert len({len(ids) for ids in tokenizer(texts.INSTRUCTIONS)["input_ids"]}) == 1


def test_figures_are_medians_and_targets_are_ratios_of_them():
    turns = {
        PLAIN: [{"per_second": s, "p99_ms": 900.0, "cpu_ms": None} for s in (40.0, 50.0, 900.0)],
        OURS: [{"per_second": s, "p99_ms": 300.0, "cpu_ms": 9.0} for s in (80.0, 1.0, 100.0)],
    }
    rows = scenarios.medians(turns)
    assert rows[PLAIN] == {"per_second": 50.0, "p99_ms": 900.0, "cpu_ms": None}
    assert rows[OURS] == {"per_second": 80.0, "p99_ms": 300.0, "cpu_ms": 9.0}
    mixed = {
        scenarios.FULL_BATCH: {"p50_ms": 100.0},
        OURS: {"p99_ms": 310.0},
        FIRST_COME: {"p99_ms": 2000.0},
    }
    found = {each["what"]: each for each in report.targets({"questions": rows, "mixed": mixed})}
    asked = found["questions/s, 32 connections, times the plain app"]
    assert (asked["got"], asked["reached"]) == (1.6, False)
    share = found["their p99, share of the plain app's"]
    assert (share["got"], share["reached"]) == (pytest.approx(1 / 3), True)
    assert found["questions beside abstracts, p99, times one full batch"]["reached"] is False  # 3.1
    assert found["the same, share of first come first served"]["reached"] is True  # 0.155
    assert found["/health after the start, s"]["reached"] is None
    assert "1.60" in report.table("questions", rows)


def test_vectors_are_compared_by_their_lowest_cosine():
    right = np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32)
    assert scenarios.lowest_cosine([np.array([3.0, 4.0]), np.array([0.0, 1.0])], right) == pytest.approx(0.6)
    body = {"data": [{"embedding": [1.0, 0.5]}, {"embedding": "AACAPwAAAD8="}]}  # 1.0, 0.5 as float32
    assert [row.tolist() for row in scenarios.rows_of(body)] == [[1.0, 0.5], [1.0, 0.5]]
    assert scenarios.rows_of({"error": {"message": "no"}}) == []


def test_without_the_texts_it_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(texts, "there", lambda: False)
    assert serve.main([]) == 0
    assert "scifact is not there" in capsys.readouterr().out


@pytest.mark.slow
def test_a_short_run_measures_all_scenarios(shared_data, tmp_path):
    out = tmp_path / "figures.json"
    command = [sys.executable, str(BENCHMARKS / "serve.py"), "--turns", "1", "--seconds", "1"]
    wanted = ["questions", "one", "instructions", "stub", "start"]
    subprocess.run([*command, "--json", str(out), "--only", *wanted], check=True, timeout=600)
    result = json.loads(out.read_text("utf-8"))
    assert result["failed"] == {}
    assert set(result["scenarios"]) == set(wanted)
    asked = result["scenarios"]["questions"]
    assert {OURS, PLAIN, FIRST_COME, scenarios.LIBRARY_LISTS} <= set(asked)
    for name, row in asked.items():
        assert row["per_second"] > 0, name
        assert row["cpu_ms"] > 0.5, name
    one_row = result["scenarios"]["stub"][scenarios.STUB]
    assert one_row["cpu_ms"] < asked[OURS]["cpu_ms"]
    start = result["scenarios"]["start"]
    assert start[OURS]["health_s"] < start[OURS]["ready_s"]
    measured = [each for each in result["targets"] if each["got"] is not None]
    assert len(measured) == 9
    assert str(tmp_path.home()) not in out.read_text("utf-8")
