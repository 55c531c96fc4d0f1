"""Who does which shard: every place of a pool is kept filled until all shards are there.

The folder remembers what is done, the pool knows who works, and this file decides what is begun next, what is
begun again after a worker died, and when to give up.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from youtu_st.errors import JobError
from youtu_st.scale.pools.events import FAULT, UNABLE, Died, Event, Failed, Finished, Pool
from youtu_st.scale.running.stopping import Stop
from youtu_st.scale.running.telling import Driven, Progress, Skipped

MOST_DEATHS = 3
"""Workers that may end over one shard before it is given up."""
MOST_BARREN = 3
"""Times that each worker may end before it has begun a shard, with none finished in between."""
TICK = 0.5
"""Seconds after which Ctrl-C, and what others have done in the folder, are looked at."""


class Places(Protocol):
    """What is asked of a job's folder."""

    def is_done(self, number: int) -> bool:
        """Whether a shard is there."""

    def claimed(self) -> Collection[int]:
        """Shards that somebody living has begun, here or elsewhere."""


class Wanted(Protocol):
    """A shard, see :class:`youtu_st.scale.input.Shard`."""

    @property
    def number(self) -> int: ...

    @property
    def rows(self) -> int: ...


def drive(
    folder: Places,
    pool: Pool,
    shards: Sequence[Wanted],
    *,
    stop: Stop | None = None,
    tell: Callable[[Progress], None] = lambda progress: None,
    found: tuple[int, int] = (0, 0),
) -> Driven:
    """Have all of some shards done.

    A worker that dies costs nothing but the time: its shard is begun again, before all others. After the
    first error that trying again does not mend, nothing new is begun, what is under way ends, and the error
    is raised. A shard that somebody else has begun comes last: by then it is there, or free again.

    Args:
        folder: What is there and what is under way. Whoever else fills it is reckoned with.
        pool: Workers; they are not closed, unless it has to end now.
        shards: Those that are open, in the order in which they are begun.
        stop: Asked by whoever wants it to end.
        tell: Called after every event and once every half second.
        found: Shards and rows that were done before, for ``tell``.

    Returns:
        What was done; also where it was stopped, or shards were given up.

    Raises:
        JobError: If a worker says that it cannot go on, or none of them gets as far as a shard.
        KeyboardInterrupt: If it was asked to stop now.
    """
    return _Driver(folder, pool, shards, stop or Stop(), tell, found).run()


