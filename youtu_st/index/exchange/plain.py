"""What a pickle held as values of JSON and times: copied with a bound, for a few bytes may say very much."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from youtu_st.errors import InputError

_DEPTH = 100
_VALUE = 64
"""Bytes that a value takes in memory, however short it is, in characters."""


class Copier:
    """Copies values, and counts: what a pickle names a thousand times is there a thousand times.

    Args:
        most: What all copies may have together: characters of texts, and 64 for each value.
    """

    def __init__(self, most: int) -> None:
        self._left = most

    def copy(self, value: Any) -> Any:
        """A value of strings, numbers, times, lists and dictionaries, no two parts of which are one object.

        Raises:
            InputError: If it is something else, is nested too deeply, or all together is too large.
        """
        return self._copied(value, 0)

    def _copied(self, value: Any, depth: int) -> Any:
        self._left -= _VALUE + (len(value) if isinstance(value, str) else 0)
        if self._left < 0:
            raise InputError("it holds the same values so often that they would fill the memory")
        if value is None or type(value) in (str, int, float, bool, date, datetime):
            return value
        if depth > _DEPTH:
            raise InputError(f"it nests more than {_DEPTH} levels")
        if type(value) in (list, tuple):
            return [self._copied(item, depth + 1) for item in value]
        if type(value) is dict:
            # Whether a key is a str is looked at with all other metadata, see youtu_st.index.inputs.
            return {key: self._copied(item, depth + 1) for key, item in value.items()}
        raise InputError(f"it holds a value of type {type(value).__name__}, which JSON does not have")
