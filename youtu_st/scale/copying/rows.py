"""Rows on their way from one store into another."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from youtu_st.errors import InputError, brief, in_one_line
from youtu_st.protocol import Vectors

TO_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_BULK = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",\n", ": "))
_FLAT = {str, int, float, bool, type(None)}
_BLOCK_BYTES = 16 << 20
_MOST, _LEAST = 4096, 64


@dataclass(slots=True)
class Rows:
    """Some rows, column by column; all columns have the same length.

    Attributes:
        ids: A row's name, once in a store.
        texts: The text, where the store has it.
        metadata: Further values, as the text of a JSON object.
        vectors: Unit rows ``(len(ids), dimension)``, float32; ``(0, dimension)`` in a pass that needs none.
    """

    ids: list[str]
    texts: list[str | None]
    metadata: list[str]
    vectors: Vectors

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, places: list[int]) -> Rows:
        """Those at some places, in that order."""
        return Rows(
            [self.ids[place] for place in places],
            [self.texts[place] for place in places],
            [self.metadata[place] for place in places],
            self.vectors[np.array(places, dtype=np.int64)],
        )

    def in_parts(self, rows: int) -> list[Rows]:
        """The same, at most so many at a time."""
        if len(self) <= rows:
            return [self]
        return [
            Rows(
                self.ids[first : first + rows],
                self.texts[first : first + rows],
                self.metadata[first : first + rows],
                self.vectors[first : first + rows],
            )
            for first in range(0, len(self), rows)
        ]

    def in_order(self, ids: list[str]) -> Rows:
        """The rows of some ids, in their order; those that are not here are left out."""
        places = {id: place for place, id in enumerate(self.ids)}
        return self.at([places[id] for id in ids if id in places])


def rows_of_a_block(dimension: int) -> int:
    """How many rows go together: of 16 MiB of vectors."""
    return max(_LEAST, min(_MOST, _BLOCK_BYTES // (4 * dimension)))


def values_of(metadata: str) -> dict[str, Any]:
    """A row's metadata."""
    values: dict[str, Any] = json.loads(metadata)
    return values


def jsons_of(rows: list[dict[str, Any]], name: Callable[[int], str]) -> list[str]:
    """The metadata of some rows, each as JSON text.

    Args:
        rows: Of each its values.
        name: What to call a row in a message, by its place.

    Raises:
        InputError: If a row has a value that JSON has none for, such as NaN.
    """
    try:
        if _FLAT.issuperset(map(type, chain.from_iterable(values.values() for values in rows))):
            # Many at once take half the time. No raw newline stands inside a string of JSON: each of these is
            # between two values, or two rows.
            text = _BULK.encode(rows)
            return [f"{{{row}}}".replace(",\n", ", ") for row in text[2:-2].split("},\n{")] if rows else []
        return [TO_JSON.encode(values) for values in rows]
    except (TypeError, ValueError, RecursionError):
        for place, values in enumerate(rows):
            try:
                TO_JSON.encode(values)
            except (TypeError, ValueError, RecursionError) as error:
                what = f"{name(place)}: its metadata {brief(values)} are no JSON"
                raise InputError(in_one_line(what, error)) from error
        raise