class _Driver:
    def __init__(
        self,
        folder: Places,
        pool: Pool,
        shards: Sequence[Wanted],
        stop: Stop,
        tell: Callable[[Progress], None],
        found: tuple[int, int],
    ) -> None:
        self._folder, self._pool, self._stop, self._tell = folder, pool, stop, tell
        self._rows_of = {shard.number: shard.rows for shard in shards}
        self._open = deque(self._rows_of)
        self._elsewhere: list[int] = []
        self._running: set[int] = set()
        self._shards, self._rows = found
        self._all_shards, self._all_rows = (
            len(self._rows_of) + found[0],
            sum(self._rows_of.values()) + found[1],
        )
        self._deaths: Counter[int] = Counter()
        self._barren = 0
        self._begun = False
        self._skipped: list[Skipped] = []
        self._failed: Failed | None = None
        self._encoded = self._encoded_rows = self._tokens = self._met = 0
        self._began, self._ended = float("inf"), float("-inf")
        self._looked = float("-inf")

    def run(self) -> Driven:
        while self._goes_on():
            self._report()
            for event in self._pool.wait(TICK):
                self._take(event)
        self._report()
        if self._failed is not None:
            raise JobError(self._failed.message, self._failed.kind)
        return Driven(
            self._encoded,
            self._encoded_rows,
            self._tokens,
            max(self._ended - self._began, 0.0),
            self._met,
            sum(1 for number, deaths in self._deaths.items() if deaths),
            tuple(self._skipped),
            stopped=bool(self._open or self._elsewhere),
        )

    def _goes_on(self) -> bool:
        """Hand over what there is a place for; whether there is anything to wait for."""
        if self._stop.now:
            self._pool.close(now=True)
            raise KeyboardInterrupt
        if self._failed is not None or self._stop.soon:
            return bool(self._running) and self._pool.workers() > 0
        self._hand_over()
        return bool(self._running or self._open or self._elsewhere)

    def _hand_over(self) -> None:
        # Asked for places a pool starts its workers, which load a model: not before there is something to do.
        places = self._pool.open_places() if self._begun else 1
        if not self._open and self._elsewhere and places > 0:
            self._look_again()
        claimed: Collection[int] | None = None
        while self._open and places > 0:
            number = self._open.popleft()
            if self._folder.is_done(number):
                self._meet(number)
                continue
            if claimed is None:
                claimed = self._folder.claimed()
            # Over one that a worker died from, its claim may stand yet: who is handed it waits for that.
            if number in claimed and not self._deaths[number]:
                self._elsewhere.append(number)
                continue
            if not self._begun:
                self._begun, places = True, self._pool.open_places()
                if places <= 0:
                    self._open.appendleft(number)
                    return
            self._pool.submit(number)
            self._running.add(number)
            places -= 1

    def _look_again(self) -> None:
        """What others had begun is there by now, or nobody's again, or still to be waited for."""
        if time.monotonic() - self._looked < TICK:
            return
        self._looked = time.monotonic()
        claimed = self._folder.claimed()
        self._open.extend(n for n in self._elsewhere if n not in claimed or self._folder.is_done(n))
        waiting = set(self._elsewhere) - set(self._open)
        self._elsewhere = [number for number in self._elsewhere if number in waiting]

    def _meet(self, number: int) -> None:
        self._met += 1
        self._count(number)

    def _count(self, number: int) -> None:
        self._shards += 1
        self._rows += self._rows_of[number]

    def _take(self, event: Event) -> None:
        if isinstance(event, Finished):
            self._barren = 0
            if event.shard not in self._running:
                return  # told twice, or given up meanwhile
            self._running.remove(event.shard)
            if not event.encoded:
                self._meet(event.shard)
                return
            self._count(event.shard)
            self._ended = time.monotonic()
            self._began = min(self._began, self._ended - event.seconds)
            self._encoded += 1
            self._encoded_rows += event.rows
            self._tokens += event.tokens
        elif isinstance(event, Failed):
            self._fail(event)
        else:
            self._bury(event)

    def _fail(self, event: Failed) -> None:
        if event.shard in self._running:
            self._running.remove(event.shard)
            self._open.append(event.shard)
        if self._failed is None or (self._failed.kind == FAULT and event.kind != FAULT):
            self._failed = event  # what a user can mend says more than a fault that may come of it

    def _bury(self, event: Died) -> None:
        """Take back what a worker held; what it was encoding may have been the reason."""
        for number in reversed(event.waiting):
            if number in self._running:
                self._running.remove(number)
                self._open.appendleft(number)
        if event.shard is None:
            self._barren += 1
            if self._barren >= MOST_BARREN * max(1, self._pool.workers()):
                message = (
                    f"{self._barren} workers ended before they had begun a shard: the last {event.reason}"
                )
                self._fail(Failed(None, UNABLE, message))
            return
        if event.shard not in self._running:
            return
        self._running.remove(event.shard)
        self._deaths[event.shard] += 1
        if self._deaths[event.shard] < MOST_DEATHS:
            self._open.appendleft(event.shard)
        elif self._folder.is_done(event.shard):
            self._meet(event.shard)  # it died between the last step and the word
        else:
            self._skipped.append(Skipped(event.shard, self._deaths[event.shard], event.reason))

    def _report(self) -> None:
        self._tell(
            Progress(
                self._rows,
                self._all_rows,
                self._shards,
                self._all_shards,
                len(self._running),
                self._pool.workers(),
            )
        )
