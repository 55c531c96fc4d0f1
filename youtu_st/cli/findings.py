"""What a verification found, for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.console import Console
from rich.table import Table
from rich.text import Text

from youtu_st.cli.console import cell, count, echo, plain_table, wide_console

if TYPE_CHECKING:
    from youtu_st.verification import Comparison, Examination, Finding
    from youtu_st.verification.published import Score
    from youtu_st.verification.sample import Sample, Token
    from youtu_st.verification.subject import Subject

STYLES = {"ok": "green", "off": "bold red", "skipped": "dim"}
NARROW = 100
"""Columns from which on what was expected has a column of its own."""
GAP = 3
BORDER = "across the border"
LEGEND = {
    "enters the vector": "black on green",
    BORDER: "black on green underline",
    "prompt, enters too": "black on cyan",
    "added, enters too": "black on white",
    "prompt": "white on blue",
    "added": "white on bright_black",
    "left out": "dim",
    "unknown": "white on red",
}
"""What tokens are, and how they are shown."""


def print_examination(examination: Examination, *, tokens: bool) -> None:
    """Print the checks, the published figures, sample texts token by token, and the faults last."""
    console = wide_console()
    subject = examination.subject
    console.print(cell(_about(subject), "dim"), soft_wrap=True)
    console.print()
    console.print(_findings(examination.findings, wide=console.width >= NARROW))
    if examination.scores:
        console.print()
        console.print(_scores(examination.scores))
        for source in dict.fromkeys(score.source for score in examination.scores):
            console.print(cell(f"published: {source}", "dim"), soft_wrap=True)
    if tokens and examination.samples:
        console.print()
        _print_samples(console, examination.samples)
    console.print()
    _print_verdict(console, examination)


def print_comparison(comparison: Comparison, name: str, url: str) -> None:
    """Print the cosine of each text, then the lowest, the mean, and what it looks like."""
    console = wide_console()
    console.print(cell(f"{name} here, beside {url}", "dim"), soft_wrap=True)
    console.print()
    table = plain_table(("role", "cosine", "length", "text"), right=("cosine", "length"))
    lengths: Iterable[float | None] = comparison.lengths or [None] * len(comparison.texts)
    for role, cosine, length, text in zip(
        comparison.roles, comparison.cosines, lengths, comparison.texts, strict=True
    ):
        style = "" if cosine >= comparison.threshold else STYLES["off"]
        shown = "-" if length is None else f"{length:.3f}"
        table.add_row(cell(role), cell(f"{cosine:.6f}", style), shown, _short(text, console.width - 32))
    console.print(table)
    console.print()
    figures = f"minimum {comparison.minimum:.6f}, mean {comparison.mean:.6f}: "
    same = comparison.minimum >= comparison.threshold
    verdict = ("the same vectors", STYLES["ok"]) if same else ("other vectors", STYLES["off"])
    console.print(Text.assemble(figures, verdict))
    if comparison.differing is not None:
        console.print(_told(comparison))
    for part in comparison.differing or ():
        console.print(cell(f"  {part}"))
    for hint in comparison.hints:
        console.print(cell(hint))


def _told(comparison: Comparison) -> Text:
    """What comes of a server's own word on what it serves."""
    if comparison.agrees:
        return Text.assemble(("all is well", STYLES["ok"]), ": by its own word too it is the same model")
    if comparison.differing:
        return Text.assemble(("another model", STYLES["off"]), ", by the server's own word:")
    return Text("by its own word it is the same model")


def _about(subject: Subject) -> str:
    """What was examined, and against what."""
    if subject.spec is None:
        return f"{subject.source}, by its own settings"
    if subject.own_modules:
        return f"{subject.source} with its own modules, beside the spec {subject.spec.name}"
    return f"{subject.spec.name} from {subject.source}, with the modules of its spec"


def _findings(findings: Sequence[Finding], *, wide: bool) -> Table:
    table = plain_table(("check", "", "found", "expected") if wide else ("check", "", "found"))
    for finding in findings:
        cells = (
            cell(finding.check, "bold"),
            cell(finding.state, STYLES[finding.state]),
            cell(finding.found, "dim" if finding.state == "skipped" else ""),
            cell(finding.expected, "dim"),
        )
        table.add_row(*cells[: len(table.columns)])
    return table


