"""``youtu-st data``: training data, made of what others have, and looked at before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.cli.console import UsageError, count, echo, say, status
from youtu_st.cli.reading import MOST_NOTES, check_out

if TYPE_CHECKING:
    from youtu_st.training.data.tally import Tally

EXAMPLE = "Example: youtu-st data convert triplets.jsonl --out train.jsonl"

app = typer.Typer(rich_markup_mode=None, epilog=EXAMPLE)

Out = Annotated[Path, typer.Option(metavar="JSONL", help="The file to write.")]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]


@app.callback()
def data() -> None:
    """Make training data of what others have, and look at it before anything is trained."""


@app.command(epilog=EXAMPLE)
def convert(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A file, or a folder of BEIR's.")],
    out: Out,
    source_format: Annotated[
        str | None,
        typer.Option("--from", metavar="FORMAT", help="Its format; default: what it plainly is."),
    ] = None,
    task: Annotated[
        str | None, typer.Option(metavar="ir|sts|cls", help="Of all rows; default: what they plainly are.")
    ] = None,
    instruction: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the task is; default: the source's own, or none.")
    ] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="Of BEIR's judgements.")] = "train",
    seed: Annotated[int, typer.Option(metavar="N", help="Of what is chosen by chance.")] = 0,
    skip_errors: Annotated[
        bool, typer.Option("--skip-errors", help="Go on without malformed rows, and say what they are.")
    ] = False,
    force: Force = False,
) -> None:
    """Convert training data to CoDiEmb's format, a row a line: nothing is left out without a word."""
    from youtu_st.errors import InputError
    from youtu_st.training.data.conversion import convert
    from youtu_st.training.data.rows import TASKS
    from youtu_st.training.data.tally import Tally
    from youtu_st.training.data.wanted import Wanted

    if task is not None and task not in TASKS:
        raise UsageError(f"--task must be one of {', '.join(TASKS)}, not {task!r}")
    if seed < 0:
        raise UsageError(f"--seed must be an int of at least 0, not {seed}")
    check_out(out)
    tally, wanted = Tally(), Wanted(task, instruction, split, seed)
    how: dict[str, Any] = {"format": source_format, "skip_errors": skip_errors, "force": force}
    try:
        with status(f"converting {source} ..."):
            made = convert(source, out, wanted=wanted, tally=tally, **how)
    except InputError:
        if tally.errors.total() > 1:
            _tell(tally, "problem")
        raise
    _tell(tally, "left out")
    tasks = ", ".join(f"{name} {number:,}" for name, number in made.rows.items())
    echo(f"{count(sum(made.rows.values()), 'row')} ({tasks}) from {source}, {made.format} -> {out}")


def _tell(tally: Tally, kind: str) -> None:
    """Say what is left out: the first rows one by one, then all of them by reason."""
    for note in tally.notes:
        say("note", note)
    for line in tally.lines:
        say(kind, line)
    if tally.left_out.total() > MOST_NOTES or tally.errors.total() > MOST_NOTES:
        for counts, what in ((tally.left_out, "left out"), (tally.errors, kind)):
            for reason, number in counts.most_common(MOST_NOTES):
                say(what, f"{number:,} in all: {reason}")
