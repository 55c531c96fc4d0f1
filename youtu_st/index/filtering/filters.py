"""Metadata filters: a small dictionary language, compiled to SQL with bound parameters only."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from youtu_st.errors import FilterError, brief, did_you_mean, printable
from youtu_st.index.filtering.operands import MAX_INTEGER, characters, operands, plain, scalar
from youtu_st.index.filtering.times import instant

Filter = Mapping[str, Any]
Compiled = tuple[str, list[Any]]

_COMPARISONS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_SUBSTRINGS = {"$substring": "{0}", "$isubstring": "youtu_lower({0})"}
_CONTAINS = {"$contains": "{0}", "$icontains": "youtu_lower({0})"}
FIELD_OPERATORS = ("$eq", "$ne", "$in", "$nin", *_COMPARISONS, *_SUBSTRINGS, *_CONTAINS, "$size", "$not")
OTHER_OPERATORS = ("$and", "$or", "$not", *_CONTAINS)
_MAX_DEPTH = 20  # SQLite's own parser stops not far beyond
_MAX_CONDITIONS = 8_000  # of at most four values each: SQLite takes 32,766
_MAX_JOINED = 16  # to SQLite, so many parts of one "and" are so many levels, and it takes 1,000 of all kinds

# json_each gives one row for a scalar, one for each element of a list, none where the path leads nowhere.
ELEMENTS = (
    "SELECT 1 FROM json_each(documents.metadata, ?) AS e WHERE json_type(documents.metadata, ?) <> 'object'"
)
KIND = "CASE {0}.type WHEN 'integer' THEN 'real' ELSE {0}.type END"
_SAME = (  # kinds are compared too, so that True is not 1
    f"({KIND}, ifnull({{0}}.value, '')) IN "
    f"(SELECT {KIND.format('o')}, ifnull(o.value, '') FROM json_each(?) AS o)"
)
_SAME_TIME = "youtu_instant({0}.value) IN (SELECT value FROM json_each(?))"


def prepare(connection: sqlite3.Connection) -> None:
    """Give a connection what compiled filters call: SQLite's ``lower`` knows ASCII only, and no zones."""
    connection.create_function("youtu_lower", 1, _lower, deterministic=True)
    connection.create_function("youtu_instant", 1, instant, deterministic=True)


