"""Who has which shard: workers that ask for shards, die, are late, and are started again."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from youtu_st.scale.pools import messages
from youtu_st.scale.pools.events import Died, Event
from youtu_st.scale.pools.messages import Message
from youtu_st.scale.settings import BadRows, Making

LONGEST_TICK = 0.5
PER_WORKER = 2
"""Shards of a worker: one that is encoded, and one that is read meanwhile."""

Hear = Callable[["Message | None"], None]


class Worker(Protocol):
    """Whatever speaks as :mod:`youtu_st.scale.pools.messages` has it."""

    def send(self, kind: str, content: Any = True) -> None:
        """Say something to it; nothing where it is gone, which it will be heard of."""

    def kill(self) -> None:
        """End it now."""

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it is gone, and everything from it was heard, within so many seconds."""

    def how_it_ended(self) -> str:
        """In words that a shard's end is told in."""


W = TypeVar("W", bound=Worker)


@dataclass(slots=True, eq=False)
class Place(Generic[W]):
    """One worker, and whoever takes its place when it dies."""

    making: Making
    child: W | None = None
    handed: list[int] = field(default_factory=list)
    began: int | None = None
    deadline: float = float("inf")
    wants: bool = False
    late: bool = False
    over: bool = False
    """Nobody takes its place any more."""


class Crew(Generic[W]):
    """A worker for each of some makings; one that dies is started again.

    A worker asks for a shard when it has read the last one to its end, so that none waits behind another
    while somebody is free. Workers are started when the first shard is asked for.

    Args:
        folder: The job's.
        makings: What each worker makes its encoder from.
        bad_rows: Whether a bad row ends the job or is left out.
        shard_timeout: Seconds after which a worker that has not finished a shard is ended; None: never.
        notice: Told what the workers' encoders warn of.
    """

    def __init__(
        self,
        folder: Path,
        makings: Sequence[Making],
        *,
        bad_rows: BadRows = "error",
        shard_timeout: float | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        self._folder = folder
        self._bad_rows = bad_rows
        self._timeout = shard_timeout
        self._notice = notice
        self._places: list[Place[W]] = [Place(making) for making in makings]
        self._waiting: deque[int] = deque()
        self._blamed: set[int] = set()
        self._noticed: set[str] = set()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._lock = threading.RLock()
        self._open = self._closing = False

    def __enter__(self) -> Crew[W]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(now=kind is not None)

    def _hire(self, place: Place[W], hear: Hear) -> W:
        """A worker for a place."""
        raise AssertionError("of a kind that nobody can hire")

    def _heard_otherwise(self, place: Place[W], message: Message | None) -> None:
        """What has nothing to do with shards; None: a worker is gone before any was asked for."""

    def open_places(self) -> int:
        """Shards that may be handed over now."""
        with self._lock:
            self._begin()
            taken = len(self._waiting) + sum(len(place.handed) for place in self._places)
            return max(0, PER_WORKER * self.workers() - taken)

    def submit(self, shard: int) -> None:
        """Hand a shard to whoever is free first."""
        with self._lock:
            self._begin()
            self._waiting.append(shard)
            self._hand_over()

    def wait(self, seconds: float) -> list[Event]:
        """What has happened since; empty if nothing has within so many seconds."""
        end, found = time.monotonic() + seconds, list[Event]()
        while not found:
            now = time.monotonic()
            self._end_late_ones(now)
            try:
                found.append(self._events.get(timeout=max(0.0, min(end - now, LONGEST_TICK))))
            except queue.Empty:
                if now >= end:
                    return []
        with suppress(queue.Empty):
            while True:
                found.append(self._events.get_nowait())
        return found

    def workers(self) -> int:
        """Workers that live now, or are being started."""
        with self._lock:
            if not self._open:
                return len(self._places)
            return sum(1 for place in self._places if place.child is not None)

    def close(self, *, now: bool = False) -> None:
        """End the workers: after the shards they have begun, or now."""
        with self._lock:
            self._closing = True
            self._waiting.clear()
            children = [place.child for place in self._places if place.child is not None]
            for child in children:
                child.kill() if now else child.send("end")
        for child in children:
            while not child.wait(LONGEST_TICK):
                self._end_late_ones(time.monotonic())

    def _begin(self) -> None:
        if self._open or self._closing:
            return
        self._open = True
        for place in self._places:
            self._start(place)
            self._open_at(place)

    def _start(self, place: Place[W]) -> W:
        if place.child is None:
            place.child = self._hire(place, lambda message: self._heard(place, message))
        return place.child

    def _open_at(self, place: Place[W]) -> None:
        self._start(place).send(
            "open",
            {"folder": str(self._folder), "making": asdict(place.making), "bad_rows": self._bad_rows},
        )

    def _hand_over(self) -> None:
        """Give what waits to those that have asked, whoever has the least to do first."""
        wanting = [place for place in self._places if place.wants]
        for place in sorted(wanting, key=lambda place: len(place.handed)):
            if not self._waiting or place.child is None:
                return
            shard = self._waiting.popleft()
            place.wants = False
            place.handed.append(shard)
            place.child.send("shard", {"number": shard, "alone": shard in self._blamed})

    def _heard(self, place: Place[W], message: Message | None) -> None:
        """Called by the threads of the children."""
        with self._lock:
            if message is None:
                self._gone(place)
                return
            ((kind, content),) = message.items()
            if kind == "want":
                place.wants = True
                self._hand_over()
            elif kind == "began":
                place.began = content
                place.deadline = time.monotonic() + (self._timeout or float("inf"))
            elif kind == "noticed":
                self._say(content)
            elif kind in ("finished", "failed"):
                self._over(place, kind, content)
            else:
                self._heard_otherwise(place, message)

    def _over(self, place: Place[W], kind: str, content: Message) -> None:
        event = messages.heard(kind, content)
        if event.shard is None:
            place.over = True
        elif event.shard in place.handed:
            place.handed.remove(event.shard)
            if place.began == event.shard:
                place.began, place.deadline = None, float("inf")
        self._events.put(event)

    def _gone(self, place: Place[W]) -> None:
        child, place.child = place.child, None
        if not self._open:
            self._heard_otherwise(place, None)
            return
        began, handed = place.began, place.handed
        place.began, place.handed, place.deadline, place.wants = None, [], float("inf"), False
        if child is None or place.over or (self._closing and not handed):
            return
        reason = f"took longer than {self._timeout:g} s" if place.late else child.how_it_ended()
        place.late = False
        if began is not None:
            self._blamed.add(began)
        self._events.put(Died(began, tuple(n for n in handed if n != began), reason))
        if not self._closing:
            self._open_at(place)

    def _end_late_ones(self, now: float) -> None:
        with self._lock:
            for place in self._places:
                if now >= place.deadline and place.child is not None:
                    place.late, place.deadline = True, float("inf")
                    place.child.kill()

    def _say(self, line: str) -> None:
        if self._notice is not None and line not in self._noticed:
            self._noticed.add(line)
            self._notice(line)
