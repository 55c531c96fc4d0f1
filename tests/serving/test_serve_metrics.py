"""Metrics: what Prometheus reads is what happened."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest
from prometheus_client.parser import text_string_to_metric_families

from youtu_st.serving.metrics import ROUTES, Metrics


@dataclass
class Texts:
    """As much of a request as is counted."""

    texts: int = 5
    encoded_texts: int = 3
    tokens: int = 30
    asked_tokens: int = 50
    reading: float = 0.002
    waiting: float = 0.02
    computing: float = 0.2


def samples(metrics: Metrics) -> dict[str, float]:
    """``name{label=value}`` and the value of each line, as Prometheus' own parser reads the page."""
    content, media = metrics.page()
    assert media.startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(content.decode()):
        assert family.documentation
        for one in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(one.labels.items()))
            found[f"{one.name}{{{labels}}}" if labels else one.name] = one.value
    return found


def test_a_request_is_counted_with_what_repeats_saved() -> None:
    metrics = Metrics()
    metrics.request("/v1/embeddings", 200, Texts(), 0.3)
    metrics.request("/v1/embeddings", 200, Texts(texts=3, asked_tokens=30), 0.1)
    metrics.request("/v1/embeddings", 504, Texts(), 60)
    metrics.request("/v2/embed", 400, None, 0.001)
    found = samples(metrics)
    assert found["youtu_st_requests_total{route=/v1/embeddings,status=200}"] == 2
    assert found["youtu_st_requests_total{route=/v1/embeddings,status=504}"] == 1
    assert found["youtu_st_requests_total{route=/v2/embed,status=400}"] == 1
    # What had no answer is not among the texts that were answered.
    assert found["youtu_st_texts_total{kind=encoded}"] == 6
    assert found["youtu_st_texts_total{kind=repeated}"] == 2
    assert found["youtu_st_tokens_total{kind=encoded}"] == 60
    assert found["youtu_st_tokens_total{kind=repeated}"] == 20
    for name, seconds in {"tokenising": 0.004, "waiting": 0.04, "computing": 0.4}.items():
        assert found[f"youtu_st_{name}_seconds_count{{route=/v1/embeddings}}"] == 2
        assert found[f"youtu_st_{name}_seconds_sum{{route=/v1/embeddings}}"] == pytest.approx(seconds)
    assert found["youtu_st_request_seconds_count{route=/v1/embeddings}"] == 3
    assert found["youtu_st_request_seconds_sum{route=/v1/embeddings}"] == pytest.approx(60.4)
    assert found["youtu_st_request_seconds_bucket{le=0.1,route=/v1/embeddings}"] == 1
    assert found["youtu_st_request_seconds_bucket{le=0.5,route=/v1/embeddings}"] == 2


def test_batches_are_counted_with_their_padding() -> None:
    metrics = Metrics()
    metrics.batch("embedding", 4, 90, 100, 0.25)
    metrics.batch("embedding", 1, 10, 10, 0.05)
    metrics.batch("reranker", 2, 20, 30, 0.5)
    found = samples(metrics)
    for name, value in {
        "batches_total": 2,
        "batch_texts_total": 5,
        "batch_tokens_total": 100,
        "batch_padding_tokens_total": 10,
        "batch_seconds_count": 2,
        "batch_seconds_sum": 0.3,
    }.items():
        assert found[f"youtu_st_{name}{{lane=embedding}}"] == pytest.approx(value)
    assert found["youtu_st_batch_padding_tokens_total{lane=reranker}"] == 10


def test_what_was_cut_dropped_and_refused_is_counted_by_its_reason() -> None:
    metrics = Metrics()
    metrics.cut(3)
    metrics.cut(1)
    metrics.dropped("client_left")
    metrics.refused("queue_full")
    metrics.refused("queue_full")
    found = samples(metrics)
    assert found["youtu_st_texts_truncated_total"] == 4
    assert found["youtu_st_requests_dropped_total{reason=client_left}"] == 1
    assert found["youtu_st_requests_refused_total{reason=queue_full}"] == 2


def test_the_queue_and_readiness_are_looked_up_when_asked() -> None:
    depth, ready = [7], [False]
    metrics = Metrics(lambda: depth[0], lambda: ready[0])
    assert (samples(metrics)["youtu_st_queue_tokens"], samples(metrics)["youtu_st_ready"]) == (7, 0)
    depth[0], ready[0] = 9, True
    assert (samples(metrics)["youtu_st_queue_tokens"], samples(metrics)["youtu_st_ready"]) == (9, 1)


def test_rates_are_right_from_the_first_request_on() -> None:
    """A counter that begins with its first event has no rate for it."""
    found = samples(Metrics())
    for name in ("texts_total{kind=repeated}", "tokens_total{kind=encoded}", "texts_truncated_total"):
        assert found[f"youtu_st_{name}"] == 0


def test_whatever_is_asked_for_there_are_no_more_routes_than_the_server_has() -> None:
    metrics = Metrics()
    for number in range(100):
        metrics.request(f"/v1/{number}/my secret", 404, None, 0.001)
    for route in ROUTES:
        metrics.request(route, 200, None, 0.001)
    found = samples(metrics)
    assert found["youtu_st_requests_total{route=other,status=404}"] == 100
    assert len([name for name in found if name.startswith("youtu_st_requests_total")]) == len(ROUTES) + 1
    assert "secret" not in metrics.page()[0].decode()


def test_every_name_is_this_projects_and_two_servers_count_apart() -> None:
    first, second = Metrics(), Metrics()
    first.cut(1)
    assert samples(second)["youtu_st_texts_truncated_total"] == 0
    assert all(name.startswith("youtu_st_") for name in samples(first))


def test_nothing_is_lost_among_threads() -> None:
    metrics = Metrics()

    def count() -> None:
        for _ in range(500):
            metrics.request("/v1/embeddings", 200, Texts(), 0.1)
            metrics.batch("embedding", 1, 2, 3, 0.1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = samples(metrics)
    assert found["youtu_st_requests_total{route=/v1/embeddings,status=200}"] == 2000
    assert found["youtu_st_tokens_total{kind=encoded}"] == 60_000
    assert found["youtu_st_batch_tokens_total{lane=embedding}"] == 4000


def test_each_request_is_told_to_the_log() -> None:
    told = []
    metrics = Metrics(tell=lambda *what: told.append(what))
    texts = Texts()
    metrics.request("/v1/rerank", 200, texts, 0.5)
    metrics.request("/secret", 404, None, 0.1)
    assert told == [("/v1/rerank", 200, texts, 0.5), ("other", 404, None, 0.1)]
