"""Before a process forks, what must not be forked in the middle of its work comes to rest.

SQLite's state of a file belongs to a process: a connection that both use, and even one that the child opens
beside it, sees locks that only the parent has, and the log of one of them is deleted under the other. And the
libraries under torch have locks inside that no child finds free, if another thread was computing at the fork.
"""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import suppress
from typing import Protocol

from youtu_st.backends.forks import after_fork


class Resting(Protocol):
    """What an object does around a fork of its process."""

    def before_fork(self) -> None:
        """Wait for other threads' calls to end, keep further ones waiting, and let go of what is open."""

    def after_fork_in_parent(self) -> None:
        """Let them go on."""

    def after_fork_in_child(self) -> None:
        """Be an object of this process; no other thread is here."""


_objects: weakref.WeakSet[Resting] = weakref.WeakSet()
_resting: list[Resting] = []
_first = threading.Lock()  # never released: who gets it is the first
_fork = threading.RLock()  # two threads that fork at the same moment would wait for each other's objects


def rest_around_forks(resting: Resting) -> None:
    """Have an object told, as long as it lives; it is held weakly."""
    _objects.add(resting)
    after_fork(resting.after_fork_in_child)
    if hasattr(os, "register_at_fork") and _first.acquire(blocking=False):
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


def _before() -> None:
    _fork.acquire()
    for resting in list(_objects):
        with suppress(Exception):  # nobody hears of it here, and the others still have to be told
            resting.before_fork()
            _resting.append(resting)


def _in_parent() -> None:
    while _resting:
        _resting.pop().after_fork_in_parent()
    _fork.release()


def _in_child() -> None:
    global _fork
    _fork = threading.RLock()
    _resting.clear()
