"""Tasks run one after the other: what is done stays done, and a task that fails does not stop the others."""

from __future__ import annotations

import json
import logging
import math
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from youtu_st.disk import write_whole
from youtu_st.errors import NonFiniteError, in_one_line
from youtu_st.evaluation.benchmark.encoder import Counts
from youtu_st.evaluation.benchmark.record import Run, tasks_before
from youtu_st.evaluation.benchmark.results import PREDICTIONS, claimed, keep_best, set_damaged_aside

Notify = Callable[[str], None]


class Judged(Protocol):
    """A model of :mod:`youtu_st.evaluation.benchmark.encoder`: one that counts what it is asked for."""

    counts: Counts

    @property
    def mteb_model_meta(self) -> Any:
        """What mteb files the results under."""

    def prompts_told(self, task: str) -> dict[str, dict[str, str]]:
        """By side, what stands before the texts of a task, and where it is from."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended.

    Attributes:
        task: Its name.
        score: Its main score, the mean over the splits and subsets that ran; None: it failed.
        measure: What the main score is.
        subsets: By split and subset, the main score.
        seconds: That it took this time; 0 where its result was there.
        counts: What its texts were; None where its result was there.
        error: In one line, why it failed.
    """

    task: str
    score: float | None
    measure: str
    subsets: Mapping[str, Mapping[str, float]]
    seconds: float
    counts: Counts | None = None
    error: str | None = None


def folder_of(out: Path, meta: Any) -> Path:
    """Where mteb files the results of a model: name, revision and experiment."""
    from mteb.cache import ResultCache

    return ResultCache(out).get_task_result_path("task", meta).parent


def run(
    model: Judged,
    tasks: Sequence[Any],
    out: Path,
    record: Run,
    *,
    prepare: Callable[[Any], None] = lambda task: None,
    keep: bool = True,
    notify: Notify = print,
    done: Callable[[Outcome], None] = lambda outcome: None,
    begin: Callable[[str], None] = lambda task: None,
) -> list[Outcome]:
    """Run tasks through mteb's evaluators, and keep what they give.

    Args:
        model: An encoder or a reranker.
        tasks: mteb's.
        out: The folder of results, mteb's ``cache_path``.
        record: Is written beside the scores after each task.
        prepare: Is handed each task before it runs: loads its data, cuts it short.
        keep: Keep what is found in retrieval, for a reranker to begin from.
        notify: Is told what was damaged, and what mteb warns of.
        done: Is handed each outcome.
        begin: Is told which task begins.

    Returns:
        An outcome for each task, in their order.

    Raises:
        InputError: If another run writes to the same folder.
        OSError: If the folder cannot be written.
    """
    from mteb.cache import ResultCache

    cache, folder = ResultCache(out), folder_of(out, model.mteb_model_meta)
    outcomes: list[Outcome] = []
    with claimed(folder), _quiet(notify):
        set_damaged_aside(folder, notify)
        record.tasks = {**tasks_before(folder), **record.tasks}
        record.write(folder)
        for task in tasks:
            begin(task.metadata.name)
            outcome = _outcome(model, task, cache, folder if keep else None, record, prepare)
            record.write(folder)
            outcomes.append(outcome)
            done(outcome)
    return outcomes


