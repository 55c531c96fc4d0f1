"""From a corpus to a folder of vectors, and on where a folder was left."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from youtu_st.errors import InputError, printable
from youtu_st.inputs import check_count
from youtu_st.scale.job.folder import JobFolder, has_job
from youtu_st.scale.job.verifying import Verified
from youtu_st.scale.pools.local import LocalPool
from youtu_st.scale.running.asking import check_files, check_input, check_place, is_settled
from youtu_st.scale.running.devices import makings
from youtu_st.scale.running.doing import How, MakePool, run
from youtu_st.scale.running.telling import Summary
from youtu_st.scale.running.watching import Bar, Watch
from youtu_st.scale.settings import BadRows, Columns, Cutting, Making, Task


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
    how = How(
        workers, devices, shard_timeout, bad_rows, shard, pool, watch or (Bar() if show_progress else Watch())
    )
    folder, named = Path(out), [str(path) for path in paths]
    check_input(named, columns, folder)
    there = JobFolder.open(folder) if has_job(folder) else None
    if there is None:
        check_place(folder)
    elif is_settled(there, named, making, task, columns, cutting, extend=extend):
        return run(there, making, how)
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
            return run(JobFolder.open(folder), making, how, local)
    return run(JobFolder.open(folder), making, how)


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
    how = How(
        workers, devices, shard_timeout, bad_rows, shard, pool, watch or (Bar() if show_progress else Watch())
    )
    folder = JobFolder.open(out)
    check_files(folder)
    if server is None and folder.job.making.server is not None and not _has_work(folder):
        return run(folder, folder.job.making, how)
    return run(folder, made_again(folder, checkpoint, server, trust_remote_code), how)


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
