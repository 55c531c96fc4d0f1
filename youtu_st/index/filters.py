"""Metadata filters: a small dictionary language, compiled to SQL with bound parameters only."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from youtu_st.errors import FilterError, did_you_mean

Filter = Mapping[str, Any]
Compiled = tuple[str, list[Any]]

_COMPARISONS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
FIELD_OPERATORS = ("$eq", "$ne", "$in", "$nin", *_COMPARISONS, "$size", "$not")
LOGICAL_OPERATORS = ("$and", "$or", "$not")
_MAX_DEPTH = 20  # SQLite's own parser stops not far beyond

# json_each gives one row for a scalar, one for each element of a list, none where the path leads nowhere.
_ELEMENTS = (
    "SELECT 1 FROM json_each(documents.metadata, ?) AS e WHERE json_type(documents.metadata, ?) <> 'object'"
)
_KIND = "CASE {0}.type WHEN 'integer' THEN 'real' ELSE {0}.type END"


def compile_filter(filter: Filter | None) -> Compiled:
    """Turn a filter into an SQL condition over ``documents.metadata``.

    Args:
        filter: As ``docs/index-format.md`` describes; None or an empty dictionary matches everything.

    Returns:
        The condition, and the values of its ``?`` in order.

    Raises:
        FilterError: If the filter is malformed: the message names the part and what is allowed.
    """
    return _all(filter or {}, depth=0)


def _all(filter: Any, depth: int) -> Compiled:
    if not isinstance(filter, Mapping):
        raise FilterError(f'a filter must be a dictionary such as {{"lang": "zh"}}, not {filter!r}')
    _check_depth(depth)
    return _join(" AND ", [_part(name, value, depth) for name, value in filter.items()])


def _part(name: Any, value: Any, depth: int) -> Compiled:
    if name in ("$and", "$or"):
        if not isinstance(value, list | tuple) or not value:
            raise FilterError(f"{name} must be a list of at least one filter, not {value!r}")
        joiner = " AND " if name == "$and" else " OR "
        return _join(joiner, [_all(part, depth + 1) for part in value])
    if name == "$not":
        return _negate(_all(value, depth + 1))
    return _field(_path(name), value, depth)


def _path(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise FilterError(f"a filter's keys must be names of metadata fields, not {name!r}")
    if name.startswith("$"):
        raise FilterError(
            _unknown(name, LOGICAL_OPERATORS, "where a field's name or a logical operator belongs")
        )
    parts = name.split(".")
    if not all(parts) or any(c in '"\\' or c < " " or "\ud800" <= c <= "\udfff" for c in name):
        raise FilterError(
            'the name of a field must be names joined by single dots, such as "author.name", without quotes, '
            f"backslashes or control characters, not {name!r}"
        )
    return "$" + "".join(f'."{part}"' for part in parts)


def _field(path: str, condition: Any, depth: int) -> Compiled:
    if not isinstance(condition, Mapping):
        return _equal(path, condition, "$eq")
    if not condition:
        raise FilterError(
            f"the condition on {path[2:]} must not be empty; known operators: {', '.join(FIELD_OPERATORS)}"
        )
    _check_depth(depth)
    return _join(" AND ", [_operator(path, name, value, depth) for name, value in condition.items()])


def _operator(path: str, name: Any, value: Any, depth: int) -> Compiled:
    if name in _COMPARISONS:
        return _compare(path, name, value)
    simple: dict[Any, Callable[[], Compiled]] = {
        "$eq": lambda: _equal(path, value, "$eq"),
        "$ne": lambda: _negate(_equal(path, value, "$ne")),
        "$in": lambda: _among(path, _operands(value, "$in")),
        "$nin": lambda: _negate(_among(path, _operands(value, "$nin"))),
        "$size": lambda: _size(path, value),
        "$not": lambda: _negate(_field(path, value, depth + 1)),
    }
    if name not in simple:
        place = f'in the condition on {path[2:]} (a nested field is named with dots, such as "author.name")'
        raise FilterError(_unknown(name, FIELD_OPERATORS, place))
    return simple[name]()


def _equal(path: str, value: Any, operator: str) -> Compiled:
    return _among(path, [_scalar(value, operator)])


def _among(path: str, values: Sequence[Any]) -> Compiled:
    """Some element equals one of the values; kinds are compared too, so that True is not 1."""
    kind, other = _KIND.format("e"), _KIND.format("o")
    found = (
        f"EXISTS ({_ELEMENTS} AND ({kind}, ifnull(e.value, '')) IN "
        f"(SELECT {other}, ifnull(o.value, '') FROM json_each(?) AS o))"
    )
    compiled: Compiled = (found, [path, path, _dump(values)])
    if any(value is None for value in values):  # None also stands for a field that is not there
        return _join(" OR ", [compiled, ("json_type(documents.metadata, ?) IS NULL", [path])])
    return compiled


def _compare(path: str, operator: str, value: Any) -> Compiled:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise FilterError(f"{operator} must be a number or a str, not {value!r}")
    kinds = "('text')" if isinstance(value, str) else "('integer', 'real')"
    # The bound goes through SQLite's own JSON reader, so that both sides are read alike.
    condition = f"e.type IN {kinds} AND e.value {_COMPARISONS[operator]} json_extract(?, '$')"
    return f"EXISTS ({_ELEMENTS} AND {condition})", [path, path, _dump(_scalar(value, operator))]


def _size(path: str, count: Any) -> Compiled:
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise FilterError(f"$size must be an int of at least 0, not {count!r}")
    # A missing field's NULL would outlive a NOT.
    condition = "json_type(documents.metadata, ?) = 'array' AND json_array_length(documents.metadata, ?)"
    return f"ifnull({condition} = json_extract(?, '$'), 0)", [path, path, _dump(count)]


def _operands(value: Any, operator: str) -> list[Any]:
    if not isinstance(value, list | tuple | set | frozenset):
        raise FilterError(f"{operator} must be a list of values, not {value!r}")
    return [_scalar(item, operator) for item in value]


def _scalar(value: Any, operator: str) -> Any:
    if value is not None and not isinstance(value, str | bool | int | float):
        hint = ": to match any of several values, use $in" if isinstance(value, list | tuple | set) else ""
        raise FilterError(f"{operator} must be a str, a number, a bool or None, not {value!r}{hint}")
    if isinstance(value, float) and not math.isfinite(value):
        raise FilterError(f"{operator} must be a finite number, not {value!r}")
    return value


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)


def _negate(compiled: Compiled) -> Compiled:
    return f"NOT {compiled[0]}", compiled[1]


def _join(joiner: str, parts: Sequence[Compiled]) -> Compiled:
    if not parts:
        return "(1)", []
    return f"({joiner.join(sql for sql, _ in parts)})", [value for _, values in parts for value in values]


def _unknown(name: Any, known: Sequence[str], place: str) -> str:
    return (
        f"unknown operator {name!r} {place}: {did_you_mean(name, known)}known operators: {', '.join(known)}"
    )


def _check_depth(depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise FilterError(f"a filter must nest at most {_MAX_DEPTH} levels")
