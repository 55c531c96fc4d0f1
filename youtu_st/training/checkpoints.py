"""Where a run leaves its checkpoints, beside its result; which of them a run can go on from."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open

from youtu_st.disk import read_bounded, write_whole
from youtu_st.errors import InputError
from youtu_st.spec.registry import expanded, is_directory
from youtu_st.training.guards import Notify
from youtu_st.training.record import FILE as RECORD

SUFFIX = ".checkpoints"
"""Added to the name of the result: where its checkpoints and logs are, and all that is no model."""
LOG = "log.jsonl"
"""JSON lines of all that is logged, beside the checkpoints."""
TENSORBOARD = "tensorboard"
STATE = "trainer_state.json"
"""In a checkpoint: the host's account of the run so far. It is written last: with it, the rest is there."""
_LOCK = "lock"
_SUMMARY = "train_runtime"
"""In the log's line about a whole run, or what there was of it."""
_LEFT = {_LOCK, LOG, TENSORBOARD, RECORD, "eval"}
_MOST_BYTES = 1 << 28
"""Of :data:`STATE`, which holds a line for each that was logged."""


def checkpoints_of(out: Path) -> Path:
    """The directory of a result's checkpoints.

    Raises:
        InputError: If the result has no name of its own, as ``.`` has none.
    """
    if out.name in ("", ".."):
        raise InputError(f"{out} is no name of a directory that can be made: name one, as in my-model")
    return out.with_name(out.name + SUFFIX)


def check_out(out: Path, *, resume: bool) -> None:
    """Raise where no result can be written, or another run has left what it made.

    Raises:
        InputError: Saying what is there.
    """
    checkpoints = checkpoints_of(out)
    if out.is_symlink():
        raise InputError(f"{out} is a symbolic link: name the directory itself")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not an empty directory")
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out}: there is no directory {out.absolute().parent}")
    if resume and not any(checkpoints.glob("checkpoint-*")):
        raise InputError(f"there is no checkpoint to resume from in {checkpoints}: begin without --resume")
    if not resume and _is_begun(checkpoints):
        raise InputError(f"{checkpoints} has a run in it: go on with it by --resume, or choose another --out")


def _is_begun(checkpoints: Path) -> bool:
    """Whether there is more than what a run leaves that failed before its first checkpoint."""
    if not checkpoints.is_dir():
        return checkpoints.exists()
    return any(path.name not in _LEFT for path in checkpoints.iterdir())


def check_apart(out: Path, *models: str | None) -> None:
    """Raise where a result, or its checkpoints, and the model that is trained would lie in one another.

    Args:
        out: The result.
        models: What may be directories of the model.

    Raises:
        InputError: Naming both.
    """
    for model in models:
        if model is None or not is_directory(model):
            continue
        source = os.path.realpath(expanded(model))
        for written in map(os.path.realpath, (out, checkpoints_of(out))):
            shared = os.path.commonpath([source, written])
            if shared == source:
                raise InputError(f"{out} is inside of {model}, which is trained: choose another --out")
            if shared == written:
                raise InputError(
                    f"{model}, the model that is trained, is inside of {written}, where {out} goes: choose "
                    "another --out"
                )


@contextmanager
def claimed(out: Path, *, resume: bool) -> Iterator[None]:
    """Hold the checkpoints of a result: two runs in one place would mix theirs.

    Raises:
        InputError: If another process holds them, or as :func:`check_out`.
    """
    checkpoints = checkpoints_of(out)
    checkpoints.mkdir(parents=True, exist_ok=True)
    lock = FileLock(checkpoints / _LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise InputError(f"another process trains in {checkpoints} now: choose another --out") from error
    try:
        check_out(out, resume=resume)
        if not resume:
            (checkpoints / LOG).unlink(missing_ok=True)
        yield
    finally:
        lock.release()


def last_whole(checkpoints: Path, notify: Notify, *, sharded: bool = False) -> Path:
    """The last checkpoint that was written to its end: one of a process that was killed may be torn.

    Args:
        checkpoints: Where they are.
        notify: Is told of each that is passed over.
        sharded: Whether weights and optimizer are in parts, whose files have other names.

    Raises:
        InputError: If there is none.
    """
    found = {
        int(number): path
        for path in checkpoints.glob("checkpoint-*")
        if (number := path.name.partition("-")[2]).isascii() and number.isdigit()
    }
    for step in sorted(found, reverse=True):
        if fault := _fault(found[step], step, sharded):
            notify(f"{found[step]} is passed over: {fault}")
        else:
            return found[step]
    raise InputError(f"no checkpoint in {checkpoints} is whole: remove it, and begin anew")


def step_of(checkpoint: Path) -> int:
    """The step after which a checkpoint was written."""
    return int(checkpoint.name.partition("-")[2])


def remove_torn(checkpoints: Path, step: int) -> None:
    """Remove the checkpoint of a step if it was not written to its end: it takes room, and is of no use."""
    path = checkpoints / f"checkpoint-{step}"
    if path.is_dir() and _fault(path, step, sharded=False):
        shutil.rmtree(path, ignore_errors=True)


def cut_log(checkpoints: Path, step: int) -> None:
    """Take out of the log what a run that goes on after a step will write again, and what is torn."""
    path = checkpoints / LOG
    if not path.is_file():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if _is_before(line, step)]
    if kept != lines:
        write_whole(path, b"".join(kept))


def _is_before(line: bytes, step: int) -> bool:
    try:
        entry = json.loads(line)
        return line.endswith(b"\n") and entry["step"] <= step and _SUMMARY not in entry
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _fault(path: Path, step: int, sharded: bool) -> str:
    """What is wrong with a checkpoint; empty: nothing."""
    try:
        state = json.loads(read_bounded(path / STATE, _MOST_BYTES))
        if state["global_step"] != step:
            return f"its {STATE} is of another step"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return f"its {STATE} cannot be read"
    if sharded:
        return ""
    # Without one of these two, the host would go on with a new optimizer, and say nothing.
    for name in ("optimizer.pt", "scheduler.pt"):
        if not zipfile.is_zipfile(path / name):
            return f"its {name} is missing or torn"
    weights = list(path.rglob("*.safetensors"))
    for file in weights:
        try:
            with safe_open(file, framework="pt"):
                pass
        except (SafetensorError, OSError):
            return f"its {file.name} is torn"
    states = list(path.glob("rng_state*.pth"))
    whole = weights and states and all(map(zipfile.is_zipfile, states))
    return "" if whole else "files of it are missing or torn"
