"""What a forked child finds: locks that are free, and objects that know that their process is another.

A child has one thread, the one that forked. A lock that another thread of the parent held stays held there
for good, and what that thread was to finish is never finished. A server that loads a model before it forks
its workers, or a pool of ``multiprocessing``, meets this whenever the parent worked at that moment.

The libraries that compute have threads of their own, which the child does not have either: OpenMP's, under
torch and FAISS, and those of the tokenizers. A child that waits for them hangs, so it is told to compute in
one thread, as torch tells the workers of its own ``DataLoader``.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

_PARALLEL_TOKENIZERS = "TOKENIZERS_PARALLELISM"
_told: weakref.WeakValueDictionary[tuple[int, Callable[..., Any]], Any] = weakref.WeakValueDictionary()
# Never released: who gets it is the first, also among threads that ask at the same moment.
_first = threading.Lock()


def after_fork(method: Callable[[], Any]) -> None:
    """Call a method of an object in every forked child, before anything else runs there.

    Children of children count. Where there is no fork, nothing ever calls it. While any such object lives, a
    child computes in one thread.

    Args:
        method: A bound method; its object is held weakly, and when it is gone nothing is called. It must take
            no lock that another thread may have held.
    """
    bound: Any = method
    _told[id(bound.__self__), bound.__func__] = bound.__self__
    if hasattr(os, "register_at_fork") and _first.acquire(blocking=False):
        os.register_at_fork(after_in_child=_in_child)


def leave_to_parent(*objects: Any) -> None:
    """Keep a forked child from ever ending what the parent has made: it would wait for its threads.

    Those are the parent's. Engines have no way to say so, and a reference too many is all that is left.
    """
    for held in objects:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(held))


def _in_child() -> None:
    methods = [(function, held) for (_, function), held in _told.items()]
    if methods:
        _compute_in_one_thread()
    for function, held in methods:
        function(held)


def _compute_in_one_thread() -> None:
    """Keep libraries that are loaded from waiting for threads that only the parent has."""
    for library, limit in (("torch", "set_num_threads"), ("faiss", "omp_set_num_threads")):
        set_threads = getattr(sys.modules.get(library), limit, None)  # None, too, while it is being imported
        if set_threads is not None:
            set_threads(1)
    if "tokenizers" in sys.modules and _PARALLEL_TOKENIZERS in os.environ:
        os.environ[_PARALLEL_TOKENIZERS] = "false"  # where it says nothing, they see to this themselves
    bar = getattr(sys.modules.get("tqdm"), "tqdm", None)
    if bar is not None:
        _give_bars_a_lock(bar, threading.RLock())


def _give_bars_a_lock(bar: Any, lock: Any) -> None:
    """Give tqdm's class and all that are made from it a lock of this process.

    Each bar takes one, shown or not. Another thread of the parent may have held it; and as the parent's is
    one for both processes, a child that stopped while it held that would stop the parent, too.
    """
    bar.set_lock(lock)
    for kind in bar.__subclasses__():
        _give_bars_a_lock(kind, lock)


class Lock:
    """A lock that a forked child finds free, although another thread of the parent held it.

    Taken by ``with lock.now:``. That is a lock of the interpreter's own, so that no interrupt falls between
    its being taken and the block that gives it back.

    What it guards should be whole at every moment; where it cannot be, :attr:`torn` says that it may not be.
    Like ``threading.Lock`` it can be neither copied nor pickled.

    Attributes:
        torn: Whether the parent held it when this process was forked: the work of another thread is half done
            here. Who has mended what is guarded sets it back.
    """

    def __init__(self) -> None:
        self.torn = False
        self._known = False
        self._lock = threading.Lock()

    @property
    def now(self) -> threading.Lock:
        """The lock of this process."""
        if not self._known:  # not before: a lock of a module would do it on import
            after_fork(self._renew)
            self._known = True
        return self._lock

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError(f"cannot pickle '{type(self).__name__}' object")

    def _renew(self) -> None:
        self.torn = self.torn or self._lock.locked()
        self._lock = threading.Lock()
