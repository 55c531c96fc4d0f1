"""A reranker judged on what a first run has found: retrieval's predictions, ordered anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from youtu_st.disk import read_bounded
from youtu_st.errors import InputError
from youtu_st.evaluation.benchmark.encoder import BenchmarkReranker
from youtu_st.evaluation.benchmark.judging import Judgement, model_meta
from youtu_st.evaluation.benchmark.local import LocalData
from youtu_st.evaluation.benchmark.record import Run, revision_of, versions
from youtu_st.evaluation.benchmark.results import PREDICTED, PREDICTIONS, RUN
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
    if not (first / RUN).is_file():
        raise InputError(f"{first} is no folder of a run: it has no {RUN}. It is the one with the scores")
    names = sorted(path.name.removesuffix(PREDICTED) for path in (first / PREDICTIONS).glob(f"*{PREDICTED}"))
    if not names:
        raise InputError(f"{first} has no predictions: none of its tasks is retrieval")
    return names


def subsets_of(first: Path, task: str) -> list[str]:
    """The subsets of a task that were predicted.

    Raises:
        InputError: If its predictions cannot be read.
    """
    path = first / PREDICTIONS / f"{task}{PREDICTED}"
    try:
        found = json.loads(read_bounded(path, _MOST_BYTES * 64))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: run {task} again ({error})") from error
    return [subset for subset in found if subset != "mteb_model_meta"]


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
    begun = json.loads(read_bounded(first / RUN, _MOST_BYTES))
    prompts = {name: {"both": told_to or ""} for name, told_to in sorted(instructions.items())}
    data = {
        task.metadata.name: str(task.metadata.dataset.get("revision"))
        if task.metadata.name not in local
        else local[task.metadata.name].digest
        for task in tasks
    }
    revision = revision_of(identity, "published", prompts, data, first=begun["revision"], top=top)
    record = Run(
        model=model,
        fingerprint=revision,
        profile="published",
        benchmark=None,
        revision=revision,
        identity=dict(identity),
        runtime=dict(runtime),
        settings={"first": begun["revision"], "first_model": begun["model"], "top": top},
        partial=bool(begun.get("partial")),
        versions=versions(),
    )
    settings = {"top": top, "limit": begun["settings"]["limit"]} if record.partial else {"top": top}
    meta = model_meta(model, revision, 0, settings if record.partial else {})

    def prepare(task: Any) -> None:
        name = task.metadata.name
        if name in local:
            local[name].load(task)
        else:
            task.load_data()
        task.convert_to_reranking(first / PREDICTIONS, top_k=top)

    for task in tasks:
        if task.metadata.name in local:
            local[task.metadata.name].attach(task)
    judged = BenchmarkReranker(score, instructions, meta)
    outcomes = run(
        judged, tasks, out, record, prepare=prepare, notify=notify, keep=False, begin=begin, done=done
    )
    return Judgement(folder_of(out, meta), revision, outcomes)
