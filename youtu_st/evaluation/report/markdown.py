"""A report as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from youtu_st.errors import printable
from youtu_st.evaluation.report import words
from youtu_st.evaluation.report.report import Report

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$])")
_LONGEST_PROMPT = 300
_FORMULA = ("=", "+", "-", "@", "\t")


def markdown(report: Report) -> str:
    """The report for a reader of Markdown."""
    runs = [entry for entry in report.runs]
    lines = [f"# {_text(report.benchmark.title)}", ""]
    if told := words.checked(report):
        lines += [f"{_text(told)} ({_text(report.check.table.source if report.check else '')}).", ""]
    lines += _table(
        ["", *words.columns(report)], ([entry.name, *words.mean_cells(entry)] for entry in report.entries)
    )
    for row in report.printed:
        lines.insert(-1, _row([f"{row.name} (as printed)", *(f"{figure:.2f}" for figure in row.figures)]))
    for entry in runs:
        lines += [f"- {_text(entry.name)}: {_text(line)}" for line in _of_run(report, entry.name)]
    if report.differences:
        lines += ["", "## Which can be told apart", "", _EXPLAINED, ""]
        lines += [f"- {_text(words.verdict(one))}" for one in report.differences]
    lines += ["", "## Tasks", ""]
    tasks = sorted(report.benchmark.tasks.values(), key=lambda task: (task.type, task.name))
    lines += _table(
        ["task", "type", *(entry.name for entry in report.entries)],
        (
            [
                task.name,
                task.type,
                *(words.points(entry.summary.scores.get(task.name)) for entry in report.entries),
            ]
            for task in tasks
        ),
    )
    if report.beside:
        lines += ["## Beside what was published", ""]
        lines += _table(
            ["run", "task", "split and subset", "found", "published", "difference"],
            (
                [
                    one.run,
                    one.task,
                    one.part,
                    words.points(one.found),
                    words.points(one.published),
                    words.signed(one.found - one.published),
                ]
                for one in report.beside
            ),
        )
    if report.prompts:
        lines += ["## Prompts that differ", ""]
        lines += _table(
            ["task", "side", "run", "prompt"],
            (
                [one.task, one.side, name, words.shortened(repr(prompt), _LONGEST_PROMPT)]
                for one in report.prompts
                for name, prompt in ((one.first, one.first_prompt), (one.second, one.second_prompt))
            ),
        )
    if report.notes:
        lines += ["## Notes", "", *(f"- {_text(note)}" for note in report.notes), ""]
    return "\n".join(lines).rstrip() + "\n"


_EXPLAINED = (
    "Differences of means over tasks in points, each with a 95 % bootstrap interval over tasks (BCa, 9,999 "
    "samples). Where it holds 0, other tasks of the same kind might turn the order round."
)


def _of_run(report: Report, name: str) -> list[str]:
    (entry,) = (entry for entry in report.runs if entry.name == name)
    about = entry.run.about if entry.run else None
    lines = words.problems(entry)
    if told := words.distance(report.beside_of(name)):
        lines.append(f"beside the published {entry.model}: {told}")
    if about is not None and about.tasks:
        lines.append(f"prompts: {words.prompts_told(about)}")
    return lines


def table_csv(report: Report) -> str:
    """A row for each figure: of what it is, from 0 to 100, and why there is none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["benchmark", "name", "kind", "level", "item", "score", "problem"])
    name = report.benchmark.title
    for entry in report.entries:
        start = [_plain(name), _plain(entry.name), "run" if entry.run else "published"]
        for item, value in entry.summary.figures.items():
            level = "mean" if item.startswith("Mean (") else "type"
            problem = "" if value is not None else entry.summary.coverage
            writer.writerow([*start, level, item, _number(value), problem])
        for task in sorted(report.benchmark.tasks):
            problem = entry.summary.problems.get(task, "")
            writer.writerow(
                [*start, "task", _plain(task), _number(entry.summary.scores.get(task)), _plain(problem)]
            )
    for row in report.printed:
        for item, figure in zip(words.columns(report), row.figures, strict=True):
            writer.writerow(
                [
                    _plain(name),
                    _plain(row.name),
                    "as printed",
                    "mean" if item.startswith("Mean (") else "type",
                    item,
                    f"{figure:.2f}",
                    "",
                ]
            )
    return out.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.6f}"


def _plain(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    shown = printable(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    rule = "|".join(["", *("---" if not title or title in _LEFT else "---:" for title in titles), ""])
    return [_row(titles), rule, *(_row(row) for row in rows), ""]


_LEFT = ("task", "type", "run", "side", "prompt", "split and subset")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_text, cells))} |"


def _text(text: str) -> str:
    """A text of which Markdown, and the HTML that it may hold, makes nothing."""
    escaped = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", escaped) if _SPECIAL.search(escaped) else escaped
