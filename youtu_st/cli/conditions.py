"""``--filter``: a condition on metadata as JSON, or as it is said: ``lang=zh``, ``year>=2020``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.cli.console import UsageError
from youtu_st.errors import brief

if TYPE_CHECKING:
    from youtu_st.index.filtering.filters import Filter

EXAMPLES = """Examples: --filter lang=zh, --filter 'year>=2020,tags!=draft', --filter '{"lang": "zh"}'"""

Where = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="CONDITION",
        help="Of metadata: lang=zh, 'year>=2020', 'tags!=x', or JSON; several, or commas: all must hold.",
    ),
]

_OPERATORS = {"=": "$eq", "!=": "$ne", ">=": "$gte", "<=": "$lte", ">": "$gt", "<": "$lt"}
_STRING = r'"(?:[^"\\]|\\.)*"'
_FIELD = re.compile(rf"\s*({_STRING}|[^\s=!<>,\"][^=!<>,\"]*?)\s*(!=|>=|<=|=|>|<)\s*")
_VALUE = re.compile(rf"({_STRING}|[^=<>,\"][^,]*|)\s*(,|$)")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_MOST = 10_000


def parse_conditions(texts: Sequence[str] | None) -> Filter | None:
    """A filter of what ``--filter`` was given, checked before anything is loaded for it.

    A text that begins with ``{`` is a filter as JSON. Any other is one or more of ``field=value`` with commas
    between them, also with ``!=``, ``>``, ``>=``, ``<`` and ``<=``. Numbers, ``true``, ``false`` and ``null``
    are what JSON has by these names, and a day or time as ISO 8601 writes it is a moment; anything else is a
    string, and so is what stands in double quotes, which may hold commas, or begin with ``=``, which after an
    operator is more likely a slip of the pen.

    Args:
        texts: Each time that it was given; all must hold.

    Returns:
        The filter; None where there is none.

    Raises:
        UsageError: If one cannot be read: the message has what is in the way.
        FilterError: If it says what no filter may.
    """
    from youtu_st.index.filtering.filters import compile_filter

    if not texts:
        return None
    parts: list[dict[str, Any]] = []
    for text in texts:
        parts += [_as_json(text)] if text.lstrip().startswith("{") else _as_said(text)
    parts = [part for part in parts if part]
    condition = {"$and": parts} if len(parts) > 1 else parts[0] if parts else {}
    compile_filter(condition)
    return condition


def _as_json(text: str) -> dict[str, Any]:
    from youtu_st.inputs import once_each

    try:
        found = json.loads(text, object_pairs_hook=once_each)
    except (ValueError, RecursionError) as error:
        what = "is not JSON" if isinstance(error, json.JSONDecodeError) else "cannot be read"
        raise UsageError(f"--filter {what}: {error}. {EXAMPLES}") from error
    if not isinstance(found, dict):
        raise UsageError(f"--filter must be a JSON object, not {brief(found)}. {EXAMPLES}")
    return found


def _as_said(text: str) -> list[dict[str, Any]]:
    if len(text) > _MOST:
        raise UsageError(f"--filter must have at most {_MOST:,} characters")
    parts: list[dict[str, Any]] = []
    place, more = 0, True
    while more:
        named = _FIELD.match(text, place)
        valued = _VALUE.match(text, named.end()) if named else None
        if named is None or valued is None:
            raise UsageError(f"--filter cannot be read from {brief(text[place:])} on. {EXAMPLES}")
        field, operator = named[1], named[2]
        parts.append({_unquoted(field): {_OPERATORS[operator]: _value(valued[1].strip())}})
        place, more = valued.end(), valued[2] == ","
    return [
        {field: held["$eq"]} if "$eq" in held else {field: held}
        for part in parts
        for field, held in part.items()
    ]


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text))
    except ValueError as error:
        raise UsageError(
            f"--filter has a string that is none of JSON's: {brief(text)}. {EXAMPLES}"
        ) from error


def _value(text: str) -> Any:
    from youtu_st.index.filtering.times import parsed

    if text in _WORDS:
        return _WORDS[text]
    if (moment := parsed(text)) is not None:
        return moment
    return json.loads(text) if _NUMBER.fullmatch(text) else _unquoted(text)
