"""Where a run leaves its checkpoints, beside its result; which of them a run can go on from."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open

from youtu_st.disk import read_bounded
from youtu_st.errors import InputError
from youtu_st.training.guards import Notify
from youtu_st.training.record import FILE as RECORD

SUFFIX = ".checkpoints"
"""Added to the name of the result: where its checkpoints and logs are, and all that is no model."""
LOG = "log.jsonl"
"""JSON lines of all that is logged, beside the checkpoints."""
TENSORBOARD = "tensorboard"
_LOCK = "lock"
_LEFT = {_LOCK, LOG, TENSORBOARD, RECORD, "eval"}
_MOST_BYTES = 1 << 28
"""Of ``trainer_state.json``, which holds a line for each that was logged."""


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


def _fault(path: Path, step: int, sharded: bool) -> str:
    """What is wrong with a checkpoint; empty: nothing."""
    # It is written last: where it is whole, the rest has been written.
    name = "trainer_state.json"
    try:
        state = json.loads(read_bounded(path / name, _MOST_BYTES))
        if state["global_step"] != step:
            return f"its {name} is of another step"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return f"its {name} cannot be read"
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
