"""Folders of results: which runs are in them, each of one model, revision and setting."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from youtu_st.errors import InputError, brief
from youtu_st.evaluation.report.about import RUN_FILE, About, read_about
from youtu_st.evaluation.report.files import read_object
from youtu_st.evaluation.report.results import Result, read_result

META_FILE = "model_meta.json"
EXPERIMENTS = "experiments"
_LEVELS = 4
"""Folders below the one that is named: a cache of mteb has ``results/MODEL/REVISION``."""


@dataclass(frozen=True, slots=True)
class Run:
    """The results of one folder.

    Attributes:
        name: What it is called in a report; no two runs of a report have the same.
        model: The model's name or hub id; ``""`` where nothing says so.
        revision: mteb's, ``""`` where nothing says so.
        folder: Where it is.
        results: By task.
        about: What its ``run.json`` says.
        experiments: Folders of experiments beside it, which are runs of their own.
        others: Names of JSON files in the folder that are no results.
    """

    name: str
    model: str
    revision: str
    folder: Path
    results: Mapping[str, Result]
    about: About
    experiments: tuple[Path, ...] = ()
    others: tuple[str, ...] = ()


def find_runs(named: Sequence[str]) -> list[Run]:
    """The runs in some folders, in their order.

    Args:
        named: ``DIR`` or ``NAME=DIR``: a folder of result files, or a tree of them as mteb keeps it.

    Raises:
        InputError: Naming the folder: if there are no results, two revisions of one model, results of a part
            of the data, or a damaged file.
    """
    runs: list[Run] = []
    for one in named:
        label, path = _labelled(one)
        found = list(_below(path, _LEVELS)) if path.is_dir() else []
        if not found:
            what = "there are no results in it" if path.is_dir() else "there is no such folder"
            raise InputError(f"{path}: {what}: name a folder of TASK.json files, as mteb writes them")
        _check_revisions(path, found)
        if label and len(found) > 1:
            raise InputError(f"{brief(label)} must name one run, and {path} holds {len(found)}")
        runs += [replace(run, name=label) for run in found] if label else found
    for run in runs:
        if run.about.partial:
            raise InputError(
                f"{run.folder}: results of a part of the data ({run.about.partial}) enter no average: run it "
                "without --limit, or leave the folder out"
            )
    return _with_names_of_their_own(runs)


def _labelled(one: str) -> tuple[str, Path]:
    label, sign, path = one.partition("=")
    if sign and label and path and not os.path.exists(os.path.expanduser(one)):
        return label, Path(os.path.expanduser(path))
    return "", Path(os.path.expanduser(one))


def _below(folder: Path, levels: int) -> Iterator[Run]:
    """Each folder that has results of its own; nothing is looked for below such a one."""
    run = _read(folder)
    if run is not None:
        yield run
    elif levels:
        for child in sorted(folder.iterdir()):
            if child.is_dir() and child.name != EXPERIMENTS and not child.name.startswith("."):
                yield from _below(child, levels - 1)


def _read(folder: Path) -> Run | None:
    results: dict[str, Result] = {}
    others: list[str] = []
    for path in sorted(folder.glob("*.json")):
        if path.name == META_FILE or path.name.startswith("."):
            continue
        result = read_result(path)
        if result is None:
            others.append(path.name)
            continue
        if before := results.get(result.task):
            raise InputError(
                f"{folder}: {before.path.name} and {path.name} are both results of {brief(result.task)}: "
                "move one of them away"
            )
        results[result.task] = result
    about = read_about(folder)
    if not results and not about.tasks:  # a run that has just begun is none yet
        return None
    model, revision = _of_mteb(folder)
    if revision and about.revision and revision != about.revision:
        raise InputError(
            f"{folder}: two revisions in one folder: {META_FILE} says {brief(revision)}, {RUN_FILE} "
            f"{brief(about.revision)}: keep each in a folder of its own"
        )
    model = model or about.model
    name = model or folder.resolve().name
    if model and folder.parent.name == EXPERIMENTS:
        name = f"{name} ({folder.name})"
    beside = tuple(sorted(path for path in (folder / EXPERIMENTS).glob("*") if path.is_dir()))
    return Run(name, model, revision or about.revision, folder, results, about, beside, tuple(others))


def _of_mteb(folder: Path) -> tuple[str, str]:
    """Name and revision of the model, as mteb wrote them."""
    path = folder / META_FILE
    if not path.exists():
        return "", ""
    meta = read_object(path, "move it away: the results are read without it")
    name, revision = meta.get("name"), meta.get("revision")
    return name if isinstance(name, str) else "", revision if isinstance(revision, str) else ""


def _check_revisions(path: Path, runs: Sequence[Run]) -> None:
    """Raise where one folder stands for a model, and holds two of its revisions."""
    by_model: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        for name in {run.model, run.about.model} - {""}:  # a hub id, and what the user called it
            by_model[name].append(run)
    for model, several in by_model.items():
        if len(several) > 1:
            revisions = ", ".join(str(run.folder) for run in several)
            raise InputError(
                f"{path}: {len(several)} revisions of {model}, whose results make no average together: name "
                f"one of {revisions}, or each"
            )


def _with_names_of_their_own(runs: Sequence[Run]) -> list[Run]:
    names: list[str] = [run.name for run in runs]
    for add in (lambda run: run.revision[:8], lambda run: str(run.folder)):
        twice = {name for name in names if names.count(name) > 1}
        names = [
            f"{name} ({more})" if name in twice and (more := add(run)) else name
            for name, run in zip(names, runs, strict=True)
        ]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InputError(f"two runs are called {brief(min(twice))}: name each folder once, or NAME=DIR")
    return [replace(run, name=name) for run, name in zip(runs, names, strict=True)]
