"""One object per process for equal settings: made once, whoever asks first."""

from __future__ import annotations

import inspect
import weakref
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from typing import Any, TypeVar

from youtu_st.backends.forks import Lock
from youtu_st.errors import InputError, ModelLoadError

S = TypeVar("S", bound="OnePerProcess")

_lock = Lock()
_making: dict[Hashable, Lock] = {}
_kept: dict[Hashable, Any] = {}
_loose: weakref.WeakValueDictionary[Hashable, Any] = weakref.WeakValueDictionary()


class OnePerProcess(ABC):
    """An object with weights: shared within a process, and pickled as the settings that it is made from."""

    _settings: dict[str, Any] | None

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Says which weights and rules these are."""

    @classmethod
    def _one(cls: type[S], key: Hashable, arguments: Mapping[str, Any], *, keep: bool) -> S:
        """The object for these arguments of the constructor; ``key`` stands for the first of them.

        Made once, also when many threads ask for it at the same moment; nothing is kept of an error. It lives
        as long as the process, or without ``keep`` as long as somebody else holds it.
        """
        given = inspect.signature(cls).bind(**arguments)
        given.apply_defaults()
        rest = tuple((name, str(value)) for name, value in list(given.arguments.items())[1:])
        name, objects = (cls, key, rest), _kept if keep else _loose
        with _lock.now:
            making = _making.setdefault(name, Lock())
        with making.now:
            made: S | None = objects.get(name)
            if made is None:
                made = objects[name] = cls(**arguments)
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
        model = getattr(settings["model"], "name", settings["model"])
        raise ModelLoadError(
            f"the encoder was pickled with the fingerprint {fingerprint}, and {model!r} has "
            f"{made.fingerprint} here: the model there is another"
        )
    return made
