"""Held-out rows that are trained on: found by their texts, in some bytes for each pair that is held out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.errors import counted
from youtu_st.training.data.store import TrainingSet, key
from youtu_st.training.guards import Notify
from youtu_st.training.preparing import Prepared

_BLOCK = 10_000
"""Rows that are in memory together."""
_LOW, _HIGH = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
Numbers = npt.NDArray[Any]


def check_held_out(prepared: Prepared, notify: Notify) -> None:
    """Say how many rows that are measured are trained on: a text and one that belongs to it, in either order.

    Instructions and scores make no difference: the texts have been seen.
    """
    for held in prepared.held_out:
        lines, pairs = map(np.concatenate, zip(*_pairs(held), strict=True))
        known, places = np.unique(pairs, return_inverse=True)
        seen = {found.name: _seen(known, found)[places] for found in prepared.sets}
        again = np.unique(lines[np.logical_or.reduce(list(seen.values()))])
        if len(again):
            where = ", ".join(repr(name) for name, which in seen.items() if which.any())
            notify(
                f"{counted(len(again), 'row')} of the {len(np.unique(lines)):,} in {held.source}, which are "
                f"measured, are trained on too: in {where}, the first is line {again[0]}. What is measured "
                "there is too good"
            )


def _seen(known: Numbers, found: TrainingSet) -> Numbers:
    """Which of some pairs, ascending, a data set has."""
    seen = np.zeros(len(known), dtype=bool)
    for _, pairs in _pairs(found):
        at = np.searchsorted(known, pairs).clip(max=len(known) - 1)
        seen[at[known[at] == pairs]] = True
    return seen


def _pairs(found: TrainingSet) -> Iterator[tuple[Numbers, Numbers]]:
    """A data set's pairs, some at a time: the lines that they are on, and 64 bits that stand for each."""
    columns = ["row", "pair_keys"] if found.task == "sts" else ["row", "query_key", "positives"]
    blocks = found.dataset().select_columns(columns).with_format("arrow").iter(_BLOCK)
    for block in blocks:
        lines, *rest = (block.column(name).combine_chunks() for name in columns)
        lines = lines.to_numpy()
        if found.task == "sts":
            keys = rest[0].flatten().to_numpy().reshape(-1, 2)
        else:
            counts = rest[1].value_lengths().to_numpy()
            texts = np.array([key(text) for text in rest[1].flatten().to_pylist()], dtype=np.int64)
            keys = np.stack([np.repeat(rest[0].to_numpy(), counts), texts], axis=1)
            lines = np.repeat(lines, counts)
        ordered = np.sort(keys.view(np.uint64), axis=1)
        yield lines, ordered[:, 0] * _LOW + ordered[:, 1] * _HIGH
