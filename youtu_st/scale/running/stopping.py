"""Ctrl-C: once to end well, twice to end now."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """How urgently a job was asked to stop.

    Attributes:
        soon: Nothing new is begun.
        now: Nothing is waited for either.
    """

    def __init__(self) -> None:
        self.soon = False
        self.now = False

    def ask(self, *, now: bool = False) -> None:
        """Ask to stop; who asks a second time means now."""
        self.now = self.now or self.soon or now
        self.soon = True


@contextmanager
def listening(stop: Stop, tell: Callable[[], None]) -> Iterator[None]:
    """Turn Ctrl-C into a word to ``stop``, and SIGTERM into one that means now.

    Outside the main thread, where no signal arrives, nothing changes.

    Args:
        stop: Is asked.
        tell: Called after the first Ctrl-C.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        stop.ask(now=number != signal.SIGINT)
        if not stop.now:
            tell()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
