"""A ``.json`` file to records, each with the line that it begins on; or to none, where it is one text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from youtu_st.corpus.reading.tables import DECODER, Fail, Record, record_of
from youtu_st.errors import InputError, in_one_line
from youtu_st.inputs import twice

_SPACE = re.compile(r"[ \t\n\r]*")


class _Item(NamedTuple):
    """A value of an array, and where it begins."""

    place: int
    value: Any


def records_of_file(
    name: str, text: str, fields: Sequence[str], fail: Fail, note: Callable[[str], None]
) -> Iterator[Record] | None:
    """The records of a ``.json`` file.

    They are the items of an array, those of the one array of an object, or an object itself: whatever has the
    field that holds the text. The items of an array of strings are records, too.

    Args:
        name: What to call the file.
        text: All of it.
        fields: Names that the text may have; the first that is there counts.
        fail: Takes what is wrong with a record; it is then left out.
        note: Takes that objects were found, and are no records for want of that field.

    Returns:
        The records; None: the file holds none, and is a text as it stands.

    Raises:
        InputError: If it is not valid JSON.
    """
    if not text.strip():
        return iter(())
    try:
        place, value = _whole(text)
        items = _records(place, value, fields)
    except json.JSONDecodeError as error:
        where = f"{name}, line {error.lineno}"
        raise InputError(f"{where}: not valid JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(in_one_line(f"{name}: not valid JSON", error)) from error
    if items is not None:
        return _told(name, text, items, fields, fail)
    if isinstance(value, list) and any(isinstance(item.value, dict) for item in value):
        note(f"{name}: read as one text: no record in it has a field {' or '.join(map(repr, fields))}")
    return None


def _told(
    name: str, text: str, items: Sequence[_Item], fields: Sequence[str], fail: Fail
) -> Iterator[Record]:
    line, counted = 1, 0
    for number, (place, value) in enumerate(items, start=1):
        line, counted = line + text.count("\n", counted, place), place
        where = f"{name}, line {line}, record {number}"
        try:
            if isinstance(value, str):
                value = {fields[0]: value}
            if not isinstance(value, dict):
                raise InputError(f"{where}: must be an object or a string, as others here are")
            yield record_of(where, line, value, fields)
        except InputError as error:
            fail(error)


def _records(place: int, value: Any, fields: Sequence[str]) -> list[_Item] | None:
    def is_record(one: Any) -> bool:
        return isinstance(one, dict) and any(name in one for name in fields)

    if isinstance(value, list):
        if any(is_record(item.value) for item in value) or all(isinstance(item.value, str) for item in value):
            return value
        return None
    if not isinstance(value, dict):
        return None
    if any(isinstance(value.get(name), str) for name in fields):
        return [_Item(place, {key: _plain(one) for key, one in value.items()})]
    found = [
        one for one in value.values() if isinstance(one, list) and any(is_record(item.value) for item in one)
    ]
    return found[0] if len(found) == 1 else None


def _plain(value: Any) -> Any:
    """An array without the places of its items."""
    return [item.value for item in value] if isinstance(value, list) else value


def _whole(text: str) -> tuple[int, Any]:
    """The value that a text is, and where it begins; an array, and one right in an object, is of items."""
    start = _after_space(text, 0)
    if text.startswith("{", start):
        value, end = _fields(text, start)
    else:
        value, end = _value(text, start)
    if _after_space(text, end) < len(text):
        raise json.JSONDecodeError("Extra data", text, _after_space(text, end))
    return start, value


def _value(text: str, start: int) -> tuple[Any, int]:
    if text.startswith("[", start):
        return _items(text, start)
    return DECODER.raw_decode(text, start)


def _items(text: str, start: int) -> tuple[list[_Item], int]:
    found: list[_Item] = []
    place = _after_space(text, start + 1)
    if text.startswith("]", place):
        return found, place + 1
    while True:
        value, end = DECODER.raw_decode(text, place)
        found.append(_Item(place, value))
        place, is_last = _next(text, end, "]")
        if is_last:
            return found, place


def _fields(text: str, start: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    place = _after_space(text, start + 1)
    if text.startswith("}", place):
        return found, place + 1
    while True:
        if not text.startswith('"', place):
            raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, place)
        name, end = DECODER.raw_decode(text, place)
        colon = _after_space(text, end)
        if not text.startswith(":", colon):
            raise json.JSONDecodeError("Expecting ':' delimiter", text, colon)
        value, end = _value(text, _after_space(text, colon + 1))
        if name in found:
            raise twice(name)
        found[name] = value
        place, is_last = _next(text, end, "}")
        if is_last:
            return found, place


def _next(text: str, end: int, close: str) -> tuple[int, bool]:
    """Where the next item begins; or the end, and that there is none."""
    place = _after_space(text, end)
    if text.startswith(close, place):
        return place + 1, True
    if not text.startswith(",", place):
        raise json.JSONDecodeError("Expecting ',' delimiter", text, place)
    return _after_space(text, place + 1), False


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place
