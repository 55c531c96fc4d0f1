"""What is told of a job while it runs, and when it ends."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    Attributes:
        rows: Rows of the shards that are done.
        all_rows: Rows of all shards that are wanted.
        shards: Shards that are done.
        all_shards: Shards that are wanted.
        under_way: Shards that were handed over.
        workers: Workers that live now.
    """

    rows: int
    all_rows: int
    shards: int
    all_shards: int
    under_way: int
    workers: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A shard that was given up.

    Attributes:
        shard: Its number.
        deaths: Workers that ended over it.
        reason: How the last of them did.
    """

    shard: int
    deaths: int
    reason: str


@dataclass(frozen=True, slots=True)
class Driven:
    """What came of driving.

    Attributes:
        encoded: Shards that were encoded here.
        rows: Rows with a vector in these.
        tokens: Tokens of these.
        met: Shards that somebody else did meanwhile.
        again: Shards that were begun more than once, since a worker died over them.
        skipped: Shards that were given up.
        stopped: Whether it was asked to stop, and some are left to do.
    """

    encoded: int
    rows: int
    tokens: int
    met: int
    again: int
    skipped: tuple[Skipped, ...]
    stopped: bool
