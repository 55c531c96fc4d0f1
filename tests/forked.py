"""A forked child that does something, and is killed if it hangs."""

from __future__ import annotations

import faulthandler
import os
import pickle
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SECONDS = 40
_is_child = False


def in_child(work: Callable[[], Any], *, seconds: float = SECONDS) -> Any:
    """What ``work`` gives in a forked child of this process.

    Raises:
        AssertionError: If the child hangs or fails; what it was doing is on the standard error.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _answer(work, writing, seconds)
    os.close(writing)
    answer, end = b"", time.monotonic() + seconds
    try:
        while select.select([reading], [], [], max(end - time.monotonic(), 0))[0]:
            part = os.read(reading, 1 << 16)
            if not part:
                good, value = pickle.loads(answer)
                assert good, f"the child failed:\n{value}"
                return value
            answer += part
        raise AssertionError("the child hangs")
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _answer(work: Callable[[], Any], writing: int, seconds: float) -> None:
    global _is_child
    if not _is_child:  # of a child, this would wait for the thread that its parent has for it
        faulthandler.dump_traceback_later(seconds * 0.9, file=sys.__stderr__)
    _is_child = True
    try:
        answer = True, work()
    except BaseException:
        answer = False, traceback.format_exc()
    try:
        content = pickle.dumps(answer)
        while content:
            content = content[os.write(writing, content) :]
    finally:
        os._exit(0)


@contextmanager
def busy(*works: Callable[[], Any]) -> Iterator[None]:
    """Each of ``works`` again and again in a thread of its own, from the first time on."""
    stop, begun, errors = threading.Event(), threading.Barrier(len(works) + 1), []

    def repeat(work: Callable[[], Any]) -> None:
        try:
            work()
            begun.wait(SECONDS)
            while not stop.is_set():
                work()
        except Exception as error:
            begun.abort()
            errors.append(error)

    threads = [threading.Thread(target=repeat, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        begun.wait(SECONDS)
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not errors, errors
