"""What a look at training data found, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from youtu_st.cli.console import cell, count, echo, plain_table, print_json, wide_console

if TYPE_CHECKING:
    from rich.table import Table

    from youtu_st.training.data.mining import Choice, Mined
    from youtu_st.training.data.report import FileReport, Finding, Report
    from youtu_st.training.data.scoring import Scored

STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
_BAR = 24
"""Characters of the longest bar of a histogram."""
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


def print_mined(found: Mined, choice: Choice, out: Path, *, as_json: bool) -> None:
    """Print what was found, what was rejected and why, and where the scores are."""
    if as_json:
        print_json({**asdict(choice), **asdict(found)})
        return
    console = wide_console()
    shown = ("cosine", "positives", "negatives")
    table = plain_table((*shown, "+ positives, - negatives"), right=shown, wrap=False)
    most = max(max(each.positives, each.negatives) for each in found.histogram)
    for each in found.histogram:
        bars = [-(-number * _BAR // most) for number in (each.positives, each.negatives)]
        table.add_row(
            cell(f"{each.low:.2f} to {each.high:.2f}"),
            f"{each.positives:,}",
            f"{each.negatives:,}",
            cell("+" * bars[0] + " " * (_BAR - bars[0] + 1) + "-" * bars[1]),
        )
    console.print(table)
    console.print()
    for reason, number in found.rejected.items():
        echo(f"rejected {number:,}: {reason}")
    asked = found.rows.get("ir", 0)
    if found.short:
        echo(f"{count(found.short, 'row')} of {asked:,} got fewer than {choice.negatives}")
    others = count(sum(found.rows.values()) - asked, "other row")
    echo(
        f"{count(found.negatives, 'negative')} for {count(asked, 'row')} among "
        f"{count(found.documents, 'document')}, and {others} as they were -> {out}"
    )


def print_scored(done: Scored, out: Path, *, as_json: bool) -> None:
    """Print how many scores there are, and where they lie."""
    if as_json:
        print_json(asdict(done))
        return
    for name, scores in (("positives", done.positives), ("negatives", done.negatives)):
        if scores is not None:
            echo(f"{name} {scores.count:,}: scores from {scores.lowest:.4g} to {scores.highest:.4g}")
    rows = ", ".join(f"{name} {number:,}" for name, number in done.rows.items())
    echo(f"{count(sum(done.rows.values()), 'row')} ({rows}) -> {out}")


def _print_findings(findings: tuple[Finding, ...]) -> None:
    console = wide_console()
    for finding in findings:
        head = cell(f"{finding.level}: {finding.kind}, {finding.count:,} in all", STYLES[finding.level])
        console.print(head, soft_wrap=True)
        for example in finding.examples:
            console.print(cell(f"  {example}"), soft_wrap=True)
        if (more := finding.count - len(finding.examples)) > 0:
            console.print(cell(f"  and {more:,} more", "dim"))
