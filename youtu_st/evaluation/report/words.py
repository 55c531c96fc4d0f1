"""How figures and verdicts are said: the same on the terminal, in Markdown and on the page."""

from __future__ import annotations

from collections.abc import Sequence

from youtu_st.evaluation.report.about import About
from youtu_st.evaluation.report.comparison import Difference
from youtu_st.evaluation.report.prompts import sources
from youtu_st.evaluation.report.report import Beside, Entry, Report

_SOURCES = {
    "authors": "by the authors",
    "mteb task": "mteb's own of the task",
    "mteb type": "mteb's own of the type",
    "model": "the model's own",
    "none": "no prompt",
}
_MOST_MOVED = 5
MINUS = "\N{MINUS SIGN}"


def points(score: float | None) -> str:
    """A score from 0 to 1 as leaderboards print it, from 0 to 100."""
    return "" if score is None else f"{100 * score:.2f}"


def signed(score: float) -> str:
    """A difference of two scores in points, with its sign."""
    text = f"{100 * score:+.2f}"
    return "0.00" if text.strip("+-") == "0.00" else text.replace("-", MINUS)


def mean_cells(entry: Entry) -> list[str]:
    """The means of a row; instead of them, how many tasks there are where some have no score."""
    shown = [points(value) for value in entry.summary.figures.values()]
    return shown if entry.summary.complete else [entry.summary.coverage, *shown[1:]]


def columns(report: Report) -> list[str]:
    """The figures of a row: both means, and the types."""
    return ["Mean (Task)", "Mean (TaskType)", *report.benchmark.types]


def verdict(difference: Difference) -> str:
    """Which is ahead by how much, and whether the tasks can tell the two apart."""
    first, second = difference.first, difference.second
    if difference.low is None or difference.high is None:
        return f"{first} and {second}: {signed(difference.mean)} on one task, which tells nothing of others"
    if difference.low == difference.high == 0:
        return f"{first} and {second} have the same score in every task"
    interval = f"{signed(difference.mean)} [{signed(difference.low)}, {signed(difference.high)}]"
    if difference.told_apart:
        ahead, behind = (first, second) if difference.mean > 0 else (second, first)
        return f"{ahead} is ahead of {behind}: {interval}"
    return f"{first} and {second} cannot be told apart: {interval}"


def problems(entry: Entry) -> list[str]:
    """What has no score: the missing tasks in one line, the others one by one."""
    told = entry.summary.problems
    missing = [task for task, problem in told.items() if problem == "missing"]
    lines = [f"{task}: {problem}" for task, problem in told.items() if problem != "missing"]
    return ([f"missing: {', '.join(missing)}"] if missing else []) + lines


def moved(report: Report) -> list[str]:
    """Of each run but the first, the tasks whose scores are farthest from the first's."""
    first, *others = report.runs
    lines = []
    for entry in others:
        both = first.summary.scores.keys() & entry.summary.scores.keys()
        deltas = {task: entry.summary.scores[task] - first.summary.scores[task] for task in both}
        far = sorted((task for task in both if deltas[task]), key=lambda task: (-abs(deltas[task]), task))
        told = ", ".join(f"{task} {signed(deltas[task])}" for task in far[:_MOST_MOVED])
        lines.append(f"{entry.name} against {first.name}: {told or 'equal in every task'}")
    return lines


def distance(rows: Sequence[Beside]) -> str:
    """How far a run is from what was published, in one line; ``""`` where there is nothing to compare."""
    if not rows:
        return ""
    worst = max(rows, key=lambda row: abs(row.found - row.published))
    mean = sum(row.found - row.published for row in rows) / len(rows)
    if abs(worst.found - worst.published) < 5e-7:
        return (
            f"equal to all {len(rows)} published scores" if len(rows) > 1 else "equal to the published score"
        )
    where = worst.task + (f" ({worst.part})" if worst.part else "")
    return (
        f"{signed(mean)} on the mean of {len(rows)} published scores, at most "
        f"{signed(worst.found - worst.published)} ({where})"
    )


def prompts_told(about: About) -> str:
    """Whose prompts a run used, in one line."""
    found = sources(about)
    if not any(task.prompts for task in about.tasks.values()):
        return "not written down"
    told = (
        f"{_SOURCES.get(source, source)}: {number} of {len(about.tasks)} tasks" for source, number in found
    )
    return "; ".join(told) or f"of {len(about.tasks)} tasks"


def effort(about: About) -> str:
    """Seconds, texts and what was done to them, as far as it was written down."""
    seconds, rest = about.total("seconds"), []
    for name, noun in (
        ("encoded", "texts encoded"),
        ("tokens", "tokens"),
        ("cut", "texts cut"),
        ("blank", "blank"),
    ):
        if (value := about.total(name)) is not None:
            rest.append(f"{value:,.0f} {noun}")
    return ", ".join(([f"{seconds:,.0f} s"] if seconds is not None else []) + rest)


def checked(report: Report) -> str:
    """``40 of 40 published figures``, and how to get there; ``""`` where no table was compared."""
    check = report.check
    if check is None:
        return ""
    line = f"{check.equal} of {check.total} published figures"
    if check.table.made_with(report.benchmark):
        return line
    return f"{line}: the table was made with {check.table.options}"


def shortened(text: str, most: int) -> str:
    """The beginning of a long text, and how long it is."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"
