"""What lies in a file or a folder, as the splits and subsets of a task: read strictly, by the task's type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from youtu_st.errors import InputError, brief
from youtu_st.evaluation.data import beir, squad
from youtu_st.evaluation.data.classes import ClassData, read_classes
from youtu_st.evaluation.data.pairs import PairData, read_pairs
from youtu_st.evaluation.data.record import listed
from youtu_st.evaluation.data.retrieval import RetrievalData

Part = RetrievalData | PairData | ClassData
RETRIEVAL = ("Retrieval", "InstructionRetrieval")
_TABLES = (".tsv", ".csv", ".jsonl", ".parquet")


def read_parts(path: Path, metadata: Any, *, allow_missing: bool) -> dict[str, dict[str, Part]]:
    """The data of a task, by subset and split.

    Args:
        path: A file or a folder.
        metadata: mteb's, of the task.
        allow_missing: Count judged documents that are not there as not found.

    Raises:
        InputError: If it is none of what a task of this type reads, or malformed: file and line.
    """
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"{path} must be a file or a folder, and is a pipe or a device")
    if metadata.type in RETRIEVAL:
        return _retrieval(path, metadata, allow_missing)
    if metadata.type == "STS":
        pairs: dict[str, Part] = {split: read_pairs(file) for split, file in _tables(path, metadata).items()}
        return {_subset(path, metadata): pairs}
    if metadata.type == "Classification":
        files = _tables(path, metadata, also=("train",))
        if "train" not in files:
            raise InputError(f"{path}: a task of type Classification needs a file train{_TABLES[1]} too")
        classes: dict[str, Part] = {split: read_classes(file) for split, file in files.items()}
        return {_subset(path, metadata): classes}
    raise InputError(
        f"{path}: data of {metadata.name}, of type {metadata.type}, is given as a folder of Parquet files "
        "with the README that names them, as the hub has it"
    )


def _retrieval(path: Path, metadata: Any, allow_missing: bool) -> dict[str, dict[str, Part]]:
    if path.is_dir() and beir.suits(path):
        splits = metadata.eval_splits
        there = [split for split in splits if (path / beir.QRELS / f"{split}.tsv").is_file()]
        judged = {
            split: beir.read_beir(beir.Files.in_folder(path, split), allow_missing=allow_missing)
            for split in there or splits[:1]  # none is there: the message says which are
        }
        _check_asked(path, judged)
        parts: dict[str, Part] = {**judged}
        return {_subset(path, metadata): parts}
    files = [path] if squad.suits(path) else sorted(path.glob("*.json")) if path.is_dir() else []
    if not files:
        raise InputError(
            f"{path}: must be a folder with {beir.CORPUS}, {beir.QUERIES} and {beir.QRELS}/, SQuAD's JSON, "
            "or a folder of Parquet files as the hub has it"
        )
    split, subsets = metadata.eval_splits[0], metadata.hf_subsets
    if list(subsets) == ["default"]:
        if len(files) > 1:
            raise InputError(
                f"{path}: has {len(files)} JSON files, and the task one subset: name one of them"
            )
        return {"default": {split: squad.read_squad(files[0])}}
    found = _by_name(path, files, subsets)
    if not found:
        raise InputError(f"{path}: no file is named after a subset of the task ({listed(subsets)})")
    return {subset: {split: squad.read_squad(found[subset])} for subset in subsets if subset in found}


def _tables(path: Path, metadata: Any, also: tuple[str, ...] = ()) -> dict[str, Path]:
    """The file of each split: the one that was named, or those of a folder that have the splits' names."""
    wanted = [*metadata.eval_splits, *also]
    if path.is_file():
        return {wanted[0]: path}
    files = [file for file in sorted(path.iterdir()) if file.suffix.lower() in _TABLES]
    found = _by_name(path, files, wanted)
    if missing := [split for split in metadata.eval_splits if split not in found]:
        raise InputError(
            f"{path}: there is no table ({listed(_TABLES)}) of the split {missing[0]!r}; there are: "
            f"{listed([file.name for file in files]) or 'none'}"
        )
    return found


def _check_asked(path: Path, parts: Mapping[str, RetrievalData]) -> None:
    """Raise for judged queries without a text, which mteb would leave out of the mean.

    Raises:
        InputError: Naming the first of them.
    """
    for split, part in parts.items():
        unknown = [query for query in part.qrels if query not in part.queries]
        if unknown:
            raise InputError(
                f"{path}: {len(unknown):,} judged queries of {split} have no text, such as "
                f"{brief(unknown[0])}: mteb would leave them out of the mean; take them out of the judgements"
            )


def _subset(path: Path, metadata: Any) -> str:
    """The subset that data without subsets is of.

    Raises:
        InputError: If the task has several.
    """
    subsets = list(metadata.hf_subsets)
    if len(subsets) > 1:
        raise InputError(
            f"{path}: {metadata.name} has {len(subsets)} subsets ({listed(subsets)}), and this is data of "
            "one: give a folder of Parquet files with the README that names them, as the hub has it"
        )
    return str(subsets[0])


def _by_name(path: Path, files: Iterable[Path], names: Iterable[str]) -> dict[str, Path]:
    """The file of each split or subset: the one that is called so, else the one with that word in its name.

    Raises:
        InputError: If there are two.
    """
    found: dict[str, Path] = {}
    for name in names:
        named = [file for file in files if file.stem == name]
        named = named or [file for file in files if name in re.split(r"[._-]", file.stem)]
        if len(named) > 1:
            raise InputError(
                f"{path}: {listed([file.name for file in named])} are all named after {name!r}: keep one of "
                "them there"
            )
        if named:
            found[name] = named[0]
    return found
