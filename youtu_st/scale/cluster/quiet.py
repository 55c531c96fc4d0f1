"""A terminal on which Ray itself says nothing."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_THREADS = "ray_"
"""Begins the names of the threads in which Ray prints, in the driver's process, what goes wrong elsewhere."""


_muted: set[int] = set()


class _Stream:
    """A stream that leaves out what Ray's threads write.

    It has no other switch for them: ``log_to_driver`` is for what workers print, and not for notices of
    workers and nodes that are gone, which whoever drives them tells in words of its own.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if threading.current_thread().name.startswith(_THREADS) or threading.get_ident() in _muted:
            return len(text)
        return int(self._stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def muted() -> Iterator[None]:
    """Leave out what this thread prints, within :func:`quiet`: at its end Ray says what it has kept."""
    mine = threading.get_ident()
    _muted.add(mine)
    try:
        yield
    finally:
        _muted.discard(mine)


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out what Ray's own threads print, as long as the block lasts."""
    before = sys.stdout, sys.stderr
    mine: tuple[Any, Any] = (_Stream(before[0]), _Stream(before[1]))
    sys.stdout, sys.stderr = mine
    try:
        yield
    finally:
        if (sys.stdout, sys.stderr) == mine:  # else somebody else has put in theirs meanwhile
            sys.stdout, sys.stderr = before
