"""Scheduler: one way to the network for all that waits at the same moment, whoever asks."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from youtu_st.backends.forks import Lock, after_fork
from youtu_st.errors import QueueFullError
from youtu_st.inference.batches import Group
from youtu_st.inference.fair_queue import Batch, FairQueue
from youtu_st.inference.requests import Found, Lane, Piece, Request, Rows, Steps

LARGE = 1 << 18
"""Characters of a call, or bytes of a body, above which one text may keep a tokenizer busy for long."""
MINUTE = 60.0
"""Seconds of the past that the speed is taken from."""


class Watch(Protocol):
    """What is told of every batch, in the thread that computed it."""

    def batch(self, lane: str, texts: int, tokens: int, padded_tokens: int, seconds: float) -> None:
        """Take note of a batch."""


@dataclass(frozen=True, slots=True)
class _Done:
    ended: float
    tokens: int
    seconds: float


class Scheduler:
    """Puts the texts of concurrent calls into shared batches, fair by tokens and bounded by tokens.

    Nothing waits for company: with nothing running, a request starts at once, and those that come while it
    runs go together in the next batch. Which texts these are, :class:`FairQueue` says. A text that fails,
    fails its own request. Safe to call from many threads and event loops; a forked child has an empty one.

    Args:
        queue_tokens: Tokens that may wait; None: any number.
        workers: Batches under way at once: one for a CPU.
        watch: Told of every batch.
    """

    def __init__(
        self, *, queue_tokens: int | None = None, workers: int = 1, watch: Watch | None = None
    ) -> None:
        self.queue_tokens = queue_tokens
        self._most = workers
        self._watch = watch
        self._lock = Lock()
        self._begin()
        after_fork(self._begin)

    def _begin(self) -> None:
        """Also in a forked child: the threads and what waits for them are the parent's."""
        self._queue = FairQueue(self.queue_tokens)
        self._read: dict[int, int] = {}
        self._done: deque[_Done] = deque()
        self._running = 0
        # They do not end between batches: a thread that has computed takes a lock of torch's as it ends, and
        # a child that is forked at that moment never finds it free.
        self._workers = ThreadPoolExecutor(self._most, thread_name_prefix="youtu-st-scheduler")
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="youtu-st-reader")
        self._large_readers = ThreadPoolExecutor(1, thread_name_prefix="youtu-st-large-reader")

    @property
    def queued_tokens(self) -> int:
        """Tokens that wait for a batch."""
        return self._queue.tokens

    @property
    def queued_requests(self) -> int:
        """Requests that wait for a batch."""
        return len(self._queue)

    def retry_after(self) -> float:
        """Seconds after which what waits now should be done, at the speed of the last minute; at least 1."""
        with self._lock.now:
            return self._seconds_left()

    async def read(self, steps: Steps, *, at_least: int = 0, large: bool = False) -> Request:
        """Tokenise a call's texts off the event loop, a step at a time: a question passes a corpus here too.

        Args:
            steps: What :meth:`youtu_st.Encoder.request` gives.
            at_least: Tokens that these are expected to be: they count as waiting while they are read.
            large: Whether one step may take seconds, of a text of millions of characters: those that are
                wait for each other, and nobody else for them.

        Raises:
            RequestTooLargeError: If these are more tokens than may ever wait.
            QueueFullError: If there is no room for them already.
            Exception: What a step raises.
        """
        loop, began = asyncio.get_running_loop(), time.perf_counter()
        expected = at_least if self.queue_tokens is None else min(at_least, self.queue_tokens)
        readers = self._large_readers if large else self._readers
        step: Request | int = 0
        try:
            while not isinstance(step, Request):
                self._hold(id(steps), max(step, expected))
                step = await loop.run_in_executor(readers, next, steps)
        finally:
            self._read.pop(id(steps), None)
        step.reading = time.perf_counter() - began
        return step

    async def run(self, request: Request) -> Rows:
        """The rows of a call's texts, without blocking the event loop. Cancelled, it drops what waits.

        Args:
            request: What :meth:`read` gave; run once.

        Returns:
            One row for each of the caller's texts, repeats included, in their order: float32.

        Raises:
            RequestTooLargeError: At once, if it has more tokens than may ever wait.
            QueueFullError: At once, if it has more than there is room for now.
            NonFiniteError: If the network gives a row that is not sound, in float32 too.
            OutOfMemoryError: If one text alone is too much for the device.
        """
        if not request.rows:
            return np.empty((0, *request.output.shape), dtype=np.float32)
        began = time.perf_counter()
        self._submit(request)
        try:
            return await _handed_over(request.answer)
        finally:
            if request.answer.cancel() or request.answer.cancelled():
                self._drop(request)
            request.waiting = max(time.perf_counter() - began - request.computing, 0.0)

    def _hold(self, reading: int, tokens: int) -> None:
        """Count a request that is being read as one that waits."""
        with self._lock.now:
            others = sum(held for one, held in self._read.items() if one != reading)
            with self._knowing_when():
                self._queue.check_room(tokens, others=others)
            self._read[reading] = tokens

    def _submit(self, request: Request) -> None:
        with self._lock.now:
            with self._knowing_when():
                self._queue.add(request)
            start = self._running < self._most
            self._running += start
        if start:
            self._workers.submit(self._work)

    def _drop(self, request: Request) -> None:
        with self._lock.now:
            self._queue.discard(request)

    @contextmanager
    def _knowing_when(self) -> Iterator[None]:
        try:
            yield
        except QueueFullError as error:
            error.retry_after = self._seconds_left()
            raise

    def _seconds_left(self) -> float:
        self._forget()
        seconds = sum(done.seconds for done in self._done) / self._most
        tokens = sum(done.tokens for done in self._done)
        return max(1.0, self._queue.tokens * seconds / tokens) if tokens else 1.0

    def _forget(self) -> None:
        """Leave out of the speed what is longer ago than a minute."""
        now = time.monotonic()
        while self._done and self._done[0].ended < now - MINUTE:
            self._done.popleft()

    def _work(self) -> None:
        while batch := self._take():
            self._compute(batch)

    def _take(self) -> Batch | None:
        """The next batch; none: this worker ends."""
        with self._lock.now:
            batch = self._queue.take()
            self._running -= batch is None
            return batch

    def _compute(self, batch: Batch) -> None:
        began = time.perf_counter()
        alive = [i for i, piece in enumerate(batch.pieces) if not piece.request.gone]
        if not alive:
            return
        pieces = [batch.pieces[i] for i in alive]
        group = Group(list(range(len(pieces))), batch.group.shared, batch.group.padded)
        found = _found(batch.lane, pieces, group)
        seconds = time.perf_counter() - began
        tokens = sum(piece.tokens for piece in pieces)
        with self._lock.now:
            self._done.append(_Done(time.monotonic(), tokens, seconds))
            self._forget()
        if self._watch is not None:  # before the answers, so that who has one finds it counted
            self._watch.batch(batch.lane.name, len(pieces), tokens, _padded(pieces, group), seconds)
        rows: dict[Request, list[tuple[int, Found]]] = {}
        for piece, row in zip(pieces, found, strict=True):
            rows.setdefault(piece.request, []).append((piece.i, row))
        for request, its_rows in rows.items():
            request.computing += seconds
            request.fill(its_rows)
            if request.gone:  # an error leaves the rest of its texts without anybody who asks
                self._drop(request)


