"""Before a process forks, what must not be forked in the middle of its work comes to rest.

SQLite's state of a file belongs to a process: a connection that both use, and even one that the child opens
beside it, sees locks that only the parent has, and the log of one of them is deleted under the other. And the
libraries under torch have locks inside that no child finds free, if another thread was computing at the fork,
or had computed and was about to end.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from youtu_st.backends.forks import Lock, after_fork

LONGEST_WAIT = 60.0
"""Seconds that a fork waits for a batch or a load. Not for ever: the thread that forks may be the one that
does it."""

_LONGEST_END = 1.0
_TASKS = Path("/proc/self/task")


class Resting(Protocol):
    """What an object does around a fork of its process."""

    def before_fork(self) -> None:
        """Wait for other threads' calls to end, keep further ones waiting, and let go of what is open."""

    def after_fork_in_parent(self) -> None:
        """Let them go on."""

    def after_fork_in_child(self) -> None:
        """Be an object of this process; no other thread is here."""


class LocksAround:
    """An object with a lock around its work, for which a fork waits: no child finds what the work held.

    Args:
        inner: Whether others call it while they hold locks of their own, see :func:`rest_around_forks`.

    Attributes:
        _lock: Taken for each piece of work.
    """

    def __init__(self, *, inner: bool = False) -> None:
        # One call at a time: more would only share the same cores, and need more memory.
        self._lock = Lock()
        self._rests: threading.Lock | None = None
        rest_around_forks(self, inner=inner)

    def before_fork(self) -> None:
        """Wait for the work that is under way, and keep further calls waiting."""
        lock = self._lock.now
        self._rests = lock if lock.acquire(timeout=LONGEST_WAIT) else None

    def after_fork_in_parent(self) -> None:
        """Let other threads go on."""
        if self._rests is not None:
            self._rests.release()
            self._rests = None

    def after_fork_in_child(self) -> None:
        """The lock is another here."""
        self._rests = None


_objects: weakref.WeakSet[Resting] = weakref.WeakSet()
_inner: weakref.WeakSet[Resting] = weakref.WeakSet()
_resting: list[Resting] = []
_first = threading.Lock()  # never released: who gets it is the first
_fork = threading.RLock()  # two threads that fork at the same moment would wait for each other's objects
_whole = threading.RLock()
_keeps_whole = False
_computed: set[int] = set()


def rest_around_forks(resting: Resting, *, inner: bool = False) -> None:
    """Have an object told, as long as it lives; it is held weakly.

    Args:
        resting: The object.
        inner: Whether others call it while they hold locks of their own: it is told after them. A fork that
            had its lock already would wait for theirs, and they for it.
    """
    (_inner if inner else _objects).add(resting)
    after_fork(resting.after_fork_in_child)
    _register()


@contextmanager
def whole_at_forks() -> Iterator[None]:
    """A block that one thread at a time is in, and that no other thread's fork falls into.

    For what uses locks of other libraries for longer, or leaves something half done that a child would find:
    loading a model imports modules, and sets defaults of transformers and torch while it does.
    """
    _register()
    with _whole:
        this_thread_computes()
        yield


def this_thread_computes() -> None:
    """Have forks wait until this thread is gone, once it has begun to end.

    MKL, under torch, gives the memory of a thread that ends to the others, and takes a lock for that.
    """
    _computed.add(threading.get_native_id())


def _register() -> None:
    if hasattr(os, "register_at_fork") and _first.acquire(blocking=False):
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


def _before() -> None:
    global _keeps_whole
    _fork.acquire()
    for resting in [*_objects, *_inner]:
        with suppress(Exception):  # nobody hears of it here, and the others still have to be told
            resting.before_fork()
            _resting.append(resting)
    # The last: a thread that loads may be one that an object waits for.
    _keeps_whole = _whole.acquire(timeout=LONGEST_WAIT)
    _wait_for_ends()


def _wait_for_ends() -> None:
    """Of threads that have computed, and that only the system still knows.

    When this returns, and until the fork, no other thread has the interpreter's lock, which it needs to end.
    """
    end = time.monotonic() + _LONGEST_END
    while _computed and _TASKS.is_dir() and time.monotonic() < end:
        _computed.intersection_update([int(name) for name in os.listdir(_TASKS)])
        if _computed <= {thread.native_id for thread in threading.enumerate()}:
            return
        time.sleep(0.0005)


def _in_parent() -> None:
    global _keeps_whole
    if _keeps_whole:
        _keeps_whole = False
        _whole.release()
    while _resting:
        _resting.pop().after_fork_in_parent()
    _fork.release()


def _in_child() -> None:
    global _fork, _whole, _keeps_whole
    _fork, _whole = threading.RLock(), threading.RLock()
    _keeps_whole = False
    _resting.clear()
    _computed.clear()
