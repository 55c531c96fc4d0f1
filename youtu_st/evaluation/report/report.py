"""A report: runs beside each other and beside what was published, put together; nothing of how it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from youtu_st.errors import InputError, brief
from youtu_st.evaluation.report import published
from youtu_st.evaluation.report.benchmarks import Benchmark, benchmark_of, guess, with_splits
from youtu_st.evaluation.report.comparison import Difference, difference
from youtu_st.evaluation.report.prompts import PromptsDiffer, differing
from youtu_st.evaluation.report.published import Check
from youtu_st.evaluation.report.runs import Run, find_runs
from youtu_st.evaluation.report.scores import Summary, check_splits, levelled, summary_of

_MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a report.

    Attributes:
        name: What it is called.
        summary: Its scores.
        run: The run whose results they are; None: they were published.
        model: The published model that it is, or ``""``.
    """

    name: str
    summary: Summary
    run: Run | None
    model: str = ""


@dataclass(frozen=True, slots=True)
class Beside:
    """A run's score and the one published for its model, from 0 to 1; ``part``: of which split and subset."""

    run: str
    task: str
    part: str
    found: float
    published: float


@dataclass(frozen=True, slots=True)
class Report:
    """All that a report says.

    Attributes:
        benchmark: What it is of.
        entries: The runs, as they were named, then the published models, the best first.
        differences: Of each pair of complete entries, as far as one is a run, or there is no complete run.
        prompts: Where the prompts of two runs differ.
        beside: Each run's scores beside its model's published ones.
        check: Of the published table.
        printed: Rows of the table without scores of tasks, where it counts the same splits.
        notes: What a reader must know, a line each.
    """

    benchmark: Benchmark
    entries: tuple[Entry, ...]
    differences: tuple[Difference, ...]
    prompts: tuple[PromptsDiffer, ...]
    beside: tuple[Beside, ...]
    check: Check | None
    printed: tuple[published.Row, ...]
    notes: tuple[str, ...]

    @property
    def runs(self) -> list[Entry]:
        """The entries that are runs."""
        return [entry for entry in self.entries if entry.run is not None]

    def beside_of(self, name: str) -> list[Beside]:
        """One run's scores beside the published ones."""
        return [one for one in self.beside if one.run == name]


def make_report(
    folders: Sequence[str],
    *,
    benchmark: str | None = None,
    splits: Mapping[str, tuple[str, ...]] | None = None,
    with_published: bool = False,
) -> Report:
    """Put a report together.

    Args:
        folders: As for :func:`youtu_st.evaluation.report.runs.find_runs`.
        benchmark: Its name in mteb. None: the one at least half of whose tasks are there; failing that, the
            tasks that are there, which go by no name.
        splits: By task, the splits that count instead of its evaluation splits.
        with_published: Put what was published beside.

    Raises:
        InputError: If there is no such benchmark, task or split, or as for ``find_runs``.
        MissingDependencyError: If mteb must be asked, and is not installed.
    """
    runs, splits = find_runs(folders), splits or {}
    held = {task for run in runs for task in (*run.results, *run.about.tasks)}
    chosen = benchmark_of(benchmark) if benchmark else guess(held)
    if not held & chosen.tasks.keys():
        raise InputError(f"there are no results of {brief(chosen.title)} in {', '.join(folders)}")
    chosen = with_splits(chosen, splits)
    check_splits(splits, runs)
    if not chosen.name:
        chosen = levelled(chosen, runs)
    entries = [Entry(run.name, summary_of(run, chosen), run, _model(run)) for run in runs]
    notes = _notes(runs, chosen, guessed=benchmark is None)
    beside: list[Beside] = []
    check: Check | None = None
    printed: tuple[published.Row, ...] = ()
    if with_published:
        beside = _beside(entries)
        check = published.check(chosen)
        if check and check.table.made_with(chosen):
            printed = tuple(row for row in check.table.rows if not row.model)
        models = [_published(name, chosen) for name in published.models()]
        entries += sorted(filter(None, models), key=_rank)
    return Report(
        chosen,
        tuple(entries),
        tuple(_differences(entries)),
        tuple(differing(runs)),
        tuple(beside),
        check,
        printed,
        tuple(notes),
    )


def _model(run: Run) -> str:
    names = (run.model, run.about.model, run.name)
    return next(filter(None, map(published.name_of, names)), "")


def _published(name: str, benchmark: Benchmark) -> Entry | None:
    summary = published.summary_of(name, benchmark)
    return Entry(f"{name} (published)", summary, None, name) if summary and summary.complete else None


def _rank(entry: Entry) -> float:
    return -(entry.summary.mean_task or 0)


def _beside(entries: Sequence[Entry]) -> list[Beside]:
    """By task where the whole task was published, else by what was of its splits and subsets."""
    rows = []
    for entry in entries:
        if not entry.model or entry.run is None:
            continue
        benchmark = entry.summary.benchmark
        of_model = published.summary_of(entry.model, benchmark) if benchmark.name else None
        whole = of_model.scores if of_model else {}
        for task, result in sorted(entry.run.results.items()):
            if not published.is_published_data(task, result.data):
                continue
            if task in whole and task in entry.summary.scores:
                rows.append(Beside(entry.name, task, "", entry.summary.scores[task], whole[task]))
                continue
            for split, subset, found, figure in published.parts_beside(entry.model, result):
                part = split if subset == "default" else f"{split}, {subset}"
                rows.append(Beside(entry.name, task, part, found, figure))
    return rows


def _differences(entries: Sequence[Entry]) -> list[Difference]:
    """Better less worse, of all pairs that have a run in them, or are neighbours."""
    complete = sorted((entry for entry in entries if entry.summary.complete), key=_rank)
    found = []
    for (place, first), (other, second) in combinations(enumerate(complete), 2):
        if first.run or second.run or other == place + 1:
            found.append(difference(first.name, second.name, first.summary.scores, second.summary.scores))
    return found


def _notes(runs: Sequence[Run], benchmark: Benchmark, *, guessed: bool) -> list[str]:
    notes = []
    if not benchmark.name:
        notes.append("these tasks are not most of a usual benchmark: a mean over them goes by no name")
    elif guessed:
        notes.append(f"the tasks are those of {benchmark.name}: --benchmark takes another")
    for run in runs:
        other = sorted(
            name for name, one in run.results.items() if not published.is_published_data(name, one.data)
        )
        if other:
            notes.append(
                f"{run.name}: not the data that published scores are of, and not compared: {', '.join(other)}"
            )
        if further := sorted(run.results.keys() - benchmark.tasks.keys()):
            notes.append(f"{run.name}: not of the benchmark, and in no mean: {_some(further)}")
        if run.experiments:
            named = _some([str(path) for path in run.experiments])
            notes.append(f"{run.name}: experiments beside it are runs of their own: {named}")
        if run.others:
            notes.append(f"{run.name}: no results of tasks: {_some(run.others)}")
    return notes


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")
