"""Scores of tasks, over their splits and subsets, and means over tasks and types, as mteb computes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum, isfinite

from youtu_st.errors import InputError, brief
from youtu_st.evaluation.report.benchmarks import Benchmark, Task
from youtu_st.evaluation.report.results import Result
from youtu_st.evaluation.report.runs import Run

_FEW = 3


@dataclass(frozen=True, slots=True)
class Summary:
    """One model's scores of a benchmark, from 0 to 1.

    Attributes:
        benchmark: What it is of.
        scores: By task, of those that are whole.
        problems: By task, why it has no score.
    """

    benchmark: Benchmark
    scores: Mapping[str, float]
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every task has a score: only then does a mean go by the benchmark's name."""
        return bool(self.scores) and self.scores.keys() == self.benchmark.tasks.keys()

    @property
    def coverage(self) -> str:
        """``28 of 31 tasks``."""
        return f"{len(self.scores)} of {len(self.benchmark.tasks)} tasks"

    @property
    def mean_task(self) -> float | None:
        """The mean over tasks; None where one has no score."""
        return _mean(list(self.scores.values())) if self.complete else None

    @property
    def mean_type(self) -> float | None:
        """The mean over types of each type's mean; None where a task has no score."""
        return (
            _mean([value for value in self.by_type.values() if value is not None]) if self.complete else None
        )

    @property
    def by_type(self) -> dict[str, float | None]:
        """The mean of each type's tasks; None where one of them has no score."""
        tasks: dict[str, list[str]] = defaultdict(list)
        for task in self.benchmark.tasks.values():
            tasks[task.type].append(task.name)
        return {
            kind: _mean([self.scores[name] for name in tasks[kind]])
            if all(name in self.scores for name in tasks[kind])
            else None
            for kind in self.benchmark.types
        }

    @property
    def figures(self) -> dict[str, float | None]:
        """Both means and those of the types, as the leaderboard calls them."""
        return {"Mean (Task)": self.mean_task, "Mean (TaskType)": self.mean_type, **self.by_type}


def summary_of(run: Run, benchmark: Benchmark) -> Summary:
    """A run's scores of a benchmark, and what is missing, partial or failed.

    Raises:
        InputError: If a split was asked for that no file of its task has.
    """
    scores: dict[str, float] = {}
    problems: dict[str, str] = {}
    for name, task in benchmark.tasks.items():
        about = run.about.tasks.get(name)
        if about is not None and about.error:
            problems[name] = f"failed: {about.error}"
        elif name not in run.results:
            problems[name] = "missing"
        elif problem := _problem(run.results[name], task):
            problems[name] = problem
        else:
            scores[name] = task_score(run.results[name], task)
    return Summary(benchmark, scores, problems)


def task_score(result: Result, task: Task) -> float:
    """The mean main score over the splits and subsets that count, each as much as any other."""
    splits = task.splits or tuple(result.scores)
    return _mean(
        [
            score
            for split in splits
            for subset, score in result.scores[split].items()
            if task.subsets is None or subset in task.subsets
        ]
    )


def _problem(result: Result, task: Task) -> str:
    """Why a result is no score of that task; ``""`` if it is one."""
    splits = task.splits or tuple(result.scores)
    if absent := [split for split in splits if split not in result.scores]:
        return f"partial: no split {', '.join(absent)}"
    for split in splits:
        found = result.scores[split]
        wanted = found.keys() if task.subsets is None else task.subsets
        lacking = sorted(wanted - found.keys())
        if lacking or (task.count and task.subsets is None and len(found) != task.count):
            named = f", without {', '.join(lacking[:_FEW])}" if lacking else ""
            return f"partial: {len(found.keys() & wanted):,} of {task.count:,} subsets{named}"
        if odd := [subset for subset in wanted if not isfinite(found[subset])]:
            return f"failed: no finite score of {split}, {min(odd)}"
        if not wanted:
            return f"failed: no score of {split}"
    return "" if splits else "failed: no scores"


def levelled(benchmark: Benchmark, runs: Sequence[Run]) -> Benchmark:
    """Tasks of no benchmark: all counts that any of the runs has, so that what one lacks is partial there."""
    tasks = {}
    for name, task in benchmark.tasks.items():
        held = [run.results[name].scores for run in runs if name in run.results]
        splits = task.splits or tuple(sorted({split for scores in held for split in scores}))
        subsets = frozenset(s for scores in held for split in splits for s in scores.get(split, {}))
        tasks[name] = Task(name, task.type, splits, subsets or None, len(subsets))
    return Benchmark(benchmark.name, tasks)


def check_splits(splits: Mapping[str, tuple[str, ...]], runs: Sequence[Run]) -> None:
    """Raise for a split that was asked for, and that no run has.

    Raises:
        InputError: Naming it, and those that there are.
    """
    for task, wanted in splits.items():
        held = {split for run in runs if task in run.results for split in run.results[task].scores}
        for split in wanted:
            if held and split not in held:
                raise InputError(
                    f"--splits: {task} has no split {brief(split)} in these results, which have "
                    f"{', '.join(sorted(held))}"
                )


def _mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)
