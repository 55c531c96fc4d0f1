"""Times in a pickle: the one kind of value that a pickle can only say by a call, made here without it."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

from youtu_st.errors import InputError, brief

DATE, DATETIME = ("datetime", "date"), ("datetime", "datetime")
_TIMEDELTA, _TIMEZONE = ("datetime", "timedelta"), ("datetime", "timezone")
TIMES = frozenset({DATE, DATETIME, _TIMEDELTA, _TIMEZONE})
"""What may be called, by module and name."""


def made(kind: tuple[str, str], arguments: Any) -> date | datetime | timedelta | timezone:
    """What a pickle means by a call of one of :data:`TIMES`.

    Args:
        kind: Module and name.
        arguments: Of the call.

    Raises:
        InputError: If a time is not written so by Python.
        ValueError: If there is no such moment, as there is no thirteenth month.
    """
    match kind, arguments:
        case ("datetime", "date"), (bytes(state),) if len(state) == 4:
            return date(*_year_to_day(state))
        case ("datetime", "datetime"), (bytes(state),) if len(state) == 10:
            return _moment(state, None)
        case ("datetime", "datetime"), (bytes(state), timezone() as zone) if len(state) == 10:
            return _moment(state, zone)
        case ("datetime", "timedelta"), (int(days), int(seconds), int(microseconds)):
            return timedelta(days, seconds, microseconds)
        case ("datetime", "timezone"), (timedelta() as offset,) | (timedelta() as offset, str()):
            return timezone(offset)
    raise InputError(f"it has a time that it writes in a way that is not read: {brief('.'.join(kind))}")


def _year_to_day(state: bytes) -> tuple[int, int, int]:
    return state[0] << 8 | state[1], state[2], state[3]


def _moment(state: bytes, zone: timezone | None) -> datetime:
    """Python's own ten bytes: two of the year, five to the second, three of microseconds.

    The first bit of the month says which of two moments is meant where clocks were put back.
    """
    later, month = state[2] >> 7, state[2] & 127
    year, _, day = _year_to_day(state)
    micros = int.from_bytes(state[7:10], "big")
    return datetime(year, month, day, state[4], state[5], state[6], micros, zone, fold=later)
