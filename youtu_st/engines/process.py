"""What belongs to one process: connections, locks. A forked child makes its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

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
