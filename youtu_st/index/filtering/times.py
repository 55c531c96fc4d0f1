"""Times in metadata: kept as ISO 8601 text, compared as instants, given back as they were handed in."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import Any

TIMES = "__times__"
"""The metadata key under which the places of texts stand that were handed in as times: a list of paths."""

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_FRACTION = r"(?:[.,](\d{1,9}))?"
_OFFSET = r"(?:([Zz])|([+-])(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?)?)?"
_ISO = re.compile(
    rf"(\d{{4}})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d){_FRACTION})?{_OFFSET})?", re.ASCII
)
_BASIC = re.compile(rf"(\d{{4}})(\d\d)(\d\d)[Tt](\d\d)(\d\d)(?:(\d\d){_FRACTION})?{_OFFSET}", re.ASCII)


def parsed(text: object) -> date | None:
    """The ``date`` or ``datetime`` that an ISO 8601 text says, and None for anything else.

    A day is written ``2024-05-01``; after a ``T`` or a space, a time of day may follow, and its offset.
    ``20240501T103000Z`` is one too; eight digits alone may be anything.
    """
    found = (_ISO.fullmatch(text) or _BASIC.fullmatch(text)) if isinstance(text, str) else None
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, utc, sign, *offset = found.groups()
    try:
        if hour is None:
            return date(int(year), int(month), int(day))
        zone = timezone.utc if utc else _zone(sign, offset) if sign else None
        midnight = datetime(int(year), int(month), int(day), tzinfo=zone)
        micros = int(f"{fraction or 0:0<6}"[:6])
        return midnight.replace(
            hour=int(hour), minute=int(minute), second=int(second or 0), microsecond=micros
        )
    except ValueError:  # a thirteenth month
        return None


def _zone(sign: str, parts: list[str | None]) -> timezone:
    hours, minutes, seconds, fraction = parts
    ahead = timedelta(
        hours=int(hours or 0),
        minutes=int(minutes or 0),
        seconds=int(seconds or 0),
        microseconds=int(f"{fraction or 0:0<6}"),
    )
    return timezone(-ahead if sign == "-" else ahead)


def instant(time: object) -> int | None:
    """Microseconds from 1970 to a time, or to what an ISO 8601 text says; None for anything else.

    A time without an offset counts as UTC, and a day as its first moment in UTC: what is found must not
    depend on the zone of the machine that looks.
    """
    known = parsed(as_text(time) if isinstance(time, date) else time)
    if known is None:
        return None
    if not isinstance(known, datetime):
        known = datetime(known.year, known.month, known.day)
    # Not astimezone, which cannot name a moment before the year 1 or after 9999.
    since = known.replace(tzinfo=None) - _EPOCH - (known.utcoffset() or timedelta())
    return since // _MICROSECOND


def as_text(time: Any) -> str:
    """A time as it is stored, also as what a JSON encoder calls for values that it does not know.

    Raises:
        TypeError: If it is no time.
    """
    if not isinstance(time, date):
        raise TypeError(f"{type(time).__name__} is no time")
    return time.isoformat()


def places(value: Any) -> list[list[str | int]]:
    """Where in a dictionary there are times: the path to each, as keys and positions."""
    if isinstance(value, date):
        return [[]]
    if isinstance(value, dict):
        parts: Any = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    else:
        return []
    return [[key, *rest] for key, part in parts for rest in places(part)]


def revive(metadata: dict[str, Any], paths: Any) -> None:
    """Turn the texts at some places into times, in place; what is not there, or is no time, stays."""
    for path in paths if isinstance(paths, list) else []:
        if not isinstance(path, list) or not path:
            continue
        holder: Any = metadata
        for step in path[:-1]:
            holder = _at(holder, step)
        time = parsed(_at(holder, path[-1]))
        if time is not None:
            holder[path[-1]] = time


def _at(holder: Any, step: Any) -> Any:
    if isinstance(holder, dict) and isinstance(step, str):
        return holder.get(step)
    if isinstance(holder, list) and type(step) is int and 0 <= step < len(holder):
        return holder[step]
    return None
