"""The command as a process: its start, what the operator sees, and its end."""

from __future__ import annotations

import re
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from served_process import Served, served, until

SECRET = "the patient's name is nowhere in it"
KEY = "sk-0123456789abcdef0123456789abcdef"
LONG = [
    f"{number} is a sentence of some length, of which there are many in this request" for number in range(512)
]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of MiniLM with a key, ready."""
    folder = tmp_path_factory.mktemp("serve")
    (folder / "keys.txt").write_text(f"{KEY}\n")
    (folder / "keys.txt").chmod(0o600)
    with served(folder, "minilm", "--keys-file", "keys.txt") as started:
        started.wait_until_ready()
        yield started


def with_key(key: str = KEY) -> dict[str, dict[str, str]]:
    return {"headers": {"Authorization": f"Bearer {key}"}}


def counts(one: Served) -> dict[str, float]:
    """Each line of the metrics."""
    page = httpx.get(f"{one.url}/metrics", **with_key()).text
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def count(found: dict[str, float], name: str, **labels: str) -> float:
    return found.get(f"youtu_st_{name}{sorted(labels.items())}", 0.0)


def test_it_says_that_it_lives_before_it_is_ready(tmp_path: Path) -> None:
    with served(tmp_path, "minilm") as started:
        assert httpx.get(f"{started.url}/health").status_code == 200
        ready = httpx.get(f"{started.url}/ready")
        assert ready.status_code == 503
        assert int(ready.headers["retry-after"]) >= 1
        assert started.post(["a"]).status_code == 503
        # And ends at once, though its models are still being loaded.
        assert started.stop() == 0
        assert not started.events("ready")


def test_what_it_says_at_the_start(one: Served) -> None:
    (listening,), (ready,) = one.events("listening"), one.events("ready")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", listening["url"])
    assert (listening["model"], listening["keys"]) == ("minilm", True)
    assert (ready["model"], ready["device"], ready["queue_tokens"]) == ("minilm", "cpu", 65536)
    info = httpx.get(f"{one.url}/info", **with_key()).json()
    assert ready["fingerprint"] == info["model"]["fingerprint"]


def test_every_request_is_a_line_and_a_count_and_no_text_or_key_is_in_either(one: Served) -> None:
    before, lines = counts(one), len(one.events("request"))
    assert one.post([SECRET, SECRET, "a"], **with_key()).status_code == 200
    assert one.post([SECRET], **with_key("sk-of-somebody-else")).status_code == 401
    assert one.post([SECRET, ""], **with_key()).status_code == 400
    assert one.post(
        [SECRET], headers={"Authorization": f"Bearer {KEY}", "X-Request-Timeout": "nan"}
    ).status_code
    assert httpx.get(f"{one.url}/{SECRET}", **with_key()).status_code == 404
    after = counts(one)
    new = [line for line in one.events("request")[lines:] if line["route"] != "/metrics"]
    assert [line["status"] for line in new][:3] == [200, 401, 400]
    first = new[0]
    assert (first["route"], first["texts"]) == ("/v1/embeddings", 3)
    assert first["ms"] >= first["computing_ms"] > 0
    for status, number in Counter(
        str(line["status"]) for line in new if line["route"] == "/v1/embeddings"
    ).items():
        labels = {"route": "/v1/embeddings", "status": status}
        assert count(after, "requests_total", **labels) - count(before, "requests_total", **labels) == number
    for kind, number in {"encoded": 2, "repeated": 1}.items():
        assert count(after, "texts_total", kind=kind) - count(before, "texts_total", kind=kind) >= number
    page = httpx.get(f"{one.url}/metrics", **with_key()).text
    for hidden in (SECRET, SECRET.replace(" ", "%20"), "patient", KEY, "sk-of-somebody-else"):
        assert hidden not in page
        assert hidden not in one.text
    assert count(after, "ready") == 1


def test_a_port_in_use_is_one_line(one: Served, tmp_path: Path) -> None:
    port = one.url.rpartition(":")[2]
    with served(tmp_path, "minilm", "--port", port) as second:
        assert second.process.wait(60) == 2
        assert second.text == (
            f"youtu-st: error: port {port} of 127.0.0.1 is in use: end what listens there, or choose another with "
            "--port\n"
        )


@pytest.mark.parametrize("what", ["model", pytest.param("reranker", marks=pytest.mark.slow)])
def test_what_does_not_load_ends_it_with_one_line(tmp_path: Path, what: str) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    arguments = [broken] if what == "model" else ["minilm", "--reranker", broken]
    with served(tmp_path, *arguments) as started:
        assert started.process.wait(120) == 2
        *before, last = started.text.splitlines()
        assert last.startswith("youtu-st: error: ")
        assert "broken" in last
        assert all(line.startswith("{") for line in before)
        assert not started.events("ready")


@pytest.mark.slow
def test_what_was_accepted_is_answered_and_nothing_else_is(tmp_path: Path) -> None:
    """A request is under way, SIGTERM comes, further ones are refused, and it is answered; the exit code is 0."""
    with served(tmp_path, "minilm", "--grace", 600) as started:  # however busy the machine is
        started.wait_until_ready()
        answers: list[httpx.Response] = []
        asking = [threading.Thread(target=lambda: answers.append(started.post(LONG))) for _ in range(3)]
        for thread in asking:
            thread.start()
        until(lambda: count(counts(started), "queue_tokens") > 0)
        kept = httpx.Client(base_url=started.url)
        assert kept.get("/ready").status_code == 200
        started.process.send_signal(signal.SIGTERM)
        until(lambda: started.events("closing"))
        # On a connection that is there, and on a new one.
        refused = kept.get("/ready")
        assert (refused.status_code, refused.headers["connection"]) == (503, "close")
        refused = started.post(["a"])
        assert (refused.status_code, refused.headers["connection"]) == (503, "close")
        assert int(refused.headers["retry-after"]) >= 1
        for thread in asking:
            thread.join()
        assert [answer.status_code for answer in answers] == [200] * 3
        assert started.process.wait(60) == 0
        assert started.events("closed")[0]["requests_given_up"] == 0


@pytest.mark.slow
def test_under_load_no_answer_is_lost(tmp_path: Path) -> None:
    """As many answers as the log has, whoever asks at the moment at which it ends."""
    with served(tmp_path, "minilm") as started:
        started.wait_until_ready()
        found: Counter[object] = Counter()
        begun, gone = threading.Event(), threading.Event()

        def ask(number: int) -> None:
            with httpx.Client(base_url=started.url, timeout=60) as client:
                for i in range(100_000):
                    body = {"model": "minilm", "input": f"question {number} {i}"}
                    try:
                        found[client.post("/v1/embeddings", json=body).status_code] += 1
                    except httpx.TransportError:  # none was accepted
                        gone.set()
                    if found[200] > 50:
                        begun.set()
                    if gone.is_set():
                        return

        asking = [threading.Thread(target=ask, args=[number]) for number in range(8)]
        for thread in asking:
            thread.start()
        assert begun.wait(60)
        assert started.stop() == 0
        for thread in asking:
            thread.join()
        logged = Counter(
            one["status"] for one in started.events("request") if one["route"] == "/v1/embeddings"
        )
        assert set(found) <= {200, 503}
        assert found[200] == logged[200] > 50
        assert started.events("closed")[0]["requests_given_up"] == 0


@pytest.mark.slow
def test_when_the_time_is_over_it_ends_and_says_so(tmp_path: Path) -> None:
    with served(tmp_path, "minilm", "--grace", "0.1") as started:
        started.wait_until_ready()
        answers: list[httpx.Response | httpx.TransportError] = []

        def ask() -> None:
            try:
                answers.append(started.post([f"{i} {text}" for i in range(4) for text in LONG]))
            except httpx.TransportError as error:
                answers.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        until(lambda: count(counts(started), "queue_tokens") > 0)
        assert started.stop() == 1
        thread.join()
        (answer,) = answers
        assert isinstance(answer, httpx.TransportError) or answer.status_code >= 500
        (closed,) = started.events("closed")
        assert (closed["level"], closed["requests_given_up"]) == ("error", 1)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_ctrl_c_after_a_signal_ends_it_at_once(tmp_path: Path, sent: signal.Signals) -> None:
    with served(tmp_path, "minilm") as started:
        started.wait_until_ready()
        with socket.create_connection(("127.0.0.1", int(started.url.rpartition(":")[2]))) as waiting:
            head = (
                b"POST /v1/embeddings HTTP/1.1\r\ncontent-length: 9\r\ncontent-type: application/json\r\n\r\n"
            )
            waiting.sendall(head + b"{")
            until(lambda: httpx.get(f"{started.url}/health").status_code == 200)
            started.process.send_signal(sent)
            (closing,) = until(lambda: started.events("closing"))
            assert closing["requests"] == 1
            started.process.send_signal(signal.SIGTERM)  # as supervisors do, which are in no hurry
            assert httpx.get(f"{started.url}/health").status_code == 200
            assert started.stop(signal.SIGINT) == 130
        assert not started.events("closed")
