"""Replica: a server's application without a network, in a process that only computes."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextvars import ContextVar
from typing import Any, NamedTuple

from prometheus_client import Metric

from youtu_st.serving.app import app
from youtu_st.serving.log import LOGGER
from youtu_st.serving.metrics import OF_BATCHES, Counted, Counts, Metrics
from youtu_st.serving.server import Server

Headers = tuple[tuple[bytes, bytes], ...]
Noticed = tuple[str, tuple[Any, ...]]


class Asked(NamedTuple):
    """A request, all of it.

    Attributes:
        method: Of HTTP.
        path: Of HTTP.
        body: As it came.
        headers: Those that matter; no key is among them.
    """

    method: str
    path: str
    body: bytes = b""
    headers: Headers = ()


class Answered(NamedTuple):
    """An answer, all of it, and what is to be counted and written where the request came from.

    Attributes:
        status: Of HTTP.
        headers: Of HTTP.
        body: Of HTTP.
        noticed: Calls of :class:`~youtu_st.serving.metrics.Metrics`, by the method's name; lines of the log,
            as ``event``.
        counts: Of the request, where it came so far.
    """

    status: int
    headers: Headers
    body: bytes
    noticed: tuple[Noticed, ...] = ()
    counts: Counts | None = None


class _Notes:
    """What is noticed while one request is answered."""

    def __init__(self) -> None:
        self.noticed: list[Noticed] = []
        self.counts: Counts | None = None


_notes: ContextVar[_Notes | None] = ContextVar("youtu_st_notes", default=None)


class Replica:
    """A server whose application is called here and by nobody else: who may ask is settled elsewhere.

    Args:
        server: Not loaded yet. Nothing of it is told to a terminal.

    Raises:
        BaseException: What loading raised.
    """

    def __init__(self, server: Server) -> None:
        server.metrics = _Told(lambda: server.queued_tokens, lambda: server.state == "ready")
        logging.getLogger(LOGGER).setLevel(logging.INFO)
        logging.getLogger(LOGGER).addHandler(_Noting())
        logging.getLogger(LOGGER).propagate = False
        loading = threading.Thread(target=server.load)  # which has an event loop of its own
        loading.start()
        loading.join()
        if server.failure is not None:
            raise server.failure
        self._server = server
        self._app = app(server)

    async def answer(self, asked: Asked) -> Answered:
        """Answer a request. Where the caller is cancelled, what has not entered a batch is dropped."""
        notes = _Notes()
        _notes.set(notes)
        incoming = [{"type": "http.request", "body": asked.body, "more_body": False}]
        status, headers, parts = 500, Headers(), []

        async def receive() -> dict[str, Any]:
            if incoming:
                return incoming.pop()
            await asyncio.Event().wait()  # a client that leaves is told of by a cancellation
            raise AssertionError

        async def send(message: Any) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], tuple(map(tuple, message["headers"]))
            else:
                parts.append(bytes(message.get("body", b"")))

        await self._app(_scope(asked), receive, send)
        return Answered(status, headers, b"".join(parts), tuple(notes.noticed), notes.counts)

    def families(self) -> list[Metric]:
        """What is counted here: batches, and what waits for them."""
        return [one for one in self._server.metrics.registry.collect() if one.name in OF_BATCHES]


def _scope(asked: Asked) -> dict[str, Any]:
    length = (b"content-length", str(len(asked.body)).encode())
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": asked.method,
        "scheme": "http",
        "path": asked.path,
        "raw_path": asked.path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [*asked.headers, length],
        "client": None,
        "server": None,
    }


class _Told(Metrics):
    """Metrics that are counted elsewhere, but for those of batches."""

    def request(self, route: str, status: int, request: Counted | None, seconds: float) -> None:
        if (notes := _notes.get()) is not None and request is not None:
            notes.counts = Counts.of(request)

    def cut(self, texts: int) -> None:
        _note("cut", texts)

    def dropped(self, reason: str) -> None:
        _note("dropped", reason)

    def refused(self, reason: str) -> None:
        _note("refused", reason)


class _Noting(logging.Handler):
    """Keeps what is written to the log while a request is answered."""

    def emit(self, record: logging.LogRecord) -> None:
        _note("event", record.getMessage(), record.levelno, dict(getattr(record, "fields", {})))


def _note(what: str, *values: Any) -> None:
    if (notes := _notes.get()) is not None:
        notes.noticed.append((what, values))
