"""One object per process for equal settings: made once, whoever asks first."""

from __future__ import annotations

import inspect
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, MutableMapping
from typing import Any, ClassVar, Generic, TypeVar

from youtu_st.errors import InputError, ModelLoadError

T = TypeVar("T")
S = TypeVar("S", bound="OnePerProcess")


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


class OnePerProcess(ABC):
    """An object with weights: shared within a process, and pickled as the settings that it is made from."""

    _shared: ClassVar[Shared[Any]] = Shared()
    _settings: dict[str, Any] | None

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Says which weights and rules these are."""

    @classmethod
    def _one(cls: type[S], key: Hashable, arguments: Mapping[str, Any], *, keep: bool) -> S:
        """The object for these arguments of the constructor; ``key`` stands for the first of them."""
        given = inspect.signature(cls).bind(**arguments)
        given.apply_defaults()
        rest = tuple((name, str(value)) for name, value in list(given.arguments.items())[1:])
        made: S = cls._shared.get((cls, key, rest), lambda: cls(**arguments), keep=keep)
        return made

    def __copy__(self: S) -> S:
        return self

    def __deepcopy__(self: S, memo: dict[int, Any]) -> S:
        return self  # frameworks copy their settings freely; weights are there once

    def __reduce__(self) -> tuple[Any, ...]:
        if self._settings is None:
            raise InputError(
                f"{type(self).__name__} of a loaded model cannot be pickled: save the model with "
                "save_pretrained, and make it from its directory"
            )
        return attach, (type(self), self._settings, self.fingerprint)


def attach(kind: Any, settings: dict[str, Any], fingerprint: str) -> Any:
    """What unpickling calls: this process's one object for these settings.

    Raises:
        ModelLoadError: If the model there is another than the one that was pickled.
    """
    made = kind.shared(**settings)
    if made.fingerprint != fingerprint:
        raise ModelLoadError(
            f"the encoder was pickled with the fingerprint {fingerprint}, and {settings['model']!r} has "
            f"{made.fingerprint} here: the model there is another"
        )
    return made
