"""``youtu-st data``: training data, made of what others have, and looked at before anything is trained."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.cli import data_synth
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
    reranker_names,
    say,
    status,
)
from youtu_st.cli.loaded import load_encoder, load_reranker
from youtu_st.cli.reading import MOST_NOTES, check_out

if TYPE_CHECKING:
    from youtu_st.training.data.tally import Tally

EXAMPLE = "Example: youtu-st data convert triplets.jsonl --out train.jsonl"
CHECK_EXAMPLE = "Example: youtu-st data check train.jsonl --model minilm"
MINE_EXAMPLE = "Example: youtu-st data mine train.jsonl --model minilm --out mined.jsonl"
SCORE_EXAMPLE = "Example: youtu-st data score mined.jsonl --reranker qwen3-reranker-0.6b --out scored.jsonl"

app = typer.Typer(rich_markup_mode=None, epilog=EXAMPLE)

Rows = Annotated[Path, typer.Argument(metavar="FILE", help="Rows in CoDiEmb's format.")]
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


@app.command(epilog=MINE_EXAMPLE)
def mine(
    file: Rows,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="A name, a directory, a hub id or a .yaml file.",
            autocompletion=model_names,
        ),
    ],
    out: Out,
    negatives: Annotated[int, typer.Option(metavar="N", help="Most that a row gets.")] = 8,
    range_min: Annotated[
        int, typer.Option(metavar="N", help="So many of the nearest documents are left out.")
    ] = 10,
    range_max: Annotated[int, typer.Option(metavar="N", help="So many of the nearest are looked at.")] = 100,
    max_relative: Annotated[
        float, typer.Option(metavar="SHARE", help="Of the lowest positive's score, which none exceeds.")
    ] = 0.95,
    checkpoint: Checkpoint = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    force: Force = False,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Add hard negatives: documents of the file that a model finds near to a query they do not answer."""
    from youtu_st.cli.data_shown import print_mined

    name = absolute_model(model)
    check_out(out)
    _check_readable(file)
    encoder = load_encoder(name, checkpoint=checkpoint, trust_remote_code=trust_remote_code)
    from youtu_st.training.data.mining import Choice, mine

    choice = Choice(negatives, range_min, range_max, max_relative)
    with _each_warning_once(), status("reading ...") as spinner:
        found = mine(file, out, encoder, choice=choice, force=force, report=spinner.update)
    if found.instructed is False:
        say("note", f"{model} takes no instructions: its own prompt stood before queries")
    print_mined(found, choice, out, as_json=as_json)


@app.command(epilog=SCORE_EXAMPLE)
def score(
    file: Rows,
    reranker: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="A name, a directory, a hub id or a .yaml file.",
            autocompletion=reranker_names,
        ),
    ],
    out: Out,
    checkpoint: Checkpoint = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    force: Force = False,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Add a teacher's scores: how well each document answers its query, in a reranker's eyes."""
    from youtu_st.cli.data_shown import print_scored
    from youtu_st.spec.reranker import RERANKERS

    RERANKERS.resolve(reranker)
    check_out(out)
    _check_readable(file)
    teacher = load_reranker(reranker, checkpoint=checkpoint, trust_remote_code=trust_remote_code)
    from youtu_st.training.data.scoring import score

    with _each_warning_once(), status("scoring ...") as spinner:
        done = score(
            file, out, teacher, force=force, report=lambda rows: spinner.update(f"scoring: {rows:,} rows")
        )
    if done.instructed is False:
        say("note", f"{reranker} takes no instructions: pairs were scored without")
    if done.replaced:
        say("note", f"replaced the scores of {count(done.replaced, 'row')}")
    print_scored(done, out, as_json=as_json)


app.command("synth", epilog=data_synth.EXAMPLE)(data_synth.synth)


def _check_readable(file: Path) -> None:
    """Raise for a file that cannot be read, before a model is loaded for it."""
    from youtu_st.training.data.writing import well_formed

    next(well_formed(file), None)


@contextmanager
def _each_warning_once() -> Iterator[None]:
    """Of each kind of warning the first: what is wrong with one block of texts is so with many."""
    before: Any = warnings.showwarning
    told: set[type[Warning]] = set()

    def show(message: Warning | str, category: type[Warning], *where: Any, **further: Any) -> None:
        if category not in told:
            told.add(category)
            before(message, category, *where, **further)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before


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
