"""Which fields of a table hold what, and a record of a table as a document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.errors import InputError, brief, did_you_mean, printable
from youtu_st.protocol import Vectors

TEXTS, VECTORS, IDS = ("text", "content"), ("vector", "embedding"), ("id", "_id")
METADATA = "metadata"


@dataclass(frozen=True, slots=True)
class Fields:
    """The names of a table's fields; None: the first of the usual ones that is there.

    Attributes:
        text: Of the text; usually ``text``, or else ``content``.
        vector: Of the vector; usually ``vector``, or else ``embedding``.
        id: Of the id; usually ``id``, or else ``_id``. Without one, an id is the file's name
            and the row.
    """

    text: str | None = None
    vector: str | None = None
    id: str | None = None

    def found(self, name: str, fields: Iterable[str], *, vectors: bool = True) -> Fields:
        """The fields as they are called in a table that has these.

        Args:
            name: Of the table, for messages.
            fields: What it has.
            vectors: Whether it needs a vector.

        Raises:
            InputError: If one is missing that there must be.
        """
        there = list(fields)
        text = _one(name, there, self.text, TEXTS, "text", "--text-field")
        vector = _one(name, there, self.vector, VECTORS, "vector", "--vector-field", must=vectors)
        id = _one(name, there, self.id, IDS, "id", "--id-field", must=False)
        return Fields(text, vector, id)

    @property
    def named(self) -> set[str]:
        """Those that are no metadata."""
        return {name for name in (self.text, self.vector, self.id) if name is not None}


def _one(
    name: str,
    there: Sequence[str],
    asked: str | None,
    usual: Sequence[str],
    what: str,
    option: str,
    *,
    must: bool = True,
) -> str | None:
    for candidate in (asked,) if asked is not None else usual:
        if candidate in there:
            return candidate
    if asked is None and not must:
        return None
    wanted = brief(asked) if asked is not None else " or ".join(map(repr, usual))
    meant = did_you_mean(asked, there) if asked is not None else ""
    way = "; to encode the texts: encode=True (--encode)" if what == "vector" and asked is None else ""
    has = ", ".join(brief(field) for field in there[:20])
    raise InputError(
        f"{printable(name)} has no field {wanted} for the {what}: {meant}it has {has}; {option} "
        f"names another{way}"
    )


def metadata_of(record: Mapping[str, Any], named: Iterable[str], where: str) -> dict[str, Any]:
    """What a record says beside its text, vector and id.

    That is its ``metadata``, an object or the JSON of one, and all other fields. Those that are null are left
    out; times and decimals become what Python writes for them.

    Raises:
        InputError: If ``metadata`` is something else, nests without end, or says something else of a field.
    """
    held = record.get(METADATA)
    if isinstance(held, str):
        try:
            held = json.loads(held)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: its metadata is no JSON: {brief(held)}") from error
    if held is not None and not isinstance(held, dict):
        raise InputError(f"{where}: its metadata must be an object, not {brief(held)}")
    skipped = {*named, METADATA}
    try:
        held = _plain(held or {})
        further = {
            key: _plain(value) for key, value in record.items() if key not in skipped and value is not None
        }
    except RecursionError as error:
        raise InputError(f"{where}: its metadata is nested too deeply") from error
    for key, value in further.items():
        if held.get(key) is not None and (type(held[key]), held[key]) != (type(value), value):
            raise InputError(
                f"{where}: its field {brief(key)} is there twice: {brief(held[key])} in its metadata, and "
                f"{brief(value)} beside it"
            )
    return {**held, **further}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date | time | Decimal):
        return str(value) if isinstance(value, Decimal) else value.isoformat()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def id_of(value: Any, where: str) -> str:
    """An id as a text; a number becomes one.

    Raises:
        InputError: If it is something else.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise InputError(f"{where}: its id must be a str or an int, not {brief(value)}")


def matrix_of(rows: Sequence[Any], dimension: int, where: Sequence[str]) -> Vectors:
    """Rows of numbers as a matrix.

    Args:
        rows: The rows.
        dimension: Numbers of each.
        where: What to call each in a message.

    Raises:
        InputError: If one is missing, has another number of numbers, or something that is none.
    """
    matrix = np.empty((len(rows), dimension), dtype=np.float32)
    for place, row in enumerate(rows):
        if row is None:
            raise InputError(f"{where[place]}: its vector is missing")
        numbers = _numbers(row)
        if numbers is None:
            raise InputError(f"{where[place]}: its vector must be a list of numbers, not {brief(row)}")
        if len(row) != dimension:
            raise InputError(
                f"{where[place]}: its vector has {len(row)} numbers, and others have {dimension}"
            )
        with np.errstate(over="ignore"):  # what is too large becomes infinite, which is told of later
            matrix[place] = numbers
    return matrix


def _numbers(row: Any) -> npt.NDArray[Any] | None:
    """A list of numbers as an array; None for anything else."""
    try:
        found = np.array(row) if isinstance(row, list) else None
    except ValueError:  # lists of several lengths in it
        return None
    plain = found is not None and found.ndim == 1 and found.dtype.kind in "fiu"
    return found if plain else None
