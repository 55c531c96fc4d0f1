"""A job that is planned, and is to be done."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from youtu_st.errors import InputError, counted, printable
from youtu_st.inputs import check_count, check_seconds, one_of
from youtu_st.scale.input.types import Shard
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.job.names import REJECTED
from youtu_st.scale.job.rejected import write_rejected
from youtu_st.scale.job.room import check_room
from youtu_st.scale.job.status import Status, status
from youtu_st.scale.pools.events import Pool
from youtu_st.scale.pools.local import LocalPool
from youtu_st.scale.running.devices import makings
from youtu_st.scale.running.driving import drive
from youtu_st.scale.running.stopping import Stop, listening
from youtu_st.scale.running.telling import Driven, Skipped, Summary
from youtu_st.scale.running.watching import Watch
from youtu_st.scale.settings import BadRows, Making

MakePool = Callable[[Path, Making, Callable[[str], None]], Pool]
"""Workers for a job's folder, by its absolute path, with an encoder made so; what it warns of is told."""


@dataclass(frozen=True)
class How:
    """How a process goes about it: nothing that a vector depends on.

    Attributes:
        workers: As for :func:`~youtu_st.scale.running.embed.embed`, like all but the last.
        devices: Likewise.
        shard_timeout: Likewise.
        bad_rows: Likewise.
        part: Its ``shard``.
        pool: Likewise.
        watch: Takes what there is to say.

    Raises:
        InputError: If one is none of what it may be.
    """

    workers: int | None
    devices: Sequence[str] | None
    shard_timeout: float | None
    bad_rows: BadRows
    part: tuple[int, int] | None
    pool: MakePool | None
    watch: Watch

    def __post_init__(self) -> None:
        one_of("bad_rows", self.bad_rows, ("error", "skip"))
        if self.workers is not None:
            check_count("workers", self.workers)
        if self.shard_timeout is not None:
            check_seconds("shard_timeout", self.shard_timeout)
        if self.part is not None and not 1 <= self.part[0] <= self.part[1]:
            raise InputError(f"shard must be (i, n) with i from 1 to n, not {self.part!r}")

    def makings(self, making: Making, most: int | None = None) -> list[Making]:
        """What each worker makes its encoder from, at most so many."""
        found = makings(making, self.workers, self.devices) if self.pool is None else [making]
        return found[:most]

    def local(self, folder: Path, making: Making, most: int | None = None) -> LocalPool:
        """Processes of this machine, none of them started yet."""
        return LocalPool(
            folder,
            self.makings(making, most),
            bad_rows=self.bad_rows,
            shard_timeout=self.shard_timeout,
            notice=self.notice,
        )

    def notice(self, line: str) -> None:
        """Pass on what a worker's encoder warns of."""
        self.watch.say("note", line)

    def wants(self, shards: Sequence[Shard]) -> list[Shard]:
        """Those of some shards that are this process's to do."""
        if self.part is None:
            return list(shards)
        first, step = self.part
        return [shard for shard in shards if shard.number % step == first - 1]


class _Shelf:
    """A job's folder as driving sees it."""

    def __init__(self, folder: JobFolder) -> None:
        self._folder = folder

    def is_done(self, number: int) -> bool:
        return os.path.lexists(self._folder.shard_path(number))

    def claimed(self) -> Collection[int]:
        return self._folder.claimed()


def run(folder: JobFolder, making: Making, how: How, local: LocalPool | None = None) -> Summary:
    """Have done what is left of a job.

    Args:
        folder: The job's, whose input and encoder are those that are asked for.
        making: What the workers' encoders are made from.
        how: How to go about it.
        local: Workers that were asked to plan it; they are closed.

    Raises:
        YoutuError: As for :func:`~youtu_st.scale.running.embed.embed`.
        KeyboardInterrupt: Likewise.
    """
    state = status(folder)
    if state.damaged:
        set_aside(folder, how.watch)
        state = status(folder)
    left = how.wants(folder.open_shards())
    if not left:
        return _end(folder, how, None, state)
    check_room(folder)
    stop = Stop()

    def stopping() -> None:
        how.watch.say("stopping", "after the shards that are under way; Ctrl-C again ends it now")

    try:
        if how.pool is not None:
            pool: Pool = how.pool(folder.path.absolute(), making, how.notice)
        else:
            pool = local or how.local(folder.path, making, len(left))
        with listening(stop, stopping):
            driven = _drive(folder, pool, left, how, stop)
    finally:
        folder.sweep()
        how.watch.close()
    return _end(folder, how, driven)


def _drive(folder: JobFolder, pool: Pool, left: Sequence[Shard], how: How, stop: Stop) -> Driven:
    try:
        wanted = how.wants(folder.job.shards)
        rows = sum(shard.rows for shard in wanted) - sum(shard.rows for shard in left)
        found = (len(wanted) - len(left), rows)
        driven = drive(_Shelf(folder), pool, left, stop=stop, tell=how.watch.progress, found=found)
        pool.close()
    except BaseException:
        pool.close(now=True)
        raise
    return driven


def set_aside(folder: JobFolder, watch: Watch, *, deep: bool = False) -> int:
    """Move damaged shards out of the way, so that they are open again, and say which.

    Args:
        folder: The job's.
        watch: Told of each.
        deep: Read every byte of them; else what they say of themselves.

    Returns:
        How many.
    """
    moved = 0
    for number, wrong in folder.damaged(deep=deep).items():
        name = printable(str(folder.shard_path(number)))
        where = folder.set_aside(number)
        if where is not None:
            moved += 1
            watch.say("damaged", f"{name}: {wrong}; kept as {printable(str(where))}, and encoded again")
    return moved


def _end(folder: JobFolder, how: How, driven: Driven | None, state: Status | None = None) -> Summary:
    """Write down what was rejected, and count what is there."""
    if state is None:
        state = status(folder)
    _list_rejected(folder, state.rejected)
    driven = driven or Driven(0, 0, 0, 0.0, 0, 0, (), stopped=False)
    wanted = how.wants(folder.job.shards)
    left = len(how.wants(folder.open_shards()))
    return Summary(
        folder=str(folder.path),
        rows=state.rows,
        tokens=state.tokens,
        cut=state.cut,
        rejected=state.rejected,
        shards=len(wanted),
        found=len(wanted) - left - driven.encoded,
        encoded=driven.encoded,
        again=driven.again,
        encoded_rows=driven.rows,
        seconds=driven.seconds,
        skipped=tuple(_skipped(folder, one) for one in driven.skipped),
        stopped=driven.stopped,
    )


def _list_rejected(folder: JobFolder, rejected: int) -> None:
    """Bring ``rejected.jsonl`` up to date, also where others finish shards at this moment."""
    if not rejected and not os.path.lexists(folder.path / REJECTED):
        return
    done: set[int] | None = None
    while done != (now := folder.done()):
        done = now
        write_rejected(folder)


def _skipped(folder: JobFolder, one: Skipped) -> str:
    planned = folder.job.shards[one.shard]
    file = printable(folder.job.files[planned.file].name)
    return (
        f"shard {one.shard} (from row {planned.first + 1:,} of {file}, {counted(planned.rows, 'row')}): "
        f"{counted(one.deaths, 'worker')} ended over it, the last {one.reason}"
    )
