"""What a filter compares with: values, checked so that SQLite reads them as they are meant."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import numpy as np

from youtu_st.errors import FilterError, brief
from youtu_st.index.filtering.times import instant

MAX_INTEGER = 1 << 63  # beyond, SQLite counts in floats, to which 2**64 and 2**64 + 1 are one number


def plain(value: Any) -> Any:
    """A NumPy scalar, as a column of a table has them, as Python's."""
    return value.item() if isinstance(value, np.generic) else value


def scalar(value: Any, operator: str) -> Any:
    """One value: a str, a number, a bool, a time or None.

    Raises:
        FilterError: If it is something else, or one that SQLite would read otherwise.
    """
    if isinstance(value, date):
        if instant(value) is None:  # pandas has a time that is none
            raise FilterError(f"{operator} must be a time that there is, not {brief(value)}")
        return value
    found = plain(value)
    if found is not None and not isinstance(found, str | bool | int | float):
        hint = ": to match any of several values, use $in" if isinstance(value, list | tuple | set) else ""
        raise FilterError(
            f"{operator} must be a str, a number, a bool, a datetime or None, not {brief(value)}{hint}"
        )
    if isinstance(found, float) and not math.isfinite(found):
        raise FilterError(f"{operator} must be a finite number, not {brief(value)}")
    if isinstance(found, int) and not -MAX_INTEGER <= found < MAX_INTEGER:
        raise FilterError(
            f"{operator} must be an int of 64 bits, not {brief(value)}: store longer ones as str, or ask "
            "with a float"
        )
    if isinstance(found, str) and "\0" in found:
        raise FilterError(
            f"{operator} must be a str without NUL, at which SQLite's texts end, not {brief(value)}"
        )
    return found


def characters(value: Any, operator: str) -> str:
    """A str; raises as :func:`scalar`."""
    bound = scalar(value, operator)
    if not isinstance(bound, str):
        raise FilterError(f"{operator} must be a str, not {brief(value)}")
    return bound


def operands(value: Any, operator: str) -> list[Any]:
    """A list of values; raises as :func:`scalar`."""
    if not isinstance(value, list | tuple | set | frozenset):
        raise FilterError(f"{operator} must be a list of values, not {brief(value)}")
    return [scalar(item, operator) for item in value]
