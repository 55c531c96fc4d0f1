"""youtu-st serve on Ray Serve: the same answers as in one process, and none lost when a replica is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from serving.in_process import client
from serving.in_process import ready as in_process
from serving.served_process import COMMAND, FAR, Served, served, until

from youtu_st import Encoder
from youtu_st.engines import OpenAICompatibleEncoder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed"),
]

REPLICA = "ray::ServeReplica"
KEYS = "a-key-of-more-than-sixteen"
BEARER = {"Authorization": f"Bearer {KEYS}"}
SETTINGS = {"queue_tokens": 2048, "max_texts": 64, "max_length": 96, "batch_tokens": 1024}


def processes(one: Served) -> list[psutil.Process]:
    return psutil.Process(one.process.pid).children(recursive=True)


def replicas(one: Served) -> list[psutil.Process]:
    found = []
    for process in processes(one):
        try:
            if " ".join(process.cmdline()).startswith(REPLICA):
                found.append(process)
        except psutil.Error:
            pass
    return found


def config(folder: Path, tiny: Path) -> Path:
    file = folder / "serve.yaml"
    lines = [f"{name}: {value}" for name, value in SETTINGS.items()]
    file.write_text("\n".join([f"model: {tiny}", "name: tiny", "device: cpu", *lines, ""]))
    return file


@pytest.fixture(scope="module")
def encoder(tiny: Path) -> Encoder:
    return Encoder(
        tiny, truncation="ignore", unknown="ignore", max_length=96, batch_tokens=1024, device="cpu"
    )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Iterator[Served]:
    """Two replicas behind keys, on a cluster of its own."""
    folder = tmp_path_factory.mktemp("ray-serve")
    more = ("--config", config(folder, tiny), "--engine", "ray", "--replicas", "2")
    with served(folder, *more, YOUTU_ST_KEYS=KEYS, RAY_ADDRESS="local") as one:
        until(lambda: one.events("ready") or one._ended())
        until(lambda: len(replicas(one)) == 2)
        yield one
        there = processes(one)
        assert one.stop() == 0
        assert not psutil.wait_procs(there, timeout=FAR)[1]
        for line in one.text.splitlines():  # nothing but the server's own
            assert line.startswith('{"time":'), one.text


def told(answer: httpx.Response) -> dict[str, Any]:
    """What must be the same, whichever server it is."""
    said = answer.json()
    if answer.status_code == 200 and "id" in said:
        said.pop("id")
    kept = ("content-type", "retry-after", "x-model-fingerprint", "allow")
    return {"status": answer.status_code, "said": said, **{name: answer.headers.get(name) for name in kept}}


def post(path: str, **fields: Any) -> tuple[str, str, dict[str, Any]]:
    return "POST", path, {"json": fields}


ASKED = [
    post("/v1/embeddings", model="tiny:query", input=["Which planet?", "Which planet?"], instruction="Find"),
    post(
        "/v1/embeddings", model="tiny:document", input="Mars is red.", encoding_format="base64", dimensions=8
    ),
    post("/v2/embed", model="tiny", texts=["Mars"], input_type="search_document", embedding_types=["float"]),
    post("/v1/embeddings", model="tiny", input="no role"),
    post("/v1/embeddings", model="tiny:query", input=["fine", " "]),
    post("/v1/embeddings", model="tiny:query", input=["a"] * 65),
    post(
        "/v1/embeddings", model="tiny:query", input=[f"{i} long long long long text" * 6 for i in range(64)]
    ),
    post("/v1/embeddings", model="tiny:query", input="word " * 200),
    post("/v1/embeddings", model="other", input="a"),
    post("/v1/embeddings", model="tiny:query", input="a", extra=1),
    post("/v2/embed", model="tiny", texts=[""], input_type="search_query", embedding_types=["float"]),
    post("/v1/rerank", query="a", documents=["b"]),
    ("POST", "/v1/embeddings", {"content": b"{no json"}),
    ("POST", "/v1/embeddings", {"content": b""}),
    ("POST", "/v1/embeddings", {"content": b"{}", "headers": {"Content-Encoding": "gzip"}}),
    ("POST", "/v1/embeddings", {"content": b"{}", "headers": {"X-Request-Timeout": "soon"}}),
    ("GET", "/v1/embeddings", {}),
    ("GET", "/nothing", {}),
    ("GET", "/v1/models/tiny:query", {}),
    ("GET", "/v1/models/none", {}),
    ("GET", "/health", {}),
    ("GET", "/ready", {}),
    ("GET", "/openapi.json", {}),
]


def metric(page: str, name: str) -> float:
    """A sample of a page; 0 where there is none yet."""
    found = [line for line in page.splitlines() if line.startswith(f"{name} ")]
    return float(found[0].rpartition(" ")[2]) if found else 0.0


def without_numbers(said: Any) -> Any:
    """Vectors apart: another process may round their last digit in another way."""
    if isinstance(said, dict):
        kept = {name: value for name, value in said.items() if name not in ("embedding", "float", "created")}
        return {name: without_numbers(value) for name, value in kept.items()}
    return [without_numbers(one) for one in said] if isinstance(said, list) else said


def test_routes_and_errors_are_those_of_one_process(running: Served, encoder: Encoder) -> None:
    here = in_process(
        encoder, name="tiny", **{name: SETTINGS[name] for name in ("queue_tokens", "max_texts")}
    )

    async def ask() -> list[httpx.Response]:
        async with client(here) as one:
            return [await one.request(method, path, **more) for method, path, more in ASKED]

    want = asyncio.run(ask())
    statuses = set()
    for (method, path, more), there in zip(ASKED, want, strict=True):
        headers = {**BEARER, **more.get("headers", {})}
        got = httpx.request(method, f"{running.url}{path}", **{**more, "headers": headers}, timeout=FAR)
        assert without_numbers(told(got)) == without_numbers(told(there)), (method, path, more)
        statuses.add(got.status_code)
    assert statuses >= {200, 400, 404, 405, 413, 415}


def test_vectors_are_the_encoder_s(running: Served, encoder: Encoder) -> None:
    engine = OpenAICompatibleEncoder(running.base_url, api_key=KEYS)
    texts = [f"text {i} of the park" for i in range(50)]
    got = engine.encode_query(texts, instruction="Find")
    np.testing.assert_allclose(got, encoder.encode_query(texts, instruction="Find"), atol=1e-6)
    assert engine.fingerprint == encoder.fingerprint


def test_keys_are_needed_and_stay_here(running: Served) -> None:
    asked = {"model": "tiny:query", "input": "a"}
    for headers in ({}, {"Authorization": "Bearer wrong-key-wrong-key"}):
        answer = httpx.post(f"{running.url}/v1/embeddings", json=asked, headers=headers)
        assert answer.status_code == 401
    for process in processes(running):
        assert KEYS not in " ".join(process.cmdline())


def test_metrics_are_of_here_and_of_each_replica(running: Served) -> None:
    asked = {"model": "tiny:query", "input": ["a", "b", "a"]}
    page = httpx.get(f"{running.url}/metrics", headers=BEARER).text
    before = metric(page, 'youtu_st_texts_total{kind="encoded"}')
    assert httpx.post(f"{running.url}/v1/embeddings", json=asked, headers=BEARER).status_code == 200
    page = httpx.get(f"{running.url}/metrics", headers=BEARER).text
    assert metric(page, 'youtu_st_texts_total{kind="encoded"}') == before + 2
    named = {
        line.split('replica="')[1][:8]
        for line in page.splitlines()
        if line.startswith("youtu_st_batches_total")
    }
    assert len(named) == 2
    assert httpx.get(f"{running.url}/info", headers=BEARER).json()["replicas"] == 2
    lines = [one for one in running.events("request") if one.get("texts") == 3]
    assert lines[-1]["tokens"] > 0


def test_a_full_replica_says_429(running: Served) -> None:
    """Four times what both queues hold, at once."""

    async def crowd() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(headers=BEARER, limits=limits, timeout=FAR) as one:
            bodies = [
                {
                    "model": "tiny:query",
                    "input": [f"{i} {j} a text of some length, and more" * 2 for j in range(24)],
                }
                for i in range(40)
            ]
            return await asyncio.gather(
                *(one.post(f"{running.url}/v1/embeddings", json=body) for body in bodies)
            )

    answers = asyncio.run(crowd())
    full = [one for one in answers if one.status_code == 429]
    assert {one.status_code for one in answers} == {200, 429}
    for one in full:
        assert one.json()["error"]["code"] == "queue_full"
        assert int(one.headers["retry-after"]) >= 1
    page = httpx.get(f"{running.url}/metrics", headers=BEARER).text
    assert metric(page, 'youtu_st_requests_refused_total{reason="queue_full"}') == len(full)


def test_a_client_that_leaves_costs_nothing_more(running: Served) -> None:
    before = len(running.events("request"))
    body = {"model": "tiny:query", "input": [f"{j} a text of some length" for j in range(60)]}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{running.url}/v1/embeddings", json=body, headers=BEARER, timeout=0.005)
    until(lambda: [one for one in running.events("request")[before:] if one["status"] == 499])


def test_a_killed_replica_loses_none_of_a_thousand_requests(running: Served, encoder: Encoder) -> None:
    texts = [f"document {i} about the park" for i in range(1000)]
    engine = OpenAICompatibleEncoder(running.base_url, api_key=KEYS, batch_size=1, concurrency=8)
    killed: list[psutil.Process] = []
    start = running.answered

    def kill() -> None:
        until(lambda: running.answered >= start + 300)
        one = replicas(running)[0]
        one.send_signal(signal.SIGKILL)
        killed.append(one)

    killing = threading.Thread(target=kill)
    killing.start()
    got = engine.encode_document(texts)
    killing.join()
    assert len(killed) == 1
    np.testing.assert_allclose(got, encoder.encode_document(texts), atol=1e-6)
    # Not one was lost here either: where a replica died, another one was asked.
    statuses = [one["status"] for one in running.events("request") if one["route"] == "/v1/embeddings"][
        -1000:
    ]
    assert statuses == [200] * 1000
    until(lambda: len(replicas(running)) == 2)
    until(lambda: running.events("replicas")[-1]["running"] == 2)


def line(folder: Path, *arguments: object, **environment: str) -> tuple[int, str]:
    """The exit code of a command that ends by itself, and what it says."""
    command = [str(COMMAND), "serve", *map(str, arguments), "--engine", "ray", "--port", "0"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=FAR, env={**os.environ, **environment}
    )
    return done.returncode, done.stderr


def test_what_the_start_refuses(tmp_path: Path, tiny: Path) -> None:
    code, said = line(tmp_path, tiny, "--address", "127.0.0.1:9", RAY_ADDRESS="")
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith("youtu-st: error: there is no Ray cluster at 127.0.0.1:9: ")
    code, said = line(tmp_path, tiny, "--host", "0.0.0.0")
    assert code == 2
    assert "there are no keys" in said


def test_a_model_that_a_replica_cannot_load_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    code, said = line(tmp_path, broken, RAY_ADDRESS="local")
    assert code == 2
    *log, last = said.splitlines()
    assert last.startswith("youtu-st: error: ")
    assert str(broken) in last
    assert all(" info " in one for one in log), said
