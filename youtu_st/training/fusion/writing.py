"""The result's files: weights a block at a time, all else as it was, in a directory that is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from youtu_st.disk import beside, take_place
from youtu_st.errors import InputError
from youtu_st.training.fusion.alignment import Part, Weight
from youtu_st.training.fusion.methods import Method
from youtu_st.training.fusion.sources import Source
from youtu_st.training.fusion.tensors import INDEX, StoredTensor, header_of
from youtu_st.training.storing import storing


def check_out(out: str | Path) -> Path:
    """Where the result goes: what a link leads to, if it is one.

    Raises:
        InputError: If something is there, or the directory that is to hold it is not.
    """
    target = Path(os.path.realpath(out))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{out} is not an empty directory: name one that is not there yet")
    if not target.parent.is_dir():
        raise InputError(f"{out}: there is no directory {target.parent}")
    return target


def check_apart(target: Path, sources: Sequence[Source]) -> None:
    """Raise if the result would lie in the directory of something that it is made of.

    Raises:
        InputError: Naming both.
    """
    for source in sources:
        if Path(os.path.realpath(source.directory)) in (target, *target.parents):
            raise InputError(f"{target} is inside of {source.name}, of which it is made: name another")


@contextmanager
def whole_directory(target: Path) -> Iterator[Path]:
    """Write a directory so that nobody meets a part of it: a hidden one that takes its name at last.

    After an error, or Ctrl-C, nothing is left.

    Raises:
        TrainingError: If the disk takes no more.
        OSError: If somebody has put something there meanwhile, or it cannot be written for another reason.
    """
    written = beside(target)
    try:
        written.mkdir()
        with storing("the model", target, "make room, or name a directory on another disk"):
            yield written
        for path in written.rglob("*"):
            if path.is_file():
                with path.open("rb+") as file:
                    os.fsync(file.fileno())
        take_place(written, target)
    finally:
        shutil.rmtree(written, ignore_errors=True)


def copy_settings(source: Source, out: Path) -> None:
    """All that a checkpoint needs but its weights. Its card is left: it tells of its own training."""
    indexes = [Path(folder) / INDEX for folder, files in source.weights.items() if len(files) > 1]
    for file in [*source.settings_files(), *indexes]:
        (out / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.directory / file, out / file)


def write_part(
    path: Path, part: Part, method: Method, weights: Sequence[float], done: Callable[[], object]
) -> None:
    """One file of weights.

    Args:
        path: The file to write.
        part: What it holds.
        method: How tensors become one.
        weights: Of the checkpoints.
        done: Called after each tensor.

    Raises:
        InputError: If a value is not finite, before or after, naming the tensor.
    """
    header, names = header_of(part.like)
    with path.open("xb") as file:
        file.write(header)
        for name in names:
            weight = part.weights[name]
            for rows in weight.stored.blocks():
                block = _fused(weight, rows, method, weights)
                file.write(block.contiguous().reshape(-1).view(torch.uint8).numpy().data)
            done()


def _fused(weight: Weight, rows: slice | None, method: Method, weights: Sequence[float]) -> Tensor:
    if weight.base is None:
        return weight.stored.read(rows)
    double = weight.stored.dtype == "F64"
    dtype = torch.float64 if double else torch.float32
    base, *checkpoints = (_finite(one, rows, dtype) for one in (weight.base, *weight.checkpoints))
    fused = method(base, checkpoints, weights).to(weight.stored.read(rows).dtype)
    if not fused.isfinite().all():
        raise InputError(f"{weight.stored.name} has values too large for its dtype: take smaller weights")
    return fused


def _finite(stored: StoredTensor, rows: slice | None, dtype: torch.dtype) -> Tensor:
    block = stored.read(rows).to(dtype)
    if not block.isfinite().all():
        raise InputError(f"{stored.name} in {stored.path} has values that are not finite: is it damaged?")
    return block