def _handed_over(answer: Future[Rows]) -> asyncio.Future[Rows]:
    """What gives a worker's answer to this event loop.

    :func:`asyncio.wrap_future` would leave the answer, which may be large, in a circle for the collector.
    """
    loop = asyncio.get_running_loop()
    handed: asyncio.Future[Rows] = loop.create_future()

    def give(rows: Rows | None, error: BaseException | None) -> None:
        if not handed.done():
            if error is not None:
                handed.set_exception(error)
            elif rows is not None:
                handed.set_result(rows)

    def take(done: Future[Rows]) -> None:
        if not done.cancelled():
            error = done.exception()
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(give, None if error else done.result(), error)

    answer.add_done_callback(take)
    return handed


def _found(lane: Lane, pieces: list[Piece], group: Group) -> list[Found]:
    """What becomes of each piece; where a batch fails as a whole, of each request's own."""
    try:
        return lane.run(pieces, group)
    except BaseException as error:
        requests = {piece.request: None for piece in pieces}
        if len(requests) == 1:
            return [error] * len(pieces)
    found: dict[Piece, Found] = {}
    for request in requests:
        own = [piece for piece in pieces if piece.request is request]
        alone = Group(list(range(len(own))), group.shared, group.padded)
        found |= zip(own, _found(lane, own, alone), strict=True)
    return [found[piece] for piece in pieces]


def _padded(pieces: list[Piece], group: Group) -> int:
    longest = max(piece.tokens for piece in pieces)
    return longest * len(pieces) if group.padded else sum(piece.tokens for piece in pieces)
