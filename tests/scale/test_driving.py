"""Driving a pool: every shard is there once, or told of, in whatever order workers finish, die and fail."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from youtu_st.errors import JobError
from youtu_st.scale.pools.events import FAULT, FULL, ROW, UNABLE, Died, Event, Failed, Finished
from youtu_st.scale.running.driving import MOST_DEATHS, drive
from youtu_st.scale.running.stopping import Stop
from youtu_st.scale.running.telling import Progress

ROWS = 10
WORD = 2.0
"""Seconds after which a thread's word is certainly there; waited for only where something is wrong."""


class Part(NamedTuple):
    number: int
    rows: int = ROWS


class Shelf:
    """A folder: a file for a shard that is there, one for a shard that somebody has begun."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(exist_ok=True)

    def is_done(self, number: int) -> bool:
        return (self.path / f"{number}").exists()

    def claimed(self) -> set[int]:
        return {int(name[1:]) for name in os.listdir(self.path) if name.startswith(".")}

    def done(self) -> set[int]:
        return {int(name) for name in os.listdir(self.path) if not name.startswith(".")}

    def claim(self, number: int) -> None:
        (self.path / f".{number}").touch()

    def release(self, number: int) -> None:
        (self.path / f".{number}").unlink()

    def place(self, number: int) -> None:
        (self.path / f".{number}").rename(self.path / f"{number}")


@dataclass
class Memory:
    """The same without files, for thousands of runs."""

    there: set[int] = field(default_factory=set)
    begun: set[int] = field(default_factory=set)

    def is_done(self, number: int) -> bool:
        return number in self.there

    def claimed(self) -> set[int]:
        return self.begun - self.there


class Played:
    """Two places a worker, and what happens next is drawn: deterministic, so that hypothesis can make it small."""

    def __init__(self, workers: int, folder: Memory, draw: Any, words: list[str], most: int = 200) -> None:
        self.free = [[] for _ in range(workers)]  # type: list[list[int]]
        self.folder, self.draw, self.words, self.left = folder, draw, words, most
        self.encoded: Counter[int] = Counter()
        self.deaths: Counter[int] = Counter()
        self.begun: list[int] = []
        self.failed: list[Failed] = []
        self.after_failure: list[int] = []
        self.closed_now = False

    def open_places(self) -> int:
        return sum(2 - len(held) for held in self.free)

    def submit(self, shard: int) -> None:
        assert self.open_places() > 0
        assert not any(shard in held for held in self.free), "handed over twice"
        min(self.free, key=len).append(shard)
        self.begun.append(shard)
        if self.failed:
            self.after_failure.append(shard)

    def workers(self) -> int:
        return len(self.free)

    def wait(self, seconds: float) -> list[Event]:
        held = self.draw(st.sampled_from(self.free))
        self.left -= 1
        word = self.draw(st.sampled_from(self.words)) if self.left > 0 else "finish"
        if word == "nothing":
            return []
        if word == "idle death" and not held:
            return [Died(None, reason="was killed (signal 9)")]
        if not held:
            held = max(self.free, key=len)
            if not held:
                return []
        shard = held[0]
        if word == "death" or word == "late death":
            if word == "late death":
                self.folder.there.add(shard)
                self.encoded[shard] += 1
            self.deaths[shard] += 1
            waiting = tuple(held[1:])
            held.clear()
            return [Died(shard, waiting, "was killed (signal 9)")]
        if word in (ROW, FULL, UNABLE, FAULT):
            held.pop(0)
            self.failed.append(Failed(shard, word, f"shard {shard}: {word}"))
            return [self.failed[-1]]
        held.pop(0)
        if word == "somebody else" or self.folder.is_done(shard):
            self.folder.there.add(shard)
            return [Finished(shard, ROWS, 0, 0, 0, 0.0, encoded=False)]
        self.folder.there.add(shard)
        self.encoded[shard] += 1
        events: list[Event] = [Finished(shard, ROWS, 7, 0, 0, 0.1)]
        return events * 2 if word == "told twice" else events

    def close(self, *, now: bool = False) -> None:
        self.closed_now = now


GOOD = ["finish", "nothing", "somebody else", "told twice"]
DEADLY = [*GOOD, "finish", "finish", "death", "late death"]


@settings(max_examples=300, deadline=None)
@given(shards=st.integers(0, 12), workers=st.integers(1, 4), data=st.data())
def test_every_shard_is_there_once_or_told_of(shards: int, workers: int, data: st.DataObject) -> None:
    folder = Memory()
    pool = Played(workers, folder, data.draw, DEADLY)
    told: list[Progress] = []
    driven = drive(folder, pool, [Part(n) for n in range(shards)], tell=told.append)
    skipped = {one.shard for one in driven.skipped}
    assert folder.there | skipped == set(range(shards))
    assert not folder.there & skipped
    assert max(pool.encoded.values(), default=0) <= 1
    assert skipped == {shard for shard in pool.deaths if pool.deaths[shard] >= MOST_DEATHS} - folder.there
    assert all(one.deaths == MOST_DEATHS for one in driven.skipped)
    assert driven.encoded + driven.met == len(folder.there)
    assert driven.again == len(pool.deaths)
    assert (driven.rows, driven.tokens) == (ROWS * driven.encoded, 7 * driven.encoded)
    assert not driven.stopped
    assert (told[-1].shards, told[-1].rows) == (len(folder.there), ROWS * len(folder.there))
    assert (told[-1].all_shards, told[-1].all_rows, told[-1].under_way) == (shards, ROWS * shards, 0)


@settings(max_examples=200, deadline=None)
@given(shards=st.integers(1, 12), workers=st.integers(1, 4), data=st.data())
def test_after_an_error_nothing_new_is_begun_and_what_is_under_way_ends(
    shards: int, workers: int, data: st.DataObject
) -> None:
    folder = Memory()
    pool = Played(workers, folder, data.draw, [*DEADLY, ROW, FULL, UNABLE, FAULT])
    try:
        drive(folder, pool, [Part(n) for n in range(shards)])
    except JobError as error:
        said = [one for one in pool.failed if one.message == str(error) and one.kind == error.kind]
        assert said
        named = [one for one in pool.failed if one.kind != FAULT]
        assert said[0] == (named or pool.failed)[0]  # the first that a user can mend
    else:
        assert not pool.failed
    assert not pool.after_failure
    assert not any(pool.free)  # nothing was left behind in a place


def test_longest_first_and_a_dead_workers_shards_before_all_others() -> None:
    folder, words = Memory(), iter(["death", *["finish"] * 9])
    pool = Played(1, folder, lambda strategy: None, [])

    def wait(seconds: float) -> list[Event]:
        held = pool.free[0]
        if next(words) == "death":
            gone = Died(held[0], tuple(held[1:]), "took longer than 60 s")
            held.clear()
            return [gone]
        folder.there.add(held[0])
        return [Finished(held.pop(0), ROWS, 7, 0, 0, 0.1)]

    pool.wait = wait  # type: ignore[method-assign]
    driven = drive(folder, pool, [Part(n) for n in (3, 1, 2, 0)])
    assert pool.begun == [3, 1, 3, 1, 2, 0]
    assert (driven.encoded, driven.again) == (4, 1)


def test_workers_that_never_begin_end_the_job() -> None:
    pool = Played(2, Memory(), lambda strategy: None, [])
    pool.wait = lambda seconds: [Died(None, (0,), "ended with exit code 1")]  # type: ignore[method-assign]
    pool.open_places = lambda: 1  # type: ignore[method-assign]
    pool.submit = lambda shard: None  # type: ignore[method-assign]
    with pytest.raises(
        JobError, match="6 workers ended before they had begun a shard: the last ended with exit code 1"
    ):
        drive(Memory(), pool, [Part(0)])


def test_nothing_is_asked_of_a_pool_where_nothing_is_open(tmp_path: Path) -> None:
    driven = drive(Shelf(tmp_path), Played(1, Memory(), None, []), [])
    assert (driven.encoded, driven.met, driven.stopped) == (0, 0, False)


def test_who_asks_twice_means_now() -> None:
    stop = Stop()
    stop.ask()
    assert (stop.soon, stop.now) == (True, False)
    stop.ask()
    assert (stop.soon, stop.now) == (True, True)
    at_once = Stop()
    at_once.ask(now=True)
    assert (at_once.soon, at_once.now) == (True, True)


@settings(max_examples=100, deadline=None)
@given(shards=st.integers(1, 12), after=st.integers(0, 12), data=st.data())
def test_asked_to_stop_it_ends_after_the_shards_under_way(
    shards: int, after: int, data: st.DataObject
) -> None:
    folder, stop = Memory(), Stop()
    pool = Played(2, folder, data.draw, ["finish", "nothing", "death"])
    begun: list[int] = []

    def tell(progress: Progress) -> None:
        if progress.shards >= after and not stop.soon:
            stop.ask()
            begun.extend(pool.begun)

    driven = drive(folder, pool, [Part(n) for n in range(shards)], stop=stop, tell=tell)
    assert not any(pool.free)
    if stop.soon:
        assert pool.begun == begun
    assert driven.stopped == (len(folder.there) + len(driven.skipped) < shards)


def test_asked_twice_it_ends_now() -> None:
    folder, stop = Memory(), Stop()
    pool = Played(2, folder, lambda strategy: None, [])
    pool.wait = lambda seconds: stop.ask() or []  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        drive(folder, pool, [Part(n) for n in range(9)], stop=stop)
    assert pool.closed_now
    assert pool.begun == [0, 1, 2, 3]  # two words came, and nothing new after the first


class Threads:
    """Workers that are threads over one folder of files."""

    def __init__(self, shelf: Shelf, workers: int, deaths: dict[int, int] | None = None) -> None:
        self.shelf, self.deaths = shelf, Counter(deaths or {})
        self.handed: queue.Queue[int | None] = queue.Queue()
        self.told: queue.Queue[Event] = queue.Queue()
        self.places, self.lock = 2 * workers, threading.Lock()
        self.encoded: list[int] = []
        self.threads = [threading.Thread(target=self.work) for _ in range(workers)]
        for thread in self.threads:
            thread.start()

    def work(self) -> None:
        while (shard := self.handed.get()) is not None:
            with self.lock:
                dies = self.deaths[shard] > 0
                self.deaths[shard] -= dies
                # In this order: what is placed between the two is no longer claimed, and done.
                rival = shard in self.shelf.claimed() or self.shelf.is_done(shard)
                if not rival:
                    self.shelf.claim(shard)
            if rival:  # as a worker does: it waits
                while not self.shelf.is_done(shard):
                    time.sleep(0.001)
                self.told.put(Finished(shard, ROWS, 0, 0, 0, 0.0, encoded=False))
            elif dies:
                self.shelf.release(shard)
                self.told.put(Died(shard, (), "was killed (signal 9)"))
            else:
                time.sleep(0.001)
                self.encoded.append(shard)
                self.shelf.place(shard)
                self.told.put(Finished(shard, ROWS, 7, 0, 0, 0.1))
            with self.lock:
                self.places += 1

    def open_places(self) -> int:
        with self.lock:
            return self.places

    def submit(self, shard: int) -> None:
        with self.lock:
            self.places -= 1
        self.handed.put(shard)

    def wait(self, seconds: float) -> list[Event]:
        try:
            events = [self.told.get(timeout=seconds)]
        except queue.Empty:
            return []
        while not self.told.empty():
            events.append(self.told.get())
        return events

    def workers(self) -> int:
        return len(self.threads)

    def close(self, *, now: bool = False) -> None:
        for _ in self.threads:
            self.handed.put(None)
        for thread in self.threads:
            thread.join(WORD)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_threads_that_die_leave_nothing_undone(tmp_path: Path, workers: int) -> None:
    shelf = Shelf(tmp_path / "out")
    pool = Threads(shelf, workers, deaths={0: 1, 7: 2, 11: MOST_DEATHS, 39: MOST_DEATHS - 1})
    driven = drive(shelf, pool, [Part(n) for n in range(40)])
    pool.close()
    assert shelf.done() == set(range(40)) - {11}
    assert sorted(pool.encoded) == sorted(shelf.done())
    assert [(one.shard, one.deaths, one.reason) for one in driven.skipped] == [
        (11, MOST_DEATHS, "was killed (signal 9)")
    ]
    assert (driven.encoded, driven.again, driven.met) == (39, 4, 0)


def test_two_drivers_over_one_folder_do_each_shard_once(tmp_path: Path) -> None:
    """Each takes what the other has not begun, and waits at the end for what the other does."""
    shelf = Shelf(tmp_path / "out")
    lock = threading.Lock()  # both pools' claims: a real folder has its own
    pools = [Threads(shelf, 2), Threads(shelf, 2)]
    for pool in pools:
        pool.lock = lock
    found: list[Any] = []
    both = [
        threading.Thread(
            target=lambda pool=pool: found.append(drive(shelf, pool, [Part(n) for n in range(60)]))
        )
        for pool in pools
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(60)
    for pool in pools:
        pool.close()
    assert shelf.done() == set(range(60))
    assert sorted(pools[0].encoded + pools[1].encoded) == list(range(60))
    assert [one.encoded + one.met for one in found] == [60, 60]


def test_what_another_had_begun_is_taken_over_when_its_claim_is_gone(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "out")
    shelf.claim(0)  # somebody's, who will finish
    shelf.claim(1)  # somebody's, who will be gone
    pool = Threads(shelf, 1)
    words: list[Progress] = []

    def tell(progress: Progress) -> None:
        if progress.shards == 2 and len(words) < 2:
            words.append(progress)
            if len(words) == 2:
                shelf.place(0)
                shelf.release(1)

    driven = drive(shelf, pool, [Part(n) for n in range(4)], tell=tell)
    pool.close()
    assert pool.encoded == [2, 3, 1]
    assert (driven.encoded, driven.met) == (3, 1)
