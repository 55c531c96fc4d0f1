"""What the documents say of filters, in plain Python, and what SQLite selects."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import date, datetime, timezone
from typing import Any

from youtu_st.index.filtering.filters import compile_filter, prepare

ISO = {
    "2020-02-29": datetime(2020, 2, 29, tzinfo=timezone.utc),
    "2020-02-29T12:00:00Z": datetime(2020, 2, 29, 12, tzinfo=timezone.utc),
    "2020-02-29 14:00+02:00": datetime(2020, 2, 29, 12, tzinfo=timezone.utc),
    "2020-02-28T23:59:59.999999-00:30": datetime(2020, 2, 29, 0, 29, 59, 999999, tzinfo=timezone.utc),
    "2020-02-30": None,
    "2020-02-29T": None,
    "20200229": None,
}
"""Texts, and the times they say."""
MISSING = object()
COMPARE = {
    "$gt": lambda a, b: a > b,
    "$gte": lambda a, b: a >= b,
    "$lt": lambda a, b: a < b,
    "$lte": lambda a, b: a <= b,
}


def lookup(metadata: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(metadata, dict) or name not in metadata:
            return MISSING
        metadata = metadata[name]
    return metadata


def moment(value: Any) -> datetime | None:
    """The time that a value is, in UTC."""
    if isinstance(value, str):
        return ISO.get(value)
    if not isinstance(value, date):
        return None
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    moment: datetime = value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value
    return moment


def stored(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return repr(value) if value is None else "bool"
    return "number" if isinstance(value, int | float) else type(value).__name__


def elements(value: Any) -> list[Any]:
    if value is MISSING or isinstance(value, dict):
        return []
    return value if isinstance(value, list) else [value]


def equals(value: Any, wanted: Any) -> bool:
    if wanted is None and value is MISSING:
        return True
    if isinstance(wanted, date):
        return any(moment(item) == moment(wanted) for item in elements(value))
    return any(kind(item) == kind(wanted) and item == wanted for item in map(stored, elements(value)))


def holds(value: Any, operator: str, operand: Any) -> bool:
    if operator in COMPARE and isinstance(operand, date):
        times = [time for time in map(moment, elements(value)) if time is not None]
        return any(COMPARE[operator](time, moment(operand)) for time in times)
    if operator in COMPARE:
        same = [item for item in map(stored, elements(value)) if kind(item) == kind(operand)]
        return any(COMPARE[operator](item, operand) for item in same)
    if operator == "$not":
        return not field(value, operand)
    if operator == "$size":
        return isinstance(value, list) and len(value) == operand
    if operator in ("$substring", "$isubstring"):
        fold = str.lower if operator == "$isubstring" else str
        texts = [item for item in map(stored, elements(value)) if isinstance(item, str)]
        return any(fold(operand) in fold(item) for item in texts)
    if operator in ("$contains", "$icontains"):
        fold = str.lower if operator == "$icontains" else str
        value = stored(value)
        if isinstance(value, str):
            return isinstance(operand, str) and fold(operand) in fold(value)
        if operator == "$contains":
            return isinstance(value, list) and equals(value or {}, operand)
        texts = [item for item in map(stored, elements(value)) if isinstance(item, str)]
        return isinstance(value, list) and fold(operand) in map(fold, texts)
    if operator in ("$ne", "$nin"):
        return not holds(value, {"$ne": "$eq", "$nin": "$in"}[operator], operand)
    return any(equals(value, one) for one in (operand if operator == "$in" else [operand]))


def field(value: Any, condition: Any) -> bool:
    if not isinstance(condition, dict):
        return equals(value, condition)
    return all(holds(value, operator, operand) for operator, operand in condition.items())


def matches(metadata: Any, filter: dict[str, Any], text: str = "") -> bool:
    def part(name: str, value: Any) -> bool:
        if name == "$and":
            return all(matches(metadata, one, text) for one in value)
        if name == "$or":
            return any(matches(metadata, one, text) for one in value)
        if name == "$not":
            return not matches(metadata, value, text)
        if name in ("$contains", "$icontains"):
            return value.lower() in text.lower() if name == "$icontains" else value in text
        return field(lookup(metadata, name), value)

    return all(part(name, value) for name, value in filter.items())


def select(records: list[Any], filter: dict[str, Any] | None, texts: Sequence[str] = ()) -> list[int]:
    """The positions that a compiled filter selects in a table of such metadata and texts."""
    condition, values = compile_filter(filter)
    connection = sqlite3.connect(":memory:")
    prepare(connection)
    connection.execute("CREATE TABLE documents (key INTEGER PRIMARY KEY, text TEXT, metadata TEXT)")
    metadata = [
        json.dumps(record, ensure_ascii=False, default=lambda time: time.isoformat()) for record in records
    ]
    rows = zip(range(len(records)), texts or [""] * len(records), metadata, strict=True)
    connection.executemany("INSERT INTO documents VALUES (?, ?, ?)", rows)
    found = connection.execute(f"SELECT key FROM documents WHERE {condition} ORDER BY key", values).fetchall()
    connection.close()
    return [key for (key,) in found]
