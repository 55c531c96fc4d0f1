"""What was published of models: scores of tasks, and the figures of tables, with their sources."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from youtu_st.evaluation.report.benchmarks import Benchmark, benchmark_of
from youtu_st.evaluation.report.results import Result
from youtu_st.evaluation.report.scores import Summary
from youtu_st.spec.registry import Declared, configs_directory, validated, with_tuples

SCORES, TABLE = "scores.json", "cmteb.json"
Kind = TypeVar("Kind", bound=Declared)


class Apart(Declared):
    """A score of one split and subset."""

    task: str
    split: str
    subset: str
    score: float


class Model(Declared):
    """What is published of a model.

    Attributes:
        hub: Its hub id.
        revision: Of the results.
        benchmarks: By benchmark and task, the mean over splits and subsets.
        apart: Scores of single splits and subsets.
    """

    hub: str
    revision: str
    benchmarks: dict[str, dict[str, float]]
    apart: tuple[Apart, ...]


class Scores(Declared):
    """The file of scores.

    Attributes:
        source: Where they are from.
        local: By task, digests of data that is the hub's, as ``eval run --data`` writes them down.
        models: The models by the names of their specs.
    """

    source: str
    local: dict[str, tuple[str, ...]] = {}
    models: dict[str, Model]


class Row(Declared):
    """A row of a table: figures from 0 to 100, and the model with scores of its own, if there is one."""

    name: str
    model: str
    figures: tuple[float, ...]


class Table(Declared):
    """A table as it was printed.

    Attributes:
        source: Where.
        benchmark: Of what.
        splits: The splits with which it was made, where they are not those that mteb has today.
        columns: What its figures are.
        rows: One for each model.
    """

    source: str
    benchmark: str
    splits: dict[str, tuple[str, ...]]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def made_with(self, benchmark: Benchmark) -> bool:
        """Whether a benchmark counts the splits that the table does."""
        if benchmark.name != self.benchmark:
            return False
        usual = benchmark_of(self.benchmark).tasks
        wanted = {name: set(self.splits.get(name, task.splits)) for name, task in usual.items()}
        return {name: set(task.splits) for name, task in benchmark.tasks.items()} == wanted

    @property
    def options(self) -> str:
        """The command's options with which a report is of the table's splits."""
        return " ".join(f"--splits {task}={','.join(splits)}" for task, splits in self.splits.items())


@dataclass(frozen=True, slots=True)
class Check:
    """How many printed figures follow from the published scores of tasks, to the second decimal."""

    table: Table
    equal: int
    total: int


def models() -> Mapping[str, Model]:
    """The models of which scores were published, by name."""
    return _read(SCORES, Scores).models


def table() -> Table:
    """The table of CMTEB."""
    return _read(TABLE, Table)


def name_of(model: str) -> str:
    """The published model that goes by a name or a hub id, without regard to case; ``""`` if none does."""
    wanted = model.lower()
    found = (name for name, one in models().items() if wanted and wanted in (name, one.hub.lower()))
    return next(found, "")


def is_published_data(task: str, revision: str) -> bool:
    """Whether a result's data is what published scores are of: the hub's, by its commit or by its digest.

    Args:
        task: Of mteb.
        revision: The data's; 16 digits where it lay here.
    """
    lay_here = re.fullmatch(r"[0-9a-f]{16}", revision) is not None
    return not lay_here or revision in _read(SCORES, Scores).local.get(task, ())


def score_of(name: str, task: str, split: str, subset: str, *, alone: bool) -> float | None:
    """What was published of a split and subset of a task; None: nothing.

    Args:
        name: A published model, see :func:`name_of`.
        task: Of mteb.
        split: Of the task.
        subset: Of the task.
        alone: Whether the task has no other, so that its mean is this one's score.
    """
    if not name:
        return None
    for one in models()[name].apart:
        if (one.task, one.split, one.subset) == (task, split, subset):
            return one.score
    means = (tasks[task] for tasks in models()[name].benchmarks.values() if task in tasks)
    return next(means, None) if alone else None


def summary_of(name: str, benchmark: Benchmark) -> Summary | None:
    """A published model's scores of a benchmark, with the splits that the benchmark has; None without any."""
    model = models()[name]
    known = model.benchmarks.get(benchmark.name, {})
    usual = benchmark_of(benchmark.name).tasks if known else {}
    parts: dict[str, dict[tuple[str, str], float]] = defaultdict(dict)
    for one in model.apart:
        parts[one.task][one.split, one.subset] = one.score
    scores, problems = {}, {}
    for task in benchmark.tasks.values():
        same = task.name in usual and set(task.splits) == set(usual[task.name].splits)
        wanted = [(split, subset) for split in task.splits for subset in sorted(task.subsets or ())]
        if same and task.name in known:
            scores[task.name] = known[task.name]
        elif wanted and all(part in parts[task.name] for part in wanted):
            scores[task.name] = sum(parts[task.name][part] for part in wanted) / len(wanted)
        else:
            problems[task.name] = "not published" if same or not known else "not published by split"
    return Summary(benchmark, scores, problems) if scores else None


def parts_beside(name: str, result: Result) -> list[tuple[str, str, float, float]]:
    """Split, subset, found and published, where a model's scores were published apart."""
    return [
        (one.split, one.subset, result.scores[one.split][one.subset], one.score)
        for one in models()[name].apart
        if one.task == result.task and one.subset in result.scores.get(one.split, {})
    ]


def check(benchmark: Benchmark) -> Check | None:
    """Compare the table with what follows from the scores of tasks; None where it is of another benchmark."""
    printed = table()
    if benchmark.name != printed.benchmark:
        return None
    equal = total = 0
    for row in printed.rows:
        summary = summary_of(row.model, benchmark) if row.model else None
        if summary is None:
            continue
        total += len(row.figures)
        computed = [summary.figures.get(column) for column in printed.columns]
        equal += sum(
            value is not None and round(100 * value, 2) == figure
            for value, figure in zip(computed, row.figures, strict=True)
        )
    return Check(printed, equal, total)


def _read(name: str, kind: type[Kind]) -> Kind:
    declared: Kind = _cached(name, kind)
    return declared


@lru_cache(maxsize=4)
def _cached(name: str, kind: type[Kind]) -> Kind:
    path = configs_directory() / "evaluation" / "published" / name
    return validated(kind, with_tuples(json.loads(path.read_bytes())), path)
