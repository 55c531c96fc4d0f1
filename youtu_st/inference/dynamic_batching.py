"""Many small concurrent calls, few batches: what asynchronous callers get from one network."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from youtu_st.backends.forks import Lock, after_fork
from youtu_st.protocol import Vectors

K = TypeVar("K", bound=Hashable)

MOST_TEXTS = 256


@dataclass(frozen=True, slots=True)
class _Request(Generic[K]):
    key: K
    texts: list[str]
    answer: Future[Vectors] = field(default_factory=Future)


class DynamicBatcher(Generic[K]):
    """Puts calls that wait at the same moment into one call of ``encode``.

    Nothing waits for company: the first call starts at once, and those that come while it runs go together
    in the next. One thread does it, as long as this object lives.

    Args:
        encode: ``encode(key, texts)`` gives one row per text. Only calls of equal keys share a batch.
        most: Texts of a batch. A call that brings more of its own goes by itself, so that others need not
            wait for a whole corpus.
    """

    def __init__(self, encode: Callable[[K, list[str]], Vectors], *, most: int = MOST_TEXTS) -> None:
        self._encode = encode
        self._most = most
        self._lock = Lock()
        self._begin()
        after_fork(self._begin)

    def _begin(self) -> None:
        """Also in a forked child: the thread and what waits for it are the parent's."""
        self._waiting: deque[_Request[K]] = deque()
        self._running = False
        # It does not end between batches: a thread that has computed takes a lock of torch's as it ends, and
        # a child that is forked at that moment never finds it free.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="youtu-st-dynamic-batcher")

    async def __call__(self, key: K, texts: Sequence[str]) -> Vectors:
        """The rows of some texts, without blocking the event loop.

        Raises:
            Exception: What ``encode`` raised for these texts; another call's mistake does not reach this one.
        """
        if len(texts) > self._most:
            return await asyncio.to_thread(self._encode, key, list(texts))
        request = _Request(key, list(texts))
        with self._lock.now:
            self._waiting.append(request)
            start, self._running = not self._running, True
        if start:
            self._thread.submit(self._work)
        return await asyncio.wrap_future(request.answer)

    def _work(self) -> None:
        while requests := self._take():
            self._answer([one for one in requests if one.answer.set_running_or_notify_cancel()])

    def _take(self) -> list[_Request[K]]:
        """The oldest request, and those after it that can share its batch; none: the thread ends."""
        with self._lock.now:
            if not self._waiting:
                self._running = False
                return []
            taken, left = [self._waiting.popleft()], deque[_Request[K]]()
            count = len(taken[0].texts)
            for request in self._waiting:
                fits = request.key == taken[0].key and count + len(request.texts) <= self._most
                count += len(request.texts) if fits else 0
                (taken if fits else left).append(request)
            self._waiting = left
            return taken

    def _answer(self, requests: list[_Request[K]]) -> None:
        if not requests:
            return
        try:
            rows = self._encode(requests[0].key, [text for one in requests for text in one.texts])
        except BaseException as error:
            if len(requests) == 1:
                requests[0].answer.set_exception(error)
                return
            for request in requests:  # one of them is at fault: only that one may know
                self._answer([request])
            return
        start = 0
        for request in requests:
            end = start + len(request.texts)
            request.answer.set_result(rows[start:end])
            start = end
