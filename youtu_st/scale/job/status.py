"""How far a job is: what is there and sound, how fast it came, and how long the rest will take."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from youtu_st.scale.job.facts import DamagedPartError, ShardFacts
from youtu_st.scale.job.folder import JobFolder

LAST = 32
"""Shards that tell the speed."""


@dataclass(frozen=True, slots=True)
class Status:
    """How far a job is.

    Attributes:
        done: Shards that are there and sound, as far as their metadata tell.
        open: Those that are not.
        rows: Rows with a vector.
        rows_left: Rows of the open shards, good and bad.
        tokens: Tokens that went through the network, as far as the encoder counts them.
        rejected: Rows without a vector.
        cut: Texts that were cut.
        speed: Rows a second, over the last shards and without pauses; 0: nothing tells.
        seconds_left: At that speed, with the lengths of what is left; None: nothing tells.
        under_way: Shards that somebody living encodes now.
        damaged: What is wrong with which file, by its name.
    """

    done: int
    open: int
    rows: int
    rows_left: int
    tokens: int
    rejected: int
    cut: int
    speed: float
    seconds_left: float | None
    under_way: tuple[int, ...]
    damaged: dict[str, str]


class _Written(NamedTuple):
    ended: float
    rows: int
    seconds: float
    estimated: int


def status(folder: JobFolder) -> Status:
    """How far a job is; reads the metadata of every shard, and writes nothing.

    Raises:
        InputError: As for :meth:`JobFolder.done`.
        OSError: If a file cannot be read.
    """
    shards = folder.job.shards
    rows = tokens = rejected = cut = 0
    damaged: dict[str, str] = {}
    written: list[_Written] = []
    sound = set()
    for number in sorted(folder.parts()):
        path = folder.shard_path(number)
        try:
            found = folder.sound(number)
            ended = os.stat(path).st_mtime
        except FileNotFoundError:  # set aside by somebody, this moment
            continue
        except DamagedPartError as error:
            damaged[path.name] = str(error)
            continue
        sound.add(number)
        rows, tokens = rows + found.rows, tokens + found.tokens
        rejected, cut = rejected + len(found.rejected), cut + found.cut
        written.append(_Written(ended, _all_rows(found), found.seconds, shards[number].tokens))
    left = [shard for shard in shards if shard.number not in sound]
    last = sorted(written)[-LAST:]
    busy = busy_seconds((one.ended - one.seconds, one.ended) for one in last)
    estimated = sum(one.estimated for one in last)
    return Status(
        done=len(sound),
        open=len(left),
        rows=rows,
        rows_left=sum(shard.rows for shard in left),
        tokens=tokens,
        rejected=rejected,
        cut=cut,
        speed=sum(one.rows for one in last) / busy if busy else 0.0,
        seconds_left=sum(shard.tokens for shard in left) * busy / estimated if busy and estimated else None,
        under_way=tuple(sorted(folder.claimed() - sound)),
        damaged=damaged,
    )


def busy_seconds(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds that at least one of some spans covers: each moment counts once, a pause not at all."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(end - max(start, until), 0.0)
        until = max(until, end)
    return total


def _all_rows(found: ShardFacts) -> int:
    return found.rows + len(found.rejected)
