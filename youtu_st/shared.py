"""One object per process for equal settings: made once, whoever asks first."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable, MutableMapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """A cache whose values are made once, also when many threads ask for one at the same moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}
        self._kept: dict[Hashable, T] = {}
        self._loose: weakref.WeakValueDictionary[Hashable, T] = weakref.WeakValueDictionary()

    def get(self, key: Hashable, make: Callable[[], T], *, keep: bool = True) -> T:
        """The value for ``key``, made by ``make`` where there is none yet.

        Args:
            key: Equal keys get the same value.
            make: Called at most once at a time for a key; its errors reach the caller, and nothing is kept.
            keep: Keep the value as long as the process lives; False: as long as somebody else holds it.
        """
        values: MutableMapping[Hashable, T] = self._kept if keep else self._loose
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            value = values.get(key)
            if value is None:
                value = values[key] = make()
            return value
