"""All rows are looked at once before the first one is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from youtu_st.errors import InputError, StoreError, brief
from youtu_st.index import inputs
from youtu_st.scale.copying.digest import digest_of
from youtu_st.scale.copying.rows import Rows
from youtu_st.scale.copying.stores import Destination, Source
from youtu_st.scale.input.ids import Ids

Report = Callable[[str, int, int], None]
"""Told what is done (``checking``), how many rows are done, and of how many."""


def silent(what: str, done: int, rows: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of a source.

    Attributes:
        rows: How many there are.
        digest: A checksum over their ids.
        drawn: Ids of some of them, in a random order.
    """

    rows: int
    digest: int
    drawn: list[str]


def survey(source: Source, destination: Destination, draw: int, seed: int, report: Report) -> Survey:
    """Look at all rows of a source, in memory that does not grow with their number.

    Args:
        source: The source.
        destination: What must be able to hold them.
        draw: How many ids to draw, without replacement; all of them where there are fewer.
        seed: Of the draw.
        report: Told of the progress.

    Raises:
        InputError: If there is no row, two have one id, or the destination cannot hold one: the message has
            the row, counted from 1.
        StoreError: If the source does not give as many rows as it says it has.
    """
    expected = source.count()
    if not expected:
        raise InputError(f"{source.name} holds no row")
    random = np.random.default_rng(seed)
    places = random.permutation(expected)[:draw] if expected < 1 << 20 else _sparse(random, expected, draw)
    wanted = {int(place): turn for turn, place in enumerate(places)}
    drawn = [""] * len(wanted)
    rows = digest = 0
    with Ids() as ids:
        for part in source.survey(destination.bounded):
            _check(part, rows, source, destination)
            digest = digest_of(part.ids, digest)
            ids.add(part.ids, 0, np.arange(rows, rows + len(part), dtype=np.int64))
            for place in range(rows, rows + len(part)):
                if place in wanted:
                    drawn[wanted[place]] = part.ids[place - rows]
            rows += len(part)
            report("checking", rows, expected)
        if found := ids.twice():
            first, second = found.first[1] + 1, found.second[1] + 1
            raise InputError(f"{source.name}: rows {first:,} and {second:,} have one id")
    if rows != expected:
        raise StoreError(f"{source.name} says it has {expected:,} rows, and gives {rows:,}")
    return Survey(rows, digest, drawn)


def _sparse(random: np.random.Generator, count: int, draw: int) -> list[int]:
    """Different numbers below ``count``, of which there are many more than are drawn."""
    found: dict[int, None] = {}
    while len(found) < draw:
        found[int(random.integers(count))] = None
    return list(found)


def _check(rows: Rows, before: int, source: Source, destination: Destination) -> None:
    try:
        inputs.check_ids(rows.ids, new=True)
        fault = destination.fault(rows)
    except InputError:
        fault = _first_odd(rows)
        if fault is None:
            raise
    if fault is not None:
        place, reason = fault
        raise InputError(f"{source.name}: row {before + place + 1:,}, id {brief(rows.ids[place])}: {reason}")


def _first_odd(rows: Rows) -> tuple[int, str] | None:
    for place, id in enumerate(rows.ids):
        try:
            inputs.check_ids([id], new=True)
        except InputError as error:
            return place, f"its {str(error).replace('id 0 ', 'id ', 1)}"
    return None
