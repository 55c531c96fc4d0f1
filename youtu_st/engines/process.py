"""What belongs to one process: connections, locks. A forked child makes its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from youtu_st.errors import EngineError

T = TypeVar("T")


class PerProcess(Generic[T]):
    """One object for each process, made by ``make``: here at once, in a forked child when it asks first.

    A child has copies of its parent's sockets, and answers on them would be the parent's; it has the parent's
    locks as other threads held them, and nobody there to open them. So it leaves them alone.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made = {os.getpid(): make()}

    def get(self) -> T:
        """This process's."""
        process = os.getpid()
        made = self._made.get(process)
        if made is None:
            # No lock, which a fork could leave locked: of two threads, the first to set it is right.
            made = self._made.setdefault(process, self._make())
            for other in [other for other in self._made if other != process]:
                self._made.pop(other, None)
        return made


class Asking(Generic[T]):
    """Something that one thread finds out for all that wait for it. A forked child makes its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times = 0
        self._last: T | EngineError | None = None

    def once(self, known: Callable[[], T | None], find: Callable[[], T]) -> T:
        """What is known, else what ``find()`` gives: to those too who have waited for it meanwhile.

        Raises:
            EngineError: What ``find()`` raises.
        """
        before = self._times
        with self._lock:
            found = known()
            if found is not None:
                return found
            if self._times == before:
                try:
                    self._last = find()
                except EngineError as error:
                    self._last = error
                self._times += 1
            last = self._last
        if isinstance(last, EngineError):
            raise EngineError(str(last))
        return cast(T, last)
