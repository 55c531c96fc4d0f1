"""A reranker judged on what a first run has found: retrieval's predictions, ordered anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from youtu_st.disk import read_bounded
from youtu_st.errors import InputError, brief, in_one_line
from youtu_st.evaluation.benchmark.encoder import BenchmarkReranker
from youtu_st.evaluation.benchmark.judging import Judgement, model_meta
from youtu_st.evaluation.benchmark.limits import limit as cut_short
from youtu_st.evaluation.benchmark.local import LocalData
from youtu_st.evaluation.benchmark.record import Run, precision, revision_of, versions
from youtu_st.evaluation.benchmark.results import MODEL, PREDICTED, PREDICTIONS, RUN, are_predictions
from youtu_st.evaluation.benchmark.running import Notify, Outcome, folder_of, run

_MOST_BYTES = 1 << 26
Scores = Callable[[Sequence[str], Sequence[str], str | None], Any]


def predicted(first: Path) -> list[str]:
    """The tasks of a run whose predictions were kept.

    Args:
        first: The run's folder, the one with its scores.

    Raises:
        InputError: If it is none, or has no predictions.
    """
    begun_from(first)
    names = sorted(path.name.removesuffix(PREDICTED) for path in (first / PREDICTIONS).glob(f"*{PREDICTED}"))
    if not names:
        raise InputError(f"{first} has no predictions: none of its tasks is retrieval")
    return names


@dataclass(frozen=True, slots=True)
class Begun:
    """A first run, as its ``run.json`` has it.

    Attributes:
        revision: Its revision.
        model: Its model.
        settings: Off the profile: two runs of one revision may differ in them.
        limit: Queries of each split; None: all.
    """

    revision: str
    model: str
    settings: Mapping[str, Any]
    limit: int | None


def begun_from(first: Path) -> Begun:
    """What a first run says of itself.

    Args:
        first: The run's folder.

    Raises:
        InputError: If it is none, or its ``run.json`` is damaged.
    """
    path = first / RUN
    if not path.exists():
        raise InputError(f"{first} is no folder of a run: it has no {RUN}. It is the one with the scores")
    try:
        told = json.loads(read_bounded(path, _MOST_BYTES))
        settings = dict(told["settings"])
        begun = Begun(told["revision"], told["model"], settings, settings.get("limit"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(in_one_line(f"{path} is no record of a run: run it again", error)) from error
    is_limit = begun.limit is None or (type(begun.limit) is int and begun.limit > 0)
    if not (isinstance(begun.revision, str) and isinstance(begun.model, str) and is_limit):
        raise InputError(f"{path} is no record of a run: run it again")
    return begun


def subsets_of(first: Path, task: str) -> list[str]:
    """The subsets of a task that were predicted.

    Raises:
        InputError: If its predictions cannot be read.
    """
    path = first / PREDICTIONS / f"{task}{PREDICTED}"
    try:
        found = json.loads(read_bounded(path, _MOST_BYTES * 64))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: run {task} again ({error})") from error
    if not are_predictions(found):
        raise InputError(f"{path} holds no predictions: run {task} again")
    return [subset for subset in found if subset != MODEL]


def check_data(first: Path, tasks: Sequence[Any]) -> None:
    """Raise where a first run looked in other data: its ids would be those of other texts.

    Args:
        first: The run's folder.
        tasks: mteb's, with predictions there, and local data attached.

    Raises:
        InputError: Naming the first such task, or one without a result.
    """
    for task in tasks:
        name, here = task.metadata.name, str(task.metadata.dataset.get("revision"))
        path = first / f"{name}.json"
        try:
            there = json.loads(read_bounded(path, _MOST_BYTES * 4))["dataset_revision"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(in_one_line(f"{path} is no result: run {name} again", error)) from error
        if there != here:
            raise InputError(
                f"{first} has searched other data of {name}: {brief(there)}, not {brief(here)}; give its "
                f"data as --data {name}=PATH"
            )


def judge_reranker(
    score: Scores,
    tasks: Sequence[Any],
    *,
    first: Path,
    top: int,
    model: str,
    identity: Mapping[str, str],
    runtime: Mapping[str, str],
    instructions: Mapping[str, str | None],
    out: Path,
    local: Mapping[str, LocalData],
    notify: Notify = print,
    begin: Callable[[str], None] = lambda task: None,
    done: Callable[[Outcome], None] = lambda outcome: None,
) -> Judgement:
    """Run tasks of retrieval with a reranker, over the best results of a first run.

    Args:
        score: Scores of documents at the same positions as their queries, by the task's instruction.
        tasks: mteb's, with predictions in ``first``.
        first: A run's folder.
        top: How many results of each query are ordered.
        model: The name that results are filed under.
        identity: The reranker's.
        runtime: The reranker's.
        instructions: By task; None: the reranker's own.
        out: mteb's ``cache_path``.
        local: Data that lies here, by task.
        notify: Is told in one line what a user should know.
        begin: As for :func:`~youtu_st.evaluation.benchmark.running.run`.
        done: Likewise.

    Raises:
        InputError: If another run writes to the results, or ``first`` is none.
    """
    begun = begun_from(first)
    prompts = {name: {"both": told_to or ""} for name, told_to in sorted(instructions.items())}
    data = {
        task.metadata.name: str(task.metadata.dataset.get("revision"))
        if task.metadata.name not in local
        else local[task.metadata.name].digest
        for task in tasks
    }
    further = {"first": begun.revision, "first_settings": begun.settings, "top": top}
    further["precision"] = precision(runtime)
    revision = revision_of(identity, "published", prompts, data, **further)
    record = Run(
        model=model,
        fingerprint=revision,
        profile="published",
        benchmark=None,
        revision=revision,
        identity=dict(identity),
        runtime=dict(runtime),
        settings={**further, "first_model": begun.model},
        partial=begun.limit is not None,
        versions=versions(),
    )
    meta = model_meta(model, revision, 0, {"top": top, "limit": begun.limit} if record.partial else {})

    def prepare(task: Any) -> None:
        name = task.metadata.name
        if name in local:
            local[name].load(task)
        else:
            task.load_data()
        if begun.limit is not None:  # the queries that were searched for: others count 0 in the mean
            cut_short(task, begun.limit)
        task.convert_to_reranking(first / PREDICTIONS, top_k=top)

    for task in tasks:
        if task.metadata.name in local:
            local[task.metadata.name].attach(task)
    check_data(first, tasks)
    judged = BenchmarkReranker(score, instructions, meta)
    outcomes = run(
        judged, tasks, out, record, prepare=prepare, notify=notify, keep=False, begin=begin, done=done
    )
    return Judgement(folder_of(out, meta), revision, outcomes)
