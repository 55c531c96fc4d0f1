"""``youtu-st data``: training data, made of what others have, and looked at before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.cli.console import (
    Checkpoint,
    TrustRemoteCode,
    UsageError,
    absolute_model,
    count,
    echo,
    loading,
    model_names,
    print_json,
    say,
    status,
)
from youtu_st.cli.reading import MOST_NOTES, check_out

if TYPE_CHECKING:
    from youtu_st.training.data.tally import Tally

EXAMPLE = "Example: youtu-st data convert triplets.jsonl --out train.jsonl"
CHECK_EXAMPLE = "Example: youtu-st data check train.jsonl --model minilm"

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


@app.command(epilog=CHECK_EXAMPLE)
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Rows in CoDiEmb's format.")],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Count its tokens; default: characters are counted.",
            autocompletion=model_names,
        ),
    ] = None,
    checkpoint: Checkpoint = None,
    max_length: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Tokens that training reads of a text; default: what the model reads."
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(metavar="N", help="Rows of a step, over all devices.")] = 64,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    trust_remote_code: TrustRemoteCode = False,
) -> int:
    """Look at training data: 0 if all of it can be trained on, 1 if something cannot."""
    from youtu_st.cli.data_shown import as_values, print_report
    from youtu_st.inputs import check_count
    from youtu_st.training.data.checking import check
    from youtu_st.training.data.lengths import tokens_of

    check_count("--batch-size", batch_size)
    if max_length is not None:
        check_count("--max-length", max_length)
    measure = None
    if model is not None:
        name = absolute_model(model)
        with loading(f"loading the tokenizer of {checkpoint or name} ..."):
            how: dict[str, Any] = {"checkpoint": checkpoint, "max_length": max_length}
            measure = tokens_of(name, **how, trust_remote_code=trust_remote_code)
    elif max_length is not None or checkpoint is not None:
        given = "--checkpoint" if max_length is None else "--max-length"
        raise UsageError(f"{given} goes with --model: without one, characters are counted")
    with status("reading ...") as spinner:
        found = check(
            files,
            measure=measure,
            batch_size=batch_size,
            report=lambda rows: spinner.update(f"reading: {rows:,} rows"),
        )
    if as_json:
        print_json(as_values(found))
    else:
        print_report(found)
    return 1 if found.errors else 0


def _tell(tally: Tally, kind: str) -> None:
    """Say what is left out: the first rows one by one, then all of them by reason."""
    for note in tally.notes:
        say("note", note)
    for line in tally.lines:
        say(kind, line)
    for counts, what in ((tally.left_out, "left out"), (tally.errors, kind)):
        for reason, number in counts.most_common(MOST_NOTES):
            if number > 1:
                say(what, f"{number:,} in all: {reason}")
