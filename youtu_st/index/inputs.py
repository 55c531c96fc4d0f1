"""What callers hand in: texts, ids, metadata and vectors, checked before anything is encoded or written."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from youtu_st import inputs as encoder_inputs
from youtu_st.errors import InputError

_MAX_DEPTH = 100
_FLAT = {str, int, float, bool, type(None)}
_BULK_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",\n", ": "))
_TO_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents to write; where an id came twice, only its last document is here."""

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
    texts = check_texts(texts, "text")
    made = _new_ids(len(texts)) if ids is None else check_ids(ids, blank="refuse")
    _same_length("ids", made, texts)
    if metadata is None:
        records = ["{}"] * len(texts)
    else:
        if isinstance(metadata, Mapping | str):
            raise InputError(f"metadata is one dictionary for each text, as a list; it is {metadata!r}.")
        records = _metadata_rows([{} if value is None else value for value in metadata])
    _same_length("metadata", records, texts)
    last = {} if ids is None else {id: position for position, id in enumerate(made)}
    if ids is None or len(last) == len(made):
        return Batch(texts, made, records, list(made), None, ids is not None)
    kept = sorted(last.values())
    texts, unique, records = ([column[position] for position in kept] for column in (texts, made, records))
    return Batch(texts, unique, records, made, kept, may_replace=True)


def check_texts(texts: Iterable[str], noun: str) -> list[str]:
    """A list of any iterable of texts that the encoder would take."""
    one = isinstance(texts, str) or not isinstance(texts, Iterable)
    return encoder_inputs.check_texts(texts if one else list(texts), noun=noun)


def alone(query: Any) -> Any:
    """One question, or one vector, as a batch of one.

    Raises:
        InputError: If it is an array of another shape.
    """
    if isinstance(query, str):
        return [query]
    vector = np.asarray(query)
    if vector.ndim != 1:
        raise InputError(f"query is a string or one vector; its shape is {vector.shape}. See search_many.")
    return vector[None]


def check_ids(ids: Iterable[str], *, blank: str = "allow") -> list[str]:
    """A list of ids; with ``blank="refuse"`` each must also be fit to be stored."""
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        raise InputError(f"ids is a list of strings, not {ids!r}. Pass [id] for a single one.")
    checked = list(ids)
    for position, id in enumerate(checked):
        if not isinstance(id, str):
            raise InputError(f"id {position} is {id!r}, of type {type(id).__name__}, not a string.")
        if blank == "refuse":
            if not id or "\0" in id:
                raise InputError(
                    f"id {position} is {id!r}: an id has at least one character, none of them NUL."
                )
            _check_unicode(id, f"id {position}")
    return checked


def check_count(k: Any, name: str = "k") -> int:
    """A number of hits asked for."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InputError(f"{name} is the number of hits, an integer of at least 1, not {k!r}.")
    return int(k)


def _new_ids(count: int) -> list[str]:
    digits = os.urandom(16 * count).hex()
    return [digits[start : start + 32] for start in range(0, len(digits), 32)]


def _same_length(name: str, values: Sequence[Any], texts: Sequence[str]) -> None:
    if len(values) != len(texts):
        raise InputError(f"{name} has {len(values)} entries for {len(texts)} texts.")


def _metadata_rows(values: list[Any]) -> list[str]:
    """Each dictionary as JSON; flat ones in one call of the encoder, which takes a third of the time."""
    kinds = map(type, chain.from_iterable(map(dict.values, values)))
    try:
        if values and {str}.issuperset(map(type, chain.from_iterable(values))) and _FLAT.issuperset(kinds):
            # A raw newline cannot stand inside a JSON string: this one is between two dictionaries only.
            text = _BULK_JSON.encode(values)
            _check_unicode(text, "metadata")
            return [f"{{{row}}}".replace(",\n", ", ") for row in text[2:-2].split("},\n{")]
    except (TypeError, ValueError):
        pass  # the loop finds what is wrong, and where
    return [_metadata_json(value, position) for position, value in enumerate(values)]


def _metadata_json(value: Any, position: int) -> str:
    if not isinstance(value, dict):
        raise InputError(
            f"metadata {position} is {value!r}, of type {type(value).__name__}, not a dictionary."
        )
    _check_json(value, f"metadata {position}", 0)
    text = _TO_JSON.encode(value)
    _check_unicode(text, f"metadata {position}")
    return text


def _check_json(value: Any, where: str, depth: int) -> None:
    """JSON would quietly turn other keys into strings, and write NaN, which no JSON reader has to take."""
    if depth > _MAX_DEPTH:
        raise InputError(f"{where} nests deeper than {_MAX_DEPTH} levels.")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InputError(f"{where} has the key {key!r}: keys are strings.")
            if type(item) is not str:
                _check_json(item, f"{where}, key {key!r}", depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_json(item, where, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{where} is {value!r}: numbers are finite.")
    elif value is not None and not isinstance(value, str | int | float):
        raise InputError(
            f"{where} is {value!r}, of type {type(value).__name__}: values are strings, numbers, booleans, "
            f"None, and lists or dictionaries of these."
        )


def _check_unicode(text: str, where: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{where}: character {error.start} is half a surrogate pair, which is no text."
        ) from error
