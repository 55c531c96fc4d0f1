"""What callers hand in: texts, ids, metadata and vectors, checked before anything is encoded or written."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Any

import numpy as np

from youtu_st.errors import InputError, brief
from youtu_st.index.filtering.filters import Compiled, Filter, compile_filter
from youtu_st.index.filtering.operands import MAX_INTEGER
from youtu_st.index.filtering.times import TIMES, as_text, instant, places
from youtu_st.inputs import check_no_nul, check_texts, check_unicode

_MAX_DEPTH = 100
_LONG_NUMBER = re.compile("[0-9]{19}", re.ASCII)
_FLAT = {str, int, float, bool, type(None)}
_BULK_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",\n", ": "))
_TO_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=as_text)


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents to write, deduplicated: where an id came twice, only its last document is here."""

    texts: list[str]
    ids: list[str]
    metadata: list[str]
    """JSON objects."""
    returned: list[str]
    """The id of every text that was handed in."""
    kept: list[int] | None
    """Which of the texts handed in these are; None means all."""
    may_replace: bool
    """False where the ids were made here, so that none can be in the index."""


def check_batch(texts: Iterable[str], ids: Iterable[str] | None, metadata: Iterable[Any] | None) -> Batch:
    """Check the arguments of ``add``.

    Raises:
        InputError: The message names the position.
    """
    checked = check_texts(listed(texts))
    made = _new_ids(len(checked)) if ids is None else check_ids(ids, new=True)
    records = ["{}"] * len(checked) if metadata is None else _metadata_rows(metadata)
    for name, values in (("ids", made), ("metadata", records)):
        if len(values) != len(checked):
            raise InputError(f"{name} must have an entry for each of {len(checked)} texts, not {len(values)}")
    last = {id: position for position, id in enumerate(made)}
    if len(last) == len(made):
        return Batch(checked, made, records, list(made), None, ids is not None)
    kept = sorted(last.values())
    checked, ids, records = ([column[position] for position in kept] for column in (checked, made, records))
    return Batch(checked, ids, records, made, kept, may_replace=True)


def listed(values: Any) -> Any:
    """Any iterable as a list; a str, bytes, and what is no iterable, as they are: for the check to refuse."""
    return values if isinstance(values, str | bytes) or not isinstance(values, Iterable) else list(values)


def alone(query: Any) -> Any:
    """One question, or one vector, as a batch of one.

    Raises:
        InputError: If it is an array of another shape.
    """
    if isinstance(query, str):
        return [query]
    vector = np.asarray(query)
    if vector.ndim != 1:
        raise InputError(
            f"query must be a str or one vector, not of shape {vector.shape}: search_many takes several"
        )
    return vector[None]


def check_ids(ids: Iterable[str], *, new: bool = False) -> list[str]:
    """A list of ids; those of ``new`` documents must also be fit to be stored."""
    checked = listed(ids)
    if not isinstance(checked, list):
        raise InputError(f"ids must be a list of str, not {brief(ids)}: pass [id] for a single one")
    try:  # the usual case at C speed; the loop is for finding the position
        together = "".join(checked)
        if not new or (all(checked) and together.isascii() and "\0" not in together):
            return checked
    except TypeError:
        pass
    for position, id in enumerate(checked):
        if not isinstance(id, str):
            raise InputError(f"id {position} must be a str, not {brief(id)} of type {type(id).__name__}")
        if new:
            if not id or "\0" in id:
                raise InputError(
                    f"id {position} must have at least one character, none of them NUL, not be {brief(id)}"
                )
            check_unicode(f"id {position}", id)
    return checked


def _new_ids(count: int) -> list[str]:
    digits = os.urandom(16 * count).hex()
    return [digits[start : start + 32] for start in range(0, len(digits), 32)]


def _metadata_rows(metadata: Iterable[Any]) -> list[str]:
    """Each dictionary as JSON; flat ones in one call of the encoder, which takes a third of the time."""
    if isinstance(metadata, Mapping | str | bytes):
        raise InputError(f"metadata must be a list of one dictionary for each text, not {brief(metadata)}")
    values = [{} if value is None else value for value in metadata]
    kinds = map(type, chain.from_iterable(map(dict.values, values)))
    try:
        if values and {str}.issuperset(map(type, chain.from_iterable(values))) and _FLAT.issuperset(kinds):
            # A raw newline cannot stand inside a JSON string: this one is between two dictionaries only.
            text = _BULK_JSON.encode(values)
            check_unicode("metadata", text)
            check_no_nul("metadata", text)
            if _LONG_NUMBER.search(text):
                raise ValueError("an int of more than 64 bits, perhaps")
            return [f"{{{row}}}".replace(",\n", ", ") for row in text[2:-2].split("},\n{")]
    except (TypeError, ValueError):
        pass  # the loop finds what is wrong, and where
    return [_metadata_json(value, position) for position, value in enumerate(values)]


def _metadata_json(value: Any, position: int) -> str:
    if not isinstance(value, dict):
        raise InputError(
            f"metadata {position} must be a dictionary, not {brief(value)} of type {type(value).__name__}"
        )
    _check_json(value, f"metadata {position}", 0)
    if times := places(value):  # that it was a time, the text does not say
        known = value.get(TIMES)
        value = {**value, TIMES: [*(known if isinstance(known, list) else ()), *times]}
    text = _TO_JSON.encode(value)
    check_unicode(f"metadata {position}", text)
    check_no_nul(f"metadata {position}", text)
    return text


def _check_json(value: Any, where: str, depth: int) -> None:
    """JSON would quietly turn other keys into strings, and write NaN, which no JSON reader has to take."""
    if depth > _MAX_DEPTH:
        raise InputError(f"{where} must nest at most {_MAX_DEPTH} levels")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InputError(f"{where} must have keys of type str, not {brief(key)}")
            if type(item) is not str:
                _check_json(item, f"{where}, key {brief(key)}", depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_json(item, where, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{where} must be a finite number, not {brief(value)}")
    elif isinstance(value, int) and not -MAX_INTEGER <= value < MAX_INTEGER:
        raise InputError(f"{where} must be an int of 64 bits, not {brief(value)}: store longer ones as str")
    elif isinstance(value, date):
        if instant(value) is None:  # pandas has a time that is none
            raise InputError(f"{where} must be a time that there is, not {brief(value)}")
    elif value is not None and not isinstance(value, str | int | float):
        raise InputError(
            f"{where} must be a str, a number, a bool, a datetime, None, or a list or dictionary of "
            f"these, not {brief(value)} of type {type(value).__name__}"
        )


def confinement(filter: Filter | None, ids: Iterable[str] | None) -> tuple[Compiled | None, list[str] | None]:
    """What a search is confined to, checked; None where it is not."""
    return compile_filter(filter) if filter else None, None if ids is None else check_ids(ids)