@contextmanager
def interruptible() -> Iterator[None]:
    """Run a compiled filter so that Ctrl-C ends it.

    Of an exception in a function that it calls, SQLite says only that there was one. These raise none of
    their own: it came from outside.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if str(error) == "user-defined function raised exception":
            raise KeyboardInterrupt from error
        raise


def _lower(value: Any) -> str | None:
    """SQLite may ask before it has looked whether it is a text."""
    return value.lower() if isinstance(value, str) else None


def compile_filter(filter: Filter | None) -> Compiled:
    """Turn a filter into an SQL condition over ``documents.metadata`` and ``documents.text``.

    Args:
        filter: As ``docs/index-format.md`` describes; None or an empty dictionary matches everything.

    Returns:
        The condition, and the values of its ``?`` in order.

    Raises:
        FilterError: If the filter is malformed: the message names the part and what is allowed.
    """
    filter = {} if filter is None else filter
    _check_size(filter)
    return _all(filter, depth=0)


def _check_size(filter: Any) -> None:
    """Count the conditions, however the parts share or hold one another, before any is compiled."""
    level, conditions = [filter], 0
    for _ in range(_MAX_DEPTH + 2):
        below: list[Any] = []
        for part in level:
            if isinstance(part, Mapping):
                conditions += max(len(part), 1)
                below += part.values()
            elif isinstance(part, list | tuple):
                below += (item for item in part if isinstance(item, Mapping))
                conditions += any(isinstance(item, date) for item in part)  # times have a value of their own
            if conditions > _MAX_CONDITIONS:
                raise FilterError(
                    f"a filter must have at most {_MAX_CONDITIONS} conditions; to match one of many values, "
                    'use {"field": {"$in": [...]}}'
                )
        level = below


def _all(filter: Any, depth: int) -> Compiled:
    if not isinstance(filter, Mapping):
        raise FilterError(f'a filter must be a dictionary such as {{"lang": "zh"}}, not {brief(filter)}')
    _check_depth(depth)
    return _join(" AND ", [_part(name, value, depth) for name, value in filter.items()])


def _part(name: Any, value: Any, depth: int) -> Compiled:
    if name in ("$and", "$or"):
        if not isinstance(value, list | tuple):
            raise FilterError(f"{name} must be a list of filters, not {brief(value)}")
        if name == "$and":
            return _join(" AND ", [_all(part, depth + 1) for part in value])
        alike, others = _alternatives(value)
        fields = [_among(_path(field), values) for field, values in alike.items()]
        return _join(" OR ", [*fields, *(_all(part, depth + 1) for part in others)])
    if name == "$not":
        return _negate(_all(value, depth + 1))
    if name in _CONTAINS:
        return _in_text(name, value)
    return _field(_path(name), value, depth)


def _alternatives(parts: Sequence[Any]) -> tuple[dict[str, list[Any]], list[Any]]:
    """Parts of an "or" that compare a field with one value, by field, and the rest.

    A thousand values of one field are looked for at once, and not one by one.
    """
    alike: dict[str, list[Any]] = {}
    others = []
    for part in parts:
        ((name, value),) = part.items() if isinstance(part, Mapping) and len(part) == 1 else ((None, None),)
        if isinstance(name, str) and not name.startswith("$") and not isinstance(value, Mapping):
            alike.setdefault(name, []).append(scalar(value, "$eq"))
        else:
            others.append(part)
    return alike, others


def _path(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise FilterError(f"a filter's keys must be names of metadata fields, not {brief(name)}")
    if name.startswith("$"):
        raise FilterError(
            _unknown(name, OTHER_OPERATORS, "where a field's name belongs, or an operator on documents")
        )
    parts = name.split(".")
    if not all(parts) or any(c in '"\\' or c < " " or "\ud800" <= c <= "\udfff" for c in name):
        raise FilterError(
            'the name of a field must be names joined by single dots, such as "author.name", without quotes, '
            f"backslashes or control characters, not {brief(name)}"
        )
    return "$" + "".join(f'."{part}"' for part in parts)


def _shown(path: str) -> str:
    return printable(path[2:202])


def _field(path: str, condition: Any, depth: int) -> Compiled:
    if not isinstance(condition, Mapping):
        return _equal(path, condition, "$eq")
    if not condition:
        raise FilterError(
            f"the condition on {_shown(path)} must not be empty; known operators: "
            f"{', '.join(FIELD_OPERATORS)}"
        )
    _check_depth(depth)
    return _join(" AND ", [_operator(path, name, value, depth) for name, value in condition.items()])


def _operator(path: str, name: Any, value: Any, depth: int) -> Compiled:
    if name in _COMPARISONS:
        return _compare(path, name, value)
    if name in _SUBSTRINGS:
        return _holds(path, name, value)
    if name in _CONTAINS:
        return _contains(path, name, value)
    simple: dict[Any, Callable[[], Compiled]] = {
        "$eq": lambda: _equal(path, value, "$eq"),
        "$ne": lambda: _negate(_equal(path, value, "$ne")),
        "$in": lambda: _among(path, operands(value, "$in")),
        "$nin": lambda: _negate(_among(path, operands(value, "$nin"))),
        "$size": lambda: _size(path, value),
        "$not": lambda: _negate(_field(path, value, depth + 1)),
    }
    if name not in simple:
        place = (
            f'in the condition on {_shown(path)} (a nested field is named with dots, such as "author.name")'
        )
        raise FilterError(_unknown(name, FIELD_OPERATORS, place))
    return simple[name]()


def _equal(path: str, value: Any, operator: str) -> Compiled:
    return _among(path, [scalar(value, operator)])


def _among(path: str, values: Sequence[Any]) -> Compiled:
    """Some element equals one of the values; a time equals the texts that say it, in whatever zone."""
    condition, bound = _equals_one(values)
    compiled: Compiled = (f"EXISTS ({ELEMENTS} AND {condition})", [path, path, *bound])
    if any(value is None for value in values):  # None also stands for a field that is not there
        return _join(" OR ", [compiled, ("json_type(documents.metadata, ?) IS NULL", [path])])
    return compiled


def _equals_one(values: Sequence[Any], element: str = "e") -> Compiled:
    times = [instant(value) for value in values if isinstance(value, date)]
    others = [value for value in values if not isinstance(value, date)]
    parts: list[Compiled] = [(_SAME_TIME.format(element), [_dump(times)])] if times else []
    if others or not times:
        parts.append((_SAME.format(element), [_dump(others)]))
    return _join(" OR ", parts)


def _compare(path: str, operator: str, value: Any) -> Compiled:
    bound = scalar(value, operator)
    if isinstance(bound, date):
        condition = f"youtu_instant(e.value) {_COMPARISONS[operator]} ?"
        return f"EXISTS ({ELEMENTS} AND {condition})", [path, path, instant(bound)]
    if isinstance(bound, bool) or not isinstance(bound, int | float | str):
        raise FilterError(f"{operator} must be a number, a str or a time, not {brief(value)}")
    kinds = "('text')" if isinstance(bound, str) else "('integer', 'real')"
    # The bound goes through SQLite's own JSON reader, so that both sides are read alike.
    condition = f"e.type IN {kinds} AND e.value {_COMPARISONS[operator]} json_extract(?, '$')"
    return f"EXISTS ({ELEMENTS} AND {condition})", [path, path, _dump(bound)]


def _holds(path: str, operator: str, value: Any) -> Compiled:
    text, part = map(_SUBSTRINGS[operator].format, ("e.value", "json_extract(?, '$')"))
    bound = _dump(characters(value, operator))
    return f"EXISTS ({ELEMENTS} AND e.type = 'text' AND instr({text}, {part}))", [path, path, bound]


def _contains(path: str, operator: str, value: Any) -> Compiled:
    """As Python's ``in``: a list has such an element, or a string has these characters in it."""
    bound = scalar(value, operator) if operator == "$contains" else characters(value, operator)
    # Not "e", which fields.py replaces: its table does not say whether a value stood in a list.
    element, values = _equals_one([bound], "c")
    within = "0"
    if isinstance(bound, str):
        text, part = map(_CONTAINS[operator].format, ("c.value", "json_extract(?, '$')"))
        if operator == "$icontains":
            element, values = f"(c.type = 'text' AND {text} = {part})", [_dump(bound)]
        within, values = f"instr({text}, {part})", [*values, _dump(bound)]
    kind = "CASE json_type(documents.metadata, ?)"
    found = f"{kind} WHEN 'array' THEN {element} WHEN 'text' THEN {within} ELSE 0 END"
    condition = f"EXISTS (SELECT 1 FROM json_each(documents.metadata, ?) AS c WHERE {found})"
    return condition, [path, path, *values]


