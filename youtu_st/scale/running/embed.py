"""From a corpus to a folder of vectors, and on where a folder was left."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from youtu_st.errors import InputError, counted, printable
from youtu_st.inputs import check_count, check_seconds, one_of
from youtu_st.scale.input.types import Shard
from youtu_st.scale.job.folder import JobFolder, has_job
from youtu_st.scale.job.rejected import write_rejected
from youtu_st.scale.job.room import check_room
from youtu_st.scale.job.status import Status, status
from youtu_st.scale.job.verifying import Verified
from youtu_st.scale.pools.events import Pool
from youtu_st.scale.pools.local import LocalPool
from youtu_st.scale.running.asking import check_files, check_input, is_settled
from youtu_st.scale.running.devices import makings
from youtu_st.scale.running.driving import drive
from youtu_st.scale.running.stopping import Stop, listening
from youtu_st.scale.running.telling import Driven, Skipped, Summary
from youtu_st.scale.running.watching import Bar, Watch
from youtu_st.scale.settings import BadRows, Columns, Cutting, Making, Task

MakePool = Callable[[Path, Making, Callable[[str], None]], Pool]
"""Workers for a job's folder, by its absolute path, with an encoder made so; what it warns of is told."""


def embed(
    paths: Sequence[str | Path],
    out: str | Path,
    making: Making,
    task: Task = Task(),  # noqa: B008 - frozen
    columns: Columns = Columns(),  # noqa: B008
    cutting: Cutting = Cutting(),  # noqa: B008
    *,
    workers: int | None = None,
    devices: Sequence[str] | None = None,
    shard_timeout: float | None = None,
    bad_rows: BadRows = "error",
    extend: bool = False,
    shard: tuple[int, int] | None = None,
    pool: MakePool | None = None,
    show_progress: bool = False,
    watch: Watch | None = None,
) -> Summary:
    """Encode a corpus of any size into a folder of Parquet files.

    The same call goes on where the last one was left, however that ended. Several may fill one folder at
    once. In the main thread, Ctrl-C ends it after the shards that are under way, a second one at once.

    Args:
        paths: Files and folders, see :func:`youtu_st.scale.input.files.find_inputs`.
        out: The job's folder: new, empty, or with the same job.
        making: How the encoder is made, in each worker.
        task: What is asked of it.
        columns: What is read, and kept.
        cutting: How large a shard is.
        workers: Processes. None: one for each device.
        devices: Where they run, in turn. None: all GPUs where there are several, else the best there is.
        shard_timeout: Seconds after which a worker that has not finished a shard is ended.
        bad_rows: ``error``: the first row without a text, or with one that the encoder does not take, ends
            the job; ``skip``: it is written to ``rejected.jsonl``.
        extend: Plan files that are new, and leave the rest.
        shard: ``(i, n)``: this call does every n-th shard, from the i-th on, i from 1 to n.
        pool: Makes other workers than processes of this machine.
        show_progress: Show a bar on standard error.
        watch: Takes what there is to say meanwhile, instead of the log and the bar.

    Returns:
        What the folder holds then, and what was done for it here.

    Raises:
        InputError: If the input or an argument is not what it may be, if the folder holds another job or
            something else, or its disk has no room.
        JobError: If a worker met what it cannot go on with; what is done stays done.
        KeyboardInterrupt: After the second Ctrl-C.
        YoutuError: As the encoder has it.
    """
    how = _How(
        workers, devices, shard_timeout, bad_rows, shard, pool, watch or (Bar() if show_progress else Watch())
    )
    folder, named = Path(out), [str(path) for path in paths]
    check_input(named, columns, folder)
    there = JobFolder.open(folder) if has_job(folder) else None
    if there is not None and is_settled(there, named, making, task, columns, cutting, extend=extend):
        return _run(there, making, how)
    content = {
        "folder": str(folder),
        "paths": named,
        "making": asdict(how.makings(making)[0]),
        "task": asdict(task),
        "columns": asdict(columns),
        "cutting": asdict(cutting),
        "bad_rows": bad_rows,
        "extend": extend,
    }
    how.watch.waiting(f"loading {printable(making.model or making.server or '')} ...")
    with how.local(folder, making) as local:
        local.ask("prepare", content, lambda told: how.watch.planning(told["rows"], told["file"]))
        if pool is None:
            return _run(JobFolder.open(folder), making, how, local)
    return _run(JobFolder.open(folder), making, how)


