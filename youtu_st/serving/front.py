"""Front: a server whose models are in replicas elsewhere; requests come here, and are answered there."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, cast

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from youtu_st.errors import EngineError, YoutuError, in_one_line
from youtu_st.serving import log
from youtu_st.serving.app import FINGERPRINT
from youtu_st.serving.call import DEADLINE, Call
from youtu_st.serving.keys import Keys
from youtu_st.serving.metrics import OF_BATCHES
from youtu_st.serving.replica import Answered, Asked
from youtu_st.serving.server import Server
from youtu_st.serving.settings import ServerSettings

EVERY = 1.0
"""Seconds between looks at how many replicas there are."""
LEAST_LEFT = 0.001
"""Seconds that a replica is given at least: it is the one that says that they were too few."""
RELEASE_SECONDS = 20.0
"""For replicas to end before this process does."""
_NOT_PASSED_ON = ("content-length", "connection")


class Replicas(Protocol):
    """Where the models are."""

    def start(self) -> None:
        """Start them, and come back when one takes requests.

        Raises:
            YoutuError: If none will.
        """

    def running(self) -> int:
        """How many take requests now."""

    async def ask(self, asked: Asked) -> Answered:
        """The answer of whichever has the least to do; of another one where that dies meanwhile."""

    async def told(self) -> Sequence[tuple[str, list[Metric]]]:
        """What each of them counts, by its name."""

    def close(self) -> None:
        """End them."""


class Front(Server):
    """The server of the process that listens. It reads, checks and counts requests, and computes nothing.

    It is ready as long as one replica is. All replicas must have the same model: an answer of another one is
    a fault, and none.

    Args:
        settings: What the server was told at its start.
        replicas: Not started yet.
        keys: Who may ask.
    """

    def __init__(self, settings: ServerSettings, replicas: Replicas, *, keys: Keys | None = None) -> None:
        second = None if settings.reranker is None else _elsewhere
        super().__init__(settings, _elsewhere, second, keys=keys)
        self._replicas = replicas
        self._info: dict[str, Any] = {}
        self._running = 0

    def start(self) -> None:
        """Start the replicas, and take requests as soon as one does."""
        start = time.perf_counter()
        self._replicas.start()
        answered = asyncio.run(self._replicas.ask(Asked("GET", "/info")))
        if answered.status != 200:
            raise EngineError(f"a replica answered GET /info with {answered.status}")
        self._info = json.loads(answered.body)
        model, second = self._info["model"], self._info["reranker"]
        self.fingerprint = model["fingerprint"]
        self.reranker_fingerprint = "" if second is None else second["fingerprint"]
        self._look()
        log.event(
            "ready",
            model=self.name,
            fingerprint=self.fingerprint,
            **model["runtime"],
            reranker=self.reranker_name,
            queue_tokens=self._info["limits"]["queue_tokens"],
            replicas=self._running,
            loading_s=round(time.perf_counter() - start, 1),
        )
        threading.Thread(target=self._watch, name="youtu-st-replicas", daemon=True).start()

    def info(self) -> dict[str, Any]:
        """What a replica says of itself, and how many there are."""
        return {**self._info, "replicas": self._running}

    def release(self) -> None:
        """End the replicas, if that does not take long."""
        ending = threading.Thread(target=self._replicas.close, daemon=True)
        ending.start()
        ending.join(RELEASE_SECONDS)

    async def page(self) -> tuple[bytes, str]:
        """What is counted here, and what each replica counts, under its name."""
        families = [one for one in self.metrics.registry.collect() if one.name not in OF_BATCHES]
        told = await self._replicas.told() if self.state == "ready" else []
        by_name: dict[str, Metric] = {}
        for name, theirs in told:
            for family in theirs:
                whole = by_name.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                whole.samples += [
                    one._replace(labels={**one.labels, "replica": name}) for one in family.samples
                ]
        return _page([*families, *by_name.values()]), CONTENT_TYPE_LATEST

    async def forward(self, call: Call) -> Response:
        """The answer of a replica to a request.

        Raises:
            Fault: As for :meth:`~youtu_st.serving.call.Call.raw`; 504 past the deadline.
            ClientGone: If the client leaves meanwhile.
        """
        body = bytes(await call.raw())
        left = str(max(call.seconds_left, LEAST_LEFT)).encode()
        asked = Asked("POST", call.path, body, ((DEADLINE.lower().encode(), left),))
        answered = await call.wait(self._replicas.ask(asked))
        for what, values in answered.noticed:
            if what == "event":
                message, level, fields = values
                log.event(message, level, **fields)
            else:
                getattr(self.metrics, what)(*values)
        call.request = answered.counts
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answered.headers}
        found = {name.lower(): value for name, value in headers.items()}.get(FINGERPRINT.lower())
        if found not in (None, self.fingerprint, self.reranker_fingerprint):
            raise EngineError(
                f"a replica has another model, of the fingerprint {found}: all must have the same"
            )
        kept = {name: value for name, value in headers.items() if name.lower() not in _NOT_PASSED_ON}
        return Response(answered.body, answered.status, kept)

    def _watch(self) -> None:
        while self.state != "closing":
            self._look()
            time.sleep(EVERY)

    def _look(self) -> None:
        try:
            running = self._replicas.running()
        except YoutuError as error:
            log.event("replicas", logging.ERROR, running=0, reason=in_one_line("they are lost", error))
            running = 0
        if running != self._running:
            log.event("replicas", running=running, of=self.settings.replicas)
        self._running = running
        self.turn("ready" if running else "starting")


class _Families:
    """Families of metrics as the writer of pages wants them."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


def _page(families: Sequence[Metric]) -> bytes:
    return generate_latest(cast(CollectorRegistry, _Families(families)))


def _elsewhere() -> Any:
    raise EngineError("there is no model here: the replicas have it")
