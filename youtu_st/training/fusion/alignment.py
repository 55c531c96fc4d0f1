"""Which tensors of a base and of several checkpoints are the same weight, under whatever names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from youtu_st.errors import InputError, counted
from youtu_st.loading.weights import Stored, modern
from youtu_st.training.fusion.sources import Source
from youtu_st.training.fusion.tensors import StoredTensor, stored_in

_WHY = "fusion takes checkpoints that were tuned from one base"


@dataclass(frozen=True, slots=True)
class Weight:
    """One tensor, on all sides.

    Attributes:
        stored: Of the checkpoint whose files the result has.
        base: Of the base; None where the tensor is copied as it is.
        checkpoints: Of each checkpoint, in order; none where the tensor is copied as it is.
    """

    stored: StoredTensor
    base: StoredTensor | None
    checkpoints: tuple[StoredTensor, ...]


@dataclass(frozen=True)
class Part:
    """One file of weights of the result.

    Attributes:
        path: Relative to the directory.
        like: The file whose names, dtypes, shapes and order it has.
        weights: Its tensors, by name.
    """

    path: Path
    like: Path
    weights: dict[str, Weight]


def align(pattern: Source, base: Source, checkpoints: Sequence[Source]) -> list[Part]:
    """The files of weights of ``pattern``, and what each tensor in them is made of.

    Args:
        pattern: The checkpoint whose files the result has.
        base: Where all checkpoints began.
        checkpoints: All of them, ``pattern`` among them.

    Raises:
        InputError: Naming both sides, if one lacks a tensor, or has it in another shape or dtype.
    """
    parts = []
    for folder, files in pattern.weights.items():
        wanted = stored_in(files)
        each = [_likes(pattern, source, folder, wanted, whole=True) for source in checkpoints]
        bases = _likes(pattern, base, folder, wanted)
        for file in files:
            weights = {
                name: _weight(stored, bases[name], [likes[name] for likes in each])
                for name, stored in wanted.items()
                if stored.path == file
            }
            parts.append(Part(file.relative_to(pattern.directory), file, weights))
    _check_folders(pattern, checkpoints)
    return parts


def _weight(stored: StoredTensor, base: StoredTensor | None, each: Sequence[StoredTensor | None]) -> Weight:
    known = [one for one in each if one is not None]
    if not stored.is_float or base is None or len(known) < len(each):
        return Weight(stored, None, ())
    return Weight(stored, base, tuple(known))


def _likes(
    pattern: Source, source: Source, folder: str, wanted: dict[str, StoredTensor], *, whole: bool = False
) -> dict[str, StoredTensor | None]:
    """What a source has for each tensor of a folder, in the same shape; None for what it may lack.

    Args:
        pattern: Whose folder it is.
        source: Its names may have another prefix before all of them.
        folder: Its path inside the directory.
        wanted: The tensors.
        whole: The source must have these in the same dtype.
    """
    files = _files(pattern, source, folder)
    names, have = Stored(files, map(modern, wanted)), stored_in(files)
    found = {name: names.like(modern(name)) for name in wanted}
    absent = [name for name, like in found.items() if like is None and not _may_lack(wanted[name])]
    taken = [like for like in found.values() if like is not None]
    if absent or len({*taken}) < len(taken):
        first = f" (the first: {absent[0]})" if absent else ""
        raise InputError(
            f"{len(absent)} of the {len(wanted)} tensors of {pattern.name} are not in {source.name}{first}: "
            f"{_WHY}"
        )
    more = [stored for name, stored in have.items() if name not in {*taken} and not _may_lack(stored)]
    if more and source.is_saved:
        raise InputError(
            f"{source.name} has {counted(len(more), 'tensor')} not in {pattern.name} (the first: "
            f"{more[0].name}): {_WHY}"
        )
    likes = {name: None if like is None else have[like] for name, like in found.items()}
    for name, like in likes.items():
        if like is not None:
            _check_like(pattern, wanted[name], source, like, whole=whole)
    return likes


def _files(pattern: Source, source: Source, folder: str) -> list[Path]:
    """A source's files for a folder; older releases keep a network that is the only one in another folder."""
    if len(pattern.weights) == len(source.weights) == 1:
        (files,) = source.weights.values()
        return files
    return source.weights.get(folder, [])


def _check_folders(pattern: Source, checkpoints: Sequence[Source]) -> None:
    for source in checkpoints:
        more = [folder for folder in source.weights if folder not in pattern.weights]
        if more and len(source.weights) > 1:
            raise InputError(f"{source.name} has weights in {more[0]}, and {pattern.name} has none: {_WHY}")


def _may_lack(stored: StoredTensor) -> bool:
    """Whether a checkpoint without it is whole: positions are counted, and no pooling here reads a pooler."""
    return not stored.is_float or "pooler" in stored.name.split(".")


def _check_like(
    pattern: Source, stored: StoredTensor, source: Source, like: StoredTensor, *, whole: bool
) -> None:
    if like.shape != stored.shape:
        raise InputError(
            f"{stored.name} has shape {stored.shape} in {pattern.name} and {like.shape} in {source.name}: "
            f"{_WHY}"
        )
    # The base is often published in half precision, and was trained on in full.
    if like.dtype != stored.dtype and (whole or not (like.is_float and stored.is_float)):
        raise InputError(
            f"{stored.name} has dtype {stored.dtype} in {pattern.name} and {like.dtype} in {source.name}: "
            "save both in one"
        )
    if not stored.is_float and not all(_equal_blocks(stored, like)):
        raise InputError(
            f"{stored.name}, which holds no weights, has other values in {pattern.name} than in "
            f"{source.name}: {_WHY}"
        )


def _equal_blocks(left: StoredTensor, right: StoredTensor) -> Iterator[bool]:
    for rows in left.blocks():
        yield torch.equal(left.read(rows), right.read(rows))
