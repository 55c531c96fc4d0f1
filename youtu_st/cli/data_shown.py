"""What a look at training data found, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from youtu_st.cli.console import cell, count, echo, plain_table, wide_console

if TYPE_CHECKING:
    from rich.table import Table

    from youtu_st.training.data.report import FileReport, Finding, Report

STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
_NUMBERS = ("number", "median", "90 %", "99 %", "longest", "cut")


def as_values(report: Report) -> dict[str, Any]:
    """A report as JSON has it."""
    return {**asdict(report), "errors": report.errors}


def print_report(report: Report) -> None:
    """Print what is in each file, and what was found, the worst first; a verdict last."""
    console = wide_console()
    for file in report.files:
        console.print(cell(_about(file), "bold"), soft_wrap=True)
        if file.queries is not None or file.documents is not None:
            console.print(_lengths(file))
        _print_findings(file.findings)
        console.print()
    _print_findings(report.findings)
    rows = count(sum(sum(file.rows.values()) for file in report.files), "row")
    warnings = sum(finding.count for finding in report.all_findings if finding.level == "warning")
    found = f"{rows} in {count(len(report.files), 'file')}: {count(report.errors, 'error')}"
    echo(f"{found}, {count(warnings, 'warning')}")


def _about(file: FileReport) -> str:
    parts = [f"{task} {count(number, 'row')}" for task, number in file.rows.items()]
    if file.pairs:
        parts.append(count(file.pairs, "pair"))
    for task, scores in file.scores.items():
        whose = "scores" if task == "sts" else f"a teacher's scores of {task}"
        parts.append(f"{whose} from {scores.lowest:g} to {scores.highest:g}")
    return f"{file.path}: {', '.join(parts) or 'no rows'}"


def _lengths(file: FileReport) -> Table:
    sides = [(name, of) for name, of in (("queries", file.queries), ("documents", file.documents)) if of]
    table = plain_table((sides[0][1].unit, *_NUMBERS), right=_NUMBERS)
    for name, of in sides:
        numbers = (of.count, of.median, of.p90, of.p99, of.longest)
        cut = "" if of.cut is None else f"{of.cut:.1%} over {of.limit:,}"
        table.add_row(cell(name), *(f"{number:,}" for number in numbers), cut)
    return table


def _print_findings(findings: tuple[Finding, ...]) -> None:
    console = wide_console()
    for finding in findings:
        head = cell(f"{finding.level}: {finding.kind}, {finding.count:,} in all", STYLES[finding.level])
        console.print(head, soft_wrap=True)
        for example in finding.examples:
            console.print(cell(f"  {example}"), soft_wrap=True)
        if (more := finding.count - len(finding.examples)) > 0:
            console.print(cell(f"  and {more:,} more", "dim"))
