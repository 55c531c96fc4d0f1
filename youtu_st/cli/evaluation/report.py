"""``youtu-st eval report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.cli.console import UsageError, cell, count, echo, plain_table, print_json, say, wide_console
from youtu_st.cli.reading import check_folder, some
from youtu_st.errors import brief

if TYPE_CHECKING:
    from youtu_st.evaluation.report.report import Report

EXAMPLE = "Example: youtu-st eval report results/mine results/theirs --published --out report/"
FILES = ("report.md", "report.csv", "index.html")
_MOST = 12
"""Lines of a kind on a terminal; the files have all of them."""


def report(
    folders: Annotated[
        list[str],
        typer.Argument(metavar="[NAME=]DIR...", help="Results: TASK.json files, or mteb's tree."),
    ],
    published: Annotated[
        bool, typer.Option("--published", help="Beside the scores that were published, and their table.")
    ] = False,
    splits: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK=SPLIT", help="Splits of a task that count, by commas; may be repeated."),
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option(metavar="NAME", help="As mteb calls it; default: what the tasks are of.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help=f"Where to write {', '.join(FILES)}.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON; scores from 0 to 1.")] = False,
) -> None:
    """Put results into the leaderboard's averages, beside each other and beside what was published."""
    from youtu_st.evaluation.report import make_report

    if out is not None:
        check_folder(out, f" {', '.join(FILES)} to")
    made = make_report(folders, benchmark=benchmark, splits=_splits(splits or []), with_published=published)
    if out is not None:
        _write(made, out)
    if as_json:
        from youtu_st.evaluation.report import as_values

        print_json(as_values(made))
        return
    _print(made)
    if out is not None:
        echo(f"written to {out / FILES[-1]}, {FILES[0]} and {FILES[1]}")


def _splits(given: list[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for one in given:
        task, sign, names = one.partition("=")
        wanted = tuple(name.strip() for name in names.split(",") if name.strip())
        if not (sign and task and wanted):
            raise UsageError(
                f"--splits must be TASK=SPLIT, such as MultilingualSentiment=validation, not {brief(one)}"
            )
        if task in found:
            raise UsageError(f"--splits names {brief(task)} twice: several splits are TASK=SPLIT,SPLIT")
        found[task] = wanted
    return found


def _write(made: Report, out: Path) -> None:
    from youtu_st.disk import write_whole
    from youtu_st.evaluation.report import markdown, page, table_csv

    contents = (markdown(made), table_csv(made), page(made))  # all of it before anything is written
    out.mkdir(parents=True, exist_ok=True)
    for name, text in zip(FILES, contents, strict=True):
        write_whole(out / name, text.encode())


def _print(made: Report) -> None:
    from youtu_st.evaluation.report import words

    columns = words.columns(made)
    table = plain_table([made.benchmark.title, *columns], right=columns)
    for entry in made.entries:
        table.add_row(cell(entry.name), *map(cell, words.mean_cells(entry)))
    for row in made.printed:
        shown = [f"{row.name} (as printed)", *(f"{figure:.2f}" for figure in row.figures)]
        table.add_row(*(cell(text, "dim") for text in shown))
    wide_console().print(table)
    for entry in made.runs:
        _tell(entry.name, words.problems(entry))
        if told := words.distance(made.beside_of(entry.name)):
            echo(f"{entry.name} beside the published {entry.model}: {told}")
    _tell("", [words.verdict(one) for one in made.differences])
    _tell("", words.moved(made))
    if made.prompts:
        tasks = sorted({one.task for one in made.prompts})
        echo(f"prompts differ in {count(len(tasks), 'task')}: {some(tasks, len(tasks))}")
    if told := words.checked(made):
        echo(told)
    for note in made.notes:
        say("note", note)


def _tell(name: str, lines: list[Any]) -> None:
    for line in lines[:_MOST]:
        echo(f"{name}: {line}" if name else line)
    if (more := len(lines) - _MOST) > 0:
        echo(f"and {more:,} more of these: --out writes all of them")