def _in_text(operator: str, value: Any) -> Compiled:
    """The document's text has these characters in it."""
    text, part = map(_CONTAINS[operator].format, ("documents.text", "json_extract(?, '$')"))
    return f"(instr({text}, {part}) > 0)", [_dump(characters(value, operator))]


def _size(path: str, value: Any) -> Compiled:
    count = plain(value)
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise FilterError(f"$size must be an int of at least 0, not {brief(value)}")
    # A missing field's NULL would outlive a NOT.
    condition = "json_type(documents.metadata, ?) = 'array' AND json_array_length(documents.metadata, ?)"
    return f"ifnull({condition} = json_extract(?, '$'), 0)", [path, path, _dump(min(count, MAX_INTEGER - 1))]


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)


def _negate(compiled: Compiled) -> Compiled:
    return f"NOT {compiled[0]}", compiled[1]


def _join(joiner: str, parts: Sequence[Compiled]) -> Compiled:
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return ("(1)" if joiner == " AND " else "(0)"), []
    # The longest first: what is nested deepest comes before SQLite's parser has anything to remember,
    # which remembers a hundred things and gives up.
    ordered = sorted(parts, key=lambda part: len(part[0]), reverse=True)
    if len(ordered) > _MAX_JOINED:
        chunks = [ordered[i : i + _MAX_JOINED] for i in range(0, len(ordered), _MAX_JOINED)]
        return _join(joiner, [_join(joiner, chunk) for chunk in chunks])
    return f"({joiner.join(sql for sql, _ in ordered)})", [value for _, values in ordered for value in values]


def _unknown(name: Any, known: Sequence[str], place: str) -> str:
    meant = did_you_mean(name, known)
    return f"unsupported operator {brief(name)} {place}: {meant}known operators: {', '.join(known)}"


def _check_depth(depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise FilterError(f"a filter must nest at most {_MAX_DEPTH} levels")