def _outcome(
    model: Judged, task: Any, cache: Any, folder: Path | None, record: Run, prepare: Callable[[Any], None]
) -> Outcome:
    name = task.metadata.name
    model.counts = counts = Counts()
    start = time.monotonic()
    try:
        there = _is_there(cache, task, model.mteb_model_meta)
        if not there:
            prepare(task)
        result = _evaluate(model, task, cache, folder)
        _check_scores(result)
    except Exception as error:  # a task's data may hold anything, and the host raise whatever it likes
        told = in_one_line(name, error)
        before = record.tasks.get(name, {})
        record.tasks[name] = {**before, "error": told, "traceback": traceback.format_exc()}
        seconds = time.monotonic() - start
        return Outcome(name, None, task.metadata.main_score, {}, seconds, counts, told)
    finally:
        if task.data_loaded:
            task.unload_data()
    seconds = 0.0 if there else time.monotonic() - start
    if not there:
        entry = {**asdict(counts), "seconds": round(seconds, 3)}
        record.tasks[name] = _added(record.tasks.get(name), entry)
    elif "prompts" not in record.tasks.get(name, {}) or "error" in record.tasks[name]:
        # A run that was killed had filed the result, and not yet what stood before its texts.
        record.tasks[name] = {"prompts": model.prompts_told(name)}
    subsets = {
        split: {each["hf_subset"]: float(each["main_score"]) for each in scores}
        for split, scores in result.scores.items()
    }
    score = float(result.get_score())
    return Outcome(name, score, task.metadata.main_score, subsets, seconds, None if there else counts)


def _check_scores(result: Any) -> None:
    """Raise where there is no score, or one that is no number: ratings that are all the same have none.

    Raises:
        NonFiniteError: Naming the split and subset.
    """
    every = [(split, each) for split, scores in result.scores.items() for each in scores]
    if not every:
        raise NonFiniteError("there is no score: none of its splits and subsets was run")
    for split, each in every:
        if each["main_score"] is None or not math.isfinite(each["main_score"]):
            raise NonFiniteError(f"there is no finite score of {split}, {each['hf_subset']}")


def _added(before: Mapping[str, Any] | None, now: dict[str, Any]) -> dict[str, Any]:
    """What this run did for a task, and what a killed one had done of it, as one."""
    if before is None or "error" in before:
        return now
    return {**before, **now, "seconds": round(before.get("seconds", 0.0) + now["seconds"], 3)}


def _is_there(cache: Any, task: Any, meta: Any) -> bool:
    """Whether a whole result is there, so that no data needs to be loaded."""
    result = cache.load_task_result(task.metadata.name, meta)
    return result is not None and result.is_mergeable(task) and not result.get_missing_evaluations(task)


def _evaluate(model: Judged, task: Any, cache: Any, folder: Path | None) -> Any:
    import mteb

    retrieves = task.metadata.type in {"Retrieval", "InstructionRetrieval"}
    predictions = folder / PREDICTIONS if folder is not None and retrieves else None
    judged: Any = model
    mteb.evaluate(
        judged,
        task,
        co2_tracker=False,
        cache=cache,
        encode_kwargs={"batch_size": 1024, "show_progress_bar": False},
        prediction_folder=predictions,
        show_progress_bar=False,
    )
    if predictions is not None:
        with suppress(FileNotFoundError):  # a result that was there leaves none
            keep_best(predictions / task.prediction_file_name)
    # As it is on the disk, rounded: a second run has the same digits.
    return cache.load_task_result(task.metadata.name, model.mteb_model_meta)


_SUPERSEDED = "is superseded by"
"""What mteb says of every task of a benchmark that has a newer version: who asks for it by name knows."""


@contextmanager
def _quiet(notify: Notify) -> Iterator[None]:
    """Bars and logs of mteb and datasets stay off the terminal; what they warn of is said once."""
    import datasets

    said: set[str] = set()

    class Once(logging.Handler):
        def emit(self, entry: logging.LogRecord) -> None:
            message = entry.getMessage()
            if message not in said and _SUPERSEDED not in message:
                said.add(message)
                notify(message)

    handler, loud = Once(logging.WARNING), datasets.is_progress_bar_enabled()
    loggers = [logging.getLogger(name) for name in ("mteb", "datasets")]
    before = [(logger, logger.propagate, logger.level) for logger in loggers]
    datasets.disable_progress_bars()
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", f".*{_SUPERSEDED}")
            yield
    finally:
        for logger, propagates, level in before:
            logger.removeHandler(handler)
            logger.propagate = propagates
            logger.setLevel(level)
        if loud:
            datasets.enable_progress_bars()


def write_json(path: Path, value: Any) -> None:
    """Write a value whole or not at all."""
    write_whole(path, (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode())
