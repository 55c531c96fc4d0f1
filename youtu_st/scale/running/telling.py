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
        seconds: From the first row of the first of these to the last of the last.
        met: Shards that somebody else did meanwhile.
        again: Shards that were begun more than once, since a worker died over them.
        skipped: Shards that were given up.
        stopped: Whether it was asked to stop, and some are left to do.
    """

    encoded: int
    rows: int
    tokens: int
    seconds: float
    met: int
    again: int
    skipped: tuple[Skipped, ...]
    stopped: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """What a job's folder holds, and what was done for it here.

    Attributes:
        folder: Where it is, as it was named.
        rows: Documents with a vector, in all shards that are there.
        tokens: Tokens of these, as far as the encoder counts them.
        cut: Documents of these that were cut.
        rejected: Rows without a vector; ``rejected.jsonl`` lists them.
        shards: Shards of the job, or of this process's part of it.
        found: Shards of these that were there before, or that others did meanwhile.
        encoded: Shards that were encoded here.
        again: Shards of these that a worker had died over.
        encoded_rows: Documents that were encoded here.
        seconds: From the first row of these to the last.
        skipped: One line for each shard that was given up.
        stopped: Whether it ended before all was done, since it was asked to.
    """

    folder: str
    rows: int
    tokens: int
    cut: int
    rejected: int
    shards: int
    found: int
    encoded: int
    again: int
    encoded_rows: int
    seconds: float
    skipped: tuple[str, ...]
    stopped: bool

    @property
    def speed(self) -> float:
        """Documents a second, of those that were encoded here; 0 where none were."""
        return self.encoded_rows / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> int:
        """Shards that are not there."""
        return self.shards - self.found - self.encoded