def resume(
    out: str | Path,
    *,
    checkpoint: str | None = None,
    server: str | None = None,
    trust_remote_code: bool = False,
    workers: int | None = None,
    devices: Sequence[str] | None = None,
    shard_timeout: float | None = None,
    bad_rows: BadRows = "error",
    shard: tuple[int, int] | None = None,
    pool: MakePool | None = None,
    show_progress: bool = False,
    watch: Watch | None = None,
) -> Summary:
    """Go on with a job as its folder has it; nothing where it is done.

    Args:
        out: The job's folder.
        checkpoint: Where the weights are now, if they are elsewhere.
        server: Where the engine is that encodes, if one is to: a folder does not say where texts are sent.
        trust_remote_code: Run code that a checkpoint brings; a folder does not remember that.
        workers: As for :func:`embed`, like all that follow.
        devices: Likewise.
        shard_timeout: Likewise.
        bad_rows: Likewise.
        shard: Likewise.
        pool: Likewise.
        show_progress: Likewise.
        watch: Likewise.

    Raises:
        YoutuError: As for :func:`embed`.
    """
    how = _How(
        workers, devices, shard_timeout, bad_rows, shard, pool, watch or (Bar() if show_progress else Watch())
    )
    folder = JobFolder.open(out)
    check_files(folder)
    if server is None and folder.job.making.server is not None and not _has_work(folder):
        return _run(folder, folder.job.making, how)
    return _run(folder, made_again(folder, checkpoint, server, trust_remote_code), how)


def verify(
    out: str | Path,
    rows: int,
    *,
    seed: int | None = None,
    checkpoint: str | None = None,
    server: str | None = None,
    trust_remote_code: bool = False,
    devices: Sequence[str] | None = None,
) -> Verified:
    """Encode some random rows of a job's input again, in a process of its own, and compare.

    Args:
        out: The job's folder.
        rows: How many.
        seed: Of the draw. None: others each time.
        checkpoint: As for :func:`resume`.
        server: Likewise.
        trust_remote_code: Likewise.
        devices: The first of these encodes.

    Raises:
        InputError: If nothing is there to be compared, or the input has changed.
        YoutuError: As the encoder has it.
    """
    folder = JobFolder.open(out)
    check_files(folder)
    making = makings(made_again(folder, checkpoint, server, trust_remote_code), 1, devices)[0]
    content = {
        "folder": str(folder.path),
        "making": asdict(making),
        "rows": check_count("rows", rows),
        "seed": secrets.randbits(32) if seed is None else seed,
    }
    with LocalPool(folder.path, [making]) as pool:
        return Verified(**pool.ask("verify", content))


def made_again(
    folder: JobFolder, checkpoint: str | None, server: str | None, trust_remote_code: bool
) -> Making:
    """How a job's encoder is made in this process.

    Raises:
        InputError: If an engine is to encode, and the caller has not said where it is.
    """
    making = folder.job.making
    if making.server is not None and server is None:
        # The texts go there, and a key from the environment: not because a file says so.
        raise InputError(
            f"{printable(str(folder.path))} was begun with a server, {printable(making.server)}: "
            "say where it is, --server URL"
        )
    if server is not None:
        making = replace(making, server=server)
    if checkpoint is not None:
        making = replace(making, checkpoint=checkpoint)
    return replace(making, trust_remote_code=trust_remote_code)


def _has_work(folder: JobFolder) -> bool:
    return bool(folder.open_shards() or folder.damaged())


@dataclass(frozen=True)
class _How:
    """How a process goes about it: nothing that a vector depends on."""

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
        found = makings(making, self.workers, self.devices) if self.pool is None else [making]
        return found[:most]

    def local(self, folder: Path, making: Making, most: int | None = None) -> LocalPool:
        return LocalPool(
            folder,
            self.makings(making, most),
            bad_rows=self.bad_rows,
            shard_timeout=self.shard_timeout,
            notice=self.notice,
        )

    def notice(self, line: str) -> None:
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


def _run(folder: JobFolder, making: Making, how: _How, local: LocalPool | None = None) -> Summary:
    """Have done what is left of a job."""
    state = status(folder)
    if state.damaged:
        _set_aside(folder, how.watch)
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


def _drive(folder: JobFolder, pool: Pool, left: Sequence[Shard], how: _How, stop: Stop) -> Driven:
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


def _set_aside(folder: JobFolder, watch: Watch) -> None:
    for number, wrong in folder.damaged().items():
        name = printable(str(folder.shard_path(number)))
        where = folder.set_aside(number)
        if where is not None:
            watch.say("damaged", f"{name}: {wrong}; kept as {printable(str(where))}, and encoded again")


def _end(folder: JobFolder, how: _How, driven: Driven | None, state: Status | None = None) -> Summary:
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
    if not rejected and not os.path.lexists(folder.path / "rejected.jsonl"):
        return
    done: set[int] | None = None
    while done != (now := folder.done()):
        done = now
        write_rejected(folder)


def _skipped(folder: JobFolder, one: Skipped) -> str:
    planned = folder.job.shards[one.shard]
    file = printable(folder.job.files[planned.file].name)
    return (
        f"shard {one.shard} (from row {planned.first} of {file}, {counted(planned.rows, 'row')}): "
        f"{counted(one.deaths, 'worker')} ended over it, the last {one.reason}"
    )
