"""A report as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from youtu_st.errors import printable
from youtu_st.evaluation.report import words
from youtu_st.evaluation.report.report import Entry, Report

_SPECIAL = re.compile(r"([\\`*_{}\[\]|~$])")
_LONGEST_PROMPT = 300
_FORMULA = ("=", "+", "-", "@", "\t")


def markdown(report: Report) -> str:
    """The report for a reader of Markdown."""
    parts = (part(report) for part in (_means, _apart, _moved, _tasks, _beside, _prompts, _notes))
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _means(report: Report) -> list[str]:
    lines = [f"# {_text(report.benchmark.title)}", ""]
    if report.check:
        lines += [f"{_text(words.checked(report))} ({_text(report.check.table.source)}).", ""]
    rows = [[entry.name, *words.mean_cells(entry)] for entry in report.entries]
    printed = [[f"{row.name} (as printed)", *(f"{x:.2f}" for x in row.figures)] for row in report.printed]
    lines += _table(["", *words.columns(report)], rows + printed)
    told = [
        f"- {_text(entry.name)}: {_text(line)}" for entry in report.runs for line in _of_run(report, entry)
    ]
    return [*lines, "", *told] if told else lines


def _of_run(report: Report, entry: Entry) -> list[str]:
    lines = words.problems(entry)
    if told := words.distance(report.beside_of(entry.name)):
        lines.append(f"beside the published {entry.model}: {told}")
    if entry.run is not None and entry.run.about.tasks:
        lines.append(f"prompts: {words.prompts_told(entry.run.about)}")
    return lines


def _apart(report: Report) -> list[str]:
    if not report.differences:
        return []
    told = [f"- {_text(words.verdict(one))}" for one in report.differences]
    return ["## Which can be told apart", "", _EXPLAINED, "", *told]


def _moved(report: Report) -> list[str]:
    lines = [f"- {_text(line)}" for line in words.moved(report)]
    return ["## Tasks that differ most", "", *lines] if lines else []


def _tasks(report: Report) -> list[str]:
    tasks = sorted(report.benchmark.tasks.values(), key=lambda task: (task.type, task.name))
    scores = [entry.summary.scores for entry in report.entries]
    rows = [[task.name, task.type, *(words.points(one.get(task.name)) for one in scores)] for task in tasks]
    return ["## Tasks", "", *_table(["task", "type", *(entry.name for entry in report.entries)], rows)]


def _beside(report: Report) -> list[str]:
    titles = ["run", "task", "split and subset", "found", "published", "difference"]
    rows = [
        [
            *(one.run, one.task, one.part),
            *(words.points(one.found), words.points(one.published)),
            words.signed(one.found - one.published),
        ]
        for one in report.beside
    ]
    return ["## Beside what was published", "", *_table(titles, rows)] if rows else []


def _prompts(report: Report) -> list[str]:
    rows = [
        [one.task, one.side, name, words.shortened(repr(prompt), _LONGEST_PROMPT)]
        for one in report.prompts
        for name, prompt in ((one.first, one.first_prompt), (one.second, one.second_prompt))
    ]
    return ["## Prompts that differ", "", *_table(["task", "side", "run", "prompt"], rows)] if rows else []


def _notes(report: Report) -> list[str]:
    return ["## Notes", "", *(f"- {_text(note)}" for note in report.notes)] if report.notes else []


_EXPLAINED = (
    "Differences of means over tasks in points, each with a 95 % bootstrap interval over tasks (BCa, 9,999 "
    "samples). Where it holds 0, other tasks of the same kind might turn the order round."
)


def table_csv(report: Report) -> str:
    """A row for each figure: of what it is, from 0 to 100, and why there is none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["benchmark", "name", "kind", "level", "item", "score", "problem"])
    name = report.benchmark.title
    for entry in report.entries:
        start = [_plain(name), _plain(entry.name), "run" if entry.run else "published"]
        for item, value in entry.summary.figures.items():
            problem = "" if value is not None else entry.summary.coverage
            writer.writerow([*start, _level(item), item, _number(value), problem])
        for task in sorted(report.benchmark.tasks):
            problem = entry.summary.problems.get(task, "")
            writer.writerow(
                [*start, "task", _plain(task), _number(entry.summary.scores.get(task)), _plain(problem)]
            )
    for row in report.printed:
        start = [_plain(name), _plain(row.name), "as printed"]
        for item, figure in zip(words.columns(report), row.figures, strict=True):
            writer.writerow([*start, _level(item), item, f"{figure:.2f}", ""])
    return out.getvalue()


def _level(item: str) -> str:
    return "mean" if item.startswith("Mean (") else "type"


def _number(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.6f}"


def _plain(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    shown = printable(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    rule = "|".join(["", *("---" if not title or title in _LEFT else "---:" for title in titles), ""])
    return [_row(titles), rule, *(_row(row) for row in rows)]


_LEFT = ("task", "type", "run", "side", "prompt", "split and subset")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_text, cells))} |"


def _text(text: str) -> str:
    """A text of which Markdown, and the HTML that it may hold, makes nothing."""
    escaped = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", escaped)