def _scores(scores: Sequence[Score]) -> Table:
    numbers = ("found", "published", "difference")
    table = plain_table(("score", *numbers), right=numbers)
    for score in scores:
        difference = cell(f"{score.difference:+.5f}", STYLES["ok" if score.agrees else "off"])
        table.add_row(_short(score.what, 60), f"{score.found:.4f}", f"{score.published:.4f}", difference)
    return table


def _print_samples(console: Console, samples: Sequence[Sample]) -> None:
    """As many beside each other as there is room for."""
    lines: list[list[Table]] = []
    room = 0
    for table in map(_sample, samples):
        width = console.measure(table).maximum + GAP
        if not lines or width > room:
            lines.append([])
            room = console.width
        lines[-1].append(table)
        room -= width
    for number, tables in enumerate(lines):
        if number:
            console.print()
        grid = Table.grid(padding=(0, GAP, 0, 0))
        grid.add_row(*tables)
        console.print(grid)


def _sample(sample: Sample) -> Table:
    table = plain_table((f"{sample.role}, token", "characters", "enters"))
    for token in sample.tokens:
        span = f"{token.start}-{token.end}" if token.end > token.start else "added"
        enters = cell("content", "green") if token.content else cell("-", "dim")
        if token.unknown:
            enters = cell("unknown", STYLES["off"])
        table.add_row(cell(token.token, "" if token.content else "dim"), cell(span, "dim"), enters)
    return table


def print_sample(sample: Sample) -> None:
    """One text: on a terminal in colours, as it is read; else a token a line."""
    console = wide_console()
    tokens = sample.tokens
    kinds = [_kind(token) for token in tokens]
    if console.color_system is None or console.no_color:
        console.print(_sample(sample))
    else:
        shown = [cell(token.token, LEGEND[kind]) for token, kind in zip(tokens, kinds, strict=True)]
        console.print(Text(" ").join(shown))
        console.print()
        legend = [cell(f" {kind} ", style) for kind, style in LEGEND.items() if kind in kinds]
        console.print(Columns(legend, padding=(0, 2)))
    entering, unknown = sum(token.content for token in tokens), sum(token.unknown for token in tokens)
    cut = f" of {sample.full_length:,} are read" if sample.full_length > len(tokens) else ""
    read = f"{count(len(tokens), 'token')}{cut}, {entering:,} of them enter the vector"
    echo(read + (f", {unknown:,} unknown" if unknown else ""))


def _kind(token: Token) -> str:
    """Which of :data:`LEGEND` a token is."""
    if token.unknown:
        return "unknown"
    if token.content:
        both = {"border": BORDER, "text": "enters the vector"}
        return both.get(token.part, f"{token.part}, enters too")
    return "left out" if token.part in ("border", "text") else token.part


def _print_verdict(console: Console, examination: Examination) -> None:
    findings, faults = examination.findings, examination.faults
    passed = sum(finding.state == "ok" for finding in findings)
    skipped = len(findings) - passed - len(faults)
    tail = f", {skipped} skipped" if skipped else ""
    if not faults:
        console.print(
            Text.assemble(("all is well", STYLES["ok"]), f": {count(passed, 'check')} passed{tail}")
        )
    else:
        of = count(passed + len(faults), "check")
        console.print(Text.assemble((f"{len(faults)} of {of} off", STYLES["off"]), tail))
    for finding in faults:
        console.print()
        console.print(cell(finding.check, "bold"))
        for what, text in (("found", finding.found), ("expected", finding.expected), ("", finding.remedy)):
            if text:
                _print_part(console, what, text)


def _print_part(console: Console, what: str, text: str) -> None:
    """A part of a fault: wrapped on a terminal, else one line."""
    indent = f"  {what:<10}"
    lines = cell(text).wrap(console, max(console.width - len(indent), 20))
    for number, line in enumerate(lines if sys.stdout.isatty() else [cell(text)]):
        line.rstrip()
        head = cell(indent if number == 0 else " " * len(indent), "dim")
        console.print(head + line, soft_wrap=True)


def _short(text: str, width: int) -> Text:
    """The beginning of a text, line breaks written out."""
    line = cell(text).plain
    return Text(line if len(line) <= width else line[: width - 2] + " …")
