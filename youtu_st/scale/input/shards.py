"""Ranges of rows, and what comes of reading one."""

from __future__ import annotations

from typing import NamedTuple


class Shard(NamedTuple):
    """Rows of one file that follow one another."""

    number: int
    file: int
    first: int
    rows: int
    tokens: int
    longest: int
    offset: int


class Rejected(NamedTuple):
    """A row without a vector."""

    file: str
    row: int
    id: str | None
    reason: str
