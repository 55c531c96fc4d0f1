"""What a forked child finds: locks that are free, methods that were called, and nothing kept alive for it."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref

import pytest
from forked import busy, in_child

from youtu_st.backends import resting
from youtu_st.backends.forks import Lock, after_fork
from youtu_st.backends.resting import LocksAround

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]
LOCKS = pytest.mark.parametrize("kind", [Lock])


def is_free(lock: Lock) -> bool:
    """Whether another thread can take it, now."""
    taken = threading.Event()

    def take() -> None:
        with lock.now:
            taken.set()

    threading.Thread(target=take, daemon=True).start()
    return taken.wait(1)


class Held:
    """A lock that a thread holds for as long as the block lasts."""

    def __init__(self, lock: Lock) -> None:
        self.lock, self.held, self.end = lock, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.hold)

    def hold(self) -> None:
        with self.lock.now:
            self.held.set()
            self.end.wait(60)

    def __enter__(self) -> None:
        self.thread.start()
        assert self.held.wait(60)

    def __exit__(self, *error: object) -> None:
        self.end.set()
        self.thread.join()


@LOCKS
def test_a_lock_that_another_thread_held_is_free_in_the_child_and_not_in_the_parent(kind):
    lock = kind()
    with Held(lock):
        assert in_child(lambda: lock.torn and is_free(lock))
        assert in_child(lambda: in_child(lambda: lock.torn and is_free(lock)))  # a child of the child
        assert not is_free(lock)
        assert not lock.torn
    assert is_free(lock)
    assert in_child(lambda: not lock.torn and is_free(lock))


@LOCKS
def test_the_forking_thread_may_hold_it(kind):
    lock = kind()
    with lock.now:
        child_pid = os.fork()
    if not child_pid:  # which has left the block, too
        os._exit(0 if is_free(lock) else 1)
    assert os.waitpid(child_pid, 0)[1] == 0
    assert is_free(lock)


@LOCKS
def test_a_lock_lets_one_thread_at_a_time_in(kind):
    lock, inside, most = kind(), [], []

    def work() -> None:
        for _ in range(300):
            with lock.now:
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 2400


@LOCKS
def test_a_lock_is_neither_copied_nor_pickled(kind):
    for act in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot pickle"):
            act(kind())


class Counts:
    """An object that is told of forks."""

    __hash__ = None  # type: ignore[assignment]  # nor need it be one that can be a key

    def __init__(self) -> None:
        self.forks = 0
        after_fork(self.count)

    def count(self) -> None:
        self.forks += 1


def test_a_method_is_called_once_in_every_child_and_never_in_the_parent():
    counts = Counts()
    assert in_child(lambda: counts.forks == 1)
    assert in_child(lambda: in_child(lambda: counts.forks == 2))
    assert counts.forks == 0


@pytest.mark.parametrize("make", [Lock, Counts])
def test_nothing_is_kept_alive(make):
    """Not for a moment, either: the weights of an encoder go with it."""
    gc.disable()
    try:
        objects = [make() for _ in range(50)]
        for one in objects:
            if isinstance(one, Lock):
                with one.now:
                    pass
        gone = [weakref.ref(one) for one in objects]
        del objects, one
        assert [ref() for ref in gone] == [None] * 50
    finally:
        gc.enable()
    assert in_child(lambda: True)


def test_the_end_of_a_process_is_quiet():
    """Whatever order the interpreter takes things apart in; a ``WeakMethod`` said ten times that it was none."""
    script = """
from youtu_st.backends.forks import after_fork
class Held:
    def __init__(self):
        self.me = self
        after_fork(self.forked)
    def forked(self):
        pass
held = [Held() for _ in range(10)]
keep = lambda: held
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("", "")


def test_python_is_told_once_and_not_on_import():
    script = """
import os, sys
told = []
register = os.register_at_fork
def count(**hooks):
    told.append(sys._getframe(1).f_globals["__name__"])
    register(**hooks)
os.register_at_fork = count
import youtu_st.encoder, youtu_st.rerank, youtu_st.index, youtu_st.backends.forks as forks
assert forks.__name__ not in told, told
assert "openvino" not in sys.modules
from youtu_st.inference.batches import Counter
for _ in range(3):
    Counter().add(texts=1)
assert told.count(forks.__name__) == 1, told
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


class Waits(LocksAround):
    """Says of each fork whether its lock was waited for to the end."""

    def __init__(self, *, inner: bool = False) -> None:
        self.waited: list[bool] = []
        super().__init__(inner=inner)

    def before_fork(self) -> None:
        super().before_fork()
        self.waited.append(self._rests is not None)


class Nested:
    """What works under a lock of its own and calls another that does, as a network its graph."""

    def __init__(self) -> None:
        self.inner, self.outer = Waits(inner=True), Waits()

    def work(self) -> None:
        with self.outer._lock.now:
            time.sleep(0.0005)
            with self.inner._lock.now:
                time.sleep(0.0005)


def test_a_fork_waits_for_those_that_call_others_first(monkeypatch):
    """In whatever order they are kept: a fork that had the inner lock would wait for the outer one in vain."""
    monkeypatch.setattr(resting, "LONGEST_WAIT", 5.0)
    nested = [Nested() for _ in range(12)]
    with busy(*[one.work for one in nested]):
        for _ in range(3):
            assert in_child(lambda: "forked") == "forked"
    assert [one.outer.waited for one in nested] == [[True] * 3] * len(nested)
    assert [one.inner.waited for one in nested] == [[True] * 3] * len(nested)
