"""What a server counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

ROUTES = frozenset(
    (
        *("/v1/embeddings", "/v2/embed", "/v1/rerank", "/v2/rerank", "/rerank"),
        *("/v1/models", "/info", "/health", "/ready", "/metrics", "/docs", "/openapi.json"),
    )
)
"""Routes that are told apart; all else, whatever was asked for, is one more."""
OTHER = "other"
OF_BATCHES = frozenset(
    f"youtu_st_{name}"
    for name in (
        *("batches", "batch_texts", "batch_tokens", "batch_padding_tokens", "batch_seconds"),
        "queue_tokens",
    )
)
"""What is counted where the model is; all else where the requests arrive."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Upper bounds of what is counted together."""


class Counted(Protocol):
    """What is counted of a request, as :class:`~youtu_st.inference.requests.Request` has it."""

    @property
    def texts(self) -> int:
        """Texts, or pairs, of the caller, repeats included."""

    @property
    def encoded_texts(self) -> int:
        """Different texts."""

    @property
    def tokens(self) -> int:
        """Tokens of the different texts."""

    @property
    def asked_tokens(self) -> int:
        """Tokens of the caller's texts, repeats included."""

    @property
    def reading(self) -> float:
        """Seconds that tokenising took."""

    @property
    def waiting(self) -> float:
        """Seconds in which no batch held any of the texts."""

    @property
    def computing(self) -> float:
        """Seconds of the batches that held them."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Those of a request that was answered elsewhere."""

    texts: int
    encoded_texts: int
    tokens: int
    asked_tokens: int
    reading: float
    waiting: float
    computing: float

    @classmethod
    def of(cls, request: Counted) -> Counts:
        """Those of a request, without its texts."""
        return cls(*(getattr(request, name) for name in cls.__slots__))


Tell = Callable[[str, int, "Counted | None", float], None]


class Metrics:
    """Counts of one server. Safe from many threads; holds nothing of any text.

    Args:
        queued_tokens: Tells how many tokens wait now.
        is_ready: Tells whether requests are taken now.
        tell: Told of every request that is counted: the log.
    """

    def __init__(
        self,
        queued_tokens: Callable[[], int] = lambda: 0,
        is_ready: Callable[[], bool] = lambda: False,
        tell: Tell | None = None,
    ) -> None:
        self._tell = tell
        self.registry = registry = CollectorRegistry()

        def counter(name: str, help: str, *labels: str) -> Counter:
            return Counter(f"youtu_st_{name}", help, labels, registry=registry)

        def histogram(name: str, help: str, *labels: str) -> Histogram:
            return Histogram(f"youtu_st_{name}", help, labels, buckets=SECONDS, registry=registry)

        self._requests = counter("requests", "Requests answered.", "route", "status")
        self._dropped = counter("requests_dropped", "Accepted, and given up before an answer.", "reason")
        self._refused = counter("requests_refused", "Refused before any work.", "reason")
        texts = counter("texts", "Texts, or pairs, of answered requests.", "kind")
        tokens = counter("tokens", "Tokens of answered requests, prompts included.", "kind")
        # From the start, so that a rate over them is right from the first request on.
        self._texts, self._texts_saved = texts.labels("encoded"), texts.labels("repeated")
        self._tokens, self._tokens_saved = tokens.labels("encoded"), tokens.labels("repeated")
        self._cut = counter("texts_truncated", "Texts over the model's length that were cut.")
        self._batches = counter("batches", "Batches that went through a network.", "lane")
        self._batch_texts = counter("batch_texts", "Texts, or pairs, of these batches.", "lane")
        self._batch_tokens = counter("batch_tokens", "Tokens of these batches.", "lane")
        self._padding = counter("batch_padding_tokens", "Tokens of padding in these batches.", "lane")
        self._batch_seconds = histogram("batch_seconds", "Seconds of a batch in the network.", "lane")
        self._reading = histogram("tokenising_seconds", "Seconds a request was tokenised.", "route")
        self._waiting = histogram(
            "waiting_seconds", "Seconds in which no batch held any text of a request.", "route"
        )
        self._computing = histogram("computing_seconds", "Seconds a request was computed.", "route")
        self._seconds = histogram("request_seconds", "Seconds from arrival to answer.", "route")
        depth = Gauge("youtu_st_queue_tokens", "Tokens that wait, not yet in a batch.", registry=registry)
        depth.set_function(queued_tokens)
        ready = Gauge("youtu_st_ready", "1: requests are taken; 0: not yet, or no more.", registry=registry)
        ready.set_function(is_ready)

    def request(self, route: str, status: int, request: Counted | None, seconds: float) -> None:
        """Count a request that was answered.

        Args:
            route: As the server declares it, never a path that somebody sent.
            status: Of HTTP.
            request: Its texts, where it came so far.
            seconds: From arrival to answer.
        """
        route = route_label(route)
        if self._tell is not None:
            self._tell(route, status, request, seconds)
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        if request is None or status >= 400:
            return
        self._texts.inc(request.encoded_texts)
        self._texts_saved.inc(request.texts - request.encoded_texts)
        self._tokens.inc(request.tokens)
        self._tokens_saved.inc(max(request.asked_tokens - request.tokens, 0))
        self._reading.labels(route).observe(request.reading)
        self._waiting.labels(route).observe(request.waiting)
        self._computing.labels(route).observe(request.computing)

    def cut(self, texts: int) -> None:
        """Count texts that were cut."""
        self._cut.inc(texts)

    def dropped(self, reason: str) -> None:
        """Count a request that was accepted and given up: its client left, its deadline passed."""
        self._dropped.labels(reason).inc()

    def refused(self, reason: str) -> None:
        """Count a request that was refused: the queue is full, a key is wrong."""
        self._refused.labels(reason).inc()

    def batch(self, lane: str, texts: int, tokens: int, padded_tokens: int, seconds: float) -> None:
        """Count a batch, as the scheduler tells of it from its worker's thread."""
        self._batches.labels(lane).inc()
        self._batch_texts.labels(lane).inc(texts)
        self._batch_tokens.labels(lane).inc(tokens)
        self._padding.labels(lane).inc(padded_tokens - tokens)
        self._batch_seconds.labels(lane).observe(seconds)

    def page(self) -> tuple[bytes, str]:
        """The page that Prometheus reads, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


def route_label(route: str) -> str:
    """A route's name among the labels: of a bounded number, whatever is asked for."""
    return route if route in ROUTES else OTHER
