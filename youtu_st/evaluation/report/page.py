"""A report as one page of HTML that holds all it shows: no script, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from youtu_st.errors import printable, require
from youtu_st.evaluation.report import plot, words
from youtu_st.evaluation.report.report import Entry, Report

_TEMPLATE = "page.html.jinja"
_LONGEST_PROMPT = 600
_LONGEST_NAME = 160
_MOST_PROMPTS = 40


def page(report: Report) -> str:
    """The page.

    Raises:
        MissingDependencyError: If jinja2 or matplotlib is not installed.
    """
    jinja = require("jinja2", "eval")
    environment = jinja.Environment(
        loader=jinja.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    tasks = sorted(report.benchmark.tasks.values(), key=lambda task: (task.type, task.name))
    text: str = environment.get_template(_TEMPLATE).render(
        report=report,
        tasks=tasks,
        most_prompts=_MOST_PROMPTS,
        words=words,
        prompts=prompts_by_run(report),
        figures=_figures(report),
        name=lambda text: words.shortened(text, _LONGEST_NAME),
        prompt=lambda text: words.shortened(text, _LONGEST_PROMPT),
    )
    return text


def _shown(value: Any) -> Any:
    """What nobody sees, or what turns the order of what is seen, is written out."""
    return printable(value, whole=True) if type(value) is str else value


def prompts_by_run(report: Report) -> list[tuple[Entry, list[tuple[str, str, str, list[str]]]]]:
    """Of each run: prompt, source, side, and the tasks that have it; the one of the most tasks first."""
    found = []
    for entry in report.runs:
        about = entry.run.about if entry.run else None
        groups: dict[tuple[str, str, str], list[str]] = {}
        for task in sorted(about.tasks) if about else ():
            for side in ("query", "document", "both"):
                told = about.tasks[task].prompts.get(side) if about else None
                if told is not None:
                    groups.setdefault((told.text, told.source, side), []).append(task)
        rows = [(*key, tasks) for key, tasks in sorted(groups.items(), key=lambda item: -len(item[1]))]
        if rows:
            found.append((entry, rows))
    return found


def _figures(report: Report) -> list[tuple[str, str]]:
    """Captions, and elements of :mod:`youtu_st.evaluation.report.plot`, which escapes all text in them."""
    made: list[tuple[str, str]] = []
    reference = next((entry for entry in report.runs if entry.summary.complete), None)
    if reference is not None:
        shown = [
            one
            for one in report.differences
            if reference.name in (one.first, one.second) and one.low is not None
        ]
        if shown:
            caption = (
                f"Difference of the mean over tasks from {words.shortened(reference.name, _LONGEST_NAME)}, "
                "with its 95 % interval; grey where it holds 0."
            )
            made.append((caption, plot.differences_figure(reference.name, shown)))
    types = report.benchmark.types
    rows = [(entry.name, list(entry.summary.by_type.values())) for entry in report.entries]
    rows = [(name, values) for name, values in rows if any(value is not None for value in values)]
    if rows:
        most = len(plot.COLOURS)
        caption = "Means of types." if len(rows) <= most else f"Means of types, of the first {most}."
        made.append((caption, plot.types_figure(types, rows[:most])))
    return made
