"""``youtu-st train``."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from youtu_st.cli.console import (
    TrustRemoteCode,
    cell,
    count,
    echo,
    loading,
    plain_table,
    print_json,
    say,
    wide_console,
)
from youtu_st.cli.together import told_once

if TYPE_CHECKING:
    from youtu_st.training.preview import Shown
    from youtu_st.training.recipe import Recipe

EXAMPLE = (
    "Example: youtu-st train codiemb --set model=minilm --set data=questions.jsonl,pairs.jsonl "
    "--out my-model. On two GPUs: torchrun --nproc_per_node 2 --no-python youtu-st train ..."
)
_LONGEST = 200
"""Characters of a text that the plan shows."""


def recipe_names(incomplete: str) -> list[str]:
    """Names of recipes that begin so, for a shell that completes them."""
    from youtu_st.spec.registry import names

    return [name for name in names("train") if name.startswith(incomplete)]


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="codiemb, codiemb-encoder, qwen3-lora, ... or a .yaml file.",
            autocompletion=recipe_names,
        ),
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Of the recipe, e.g. train.learning_rate=2e-5."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The directory to write; default: MODEL-RECIPE."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, and train nothing.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    keep_adapter: Annotated[
        bool, typer.Option("--keep-adapter", help="Of a recipe with LoRA: do not merge it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Fine-tune a model by a recipe, every step on one task.

    DIR then loads as any model does. Checkpoints, and logs for TensorBoard, are in DIR.checkpoints.
    """
    flags = {"--keep-adapter": keep_adapter, "--json": as_json, "--trust-remote-code": trust_remote_code}
    with told_once():
        _train(recipe, changes or [], out, flags, dry_run=dry_run, resume=resume)


def _train(
    recipe: str, changes: list[str], out: Path | None, flags: dict[str, bool], *, dry_run: bool, resume: bool
) -> None:
    from youtu_st.training.processes import processes
    from youtu_st.training.recipe import load_recipe

    keep_adapter, as_json, trust_remote_code = flags.values()
    chosen = load_recipe(recipe, changes)
    if dry_run:
        _plan(chosen, trust_remote_code, as_json)
        return
    out = out or Path(f"{Path(chosen.model or 'model').name}-{chosen.name}")
    with loading("loading the libraries ..."):
        from youtu_st.training.running import TrainingInterrupted
        from youtu_st.training.running import train as run
    try:
        record = run(
            chosen,
            out=out,
            resume=resume,
            keep_adapter=keep_adapter,
            trust_remote_code=trust_remote_code,
            notify=lambda message: say("train", message),
        )
    except TrainingInterrupted as stopped:
        if processes().is_first:
            say("train", f"{stopped}; go on with: {_again(recipe, changes, out, flags)}")
        raise
    if not processes().is_first:
        return
    if as_json:
        print_json(record.__dict__)
        return
    for name, value in record.after.items():
        echo(f"{name}: {record.before.get(name, float('nan')):.4f} before, {value:.4f} after")
    echo(f"{out}: {count(record.steps, 'step')} in {record.seconds:,.0f} s")


def _again(recipe: str, changes: list[str], out: Path, flags: dict[str, bool]) -> str:
    """The command that goes on, as a shell takes it, in as many processes as there were."""
    from youtu_st.training.processes import processes

    words = ["youtu-st", "train", recipe, *(word for change in changes for word in ("--set", change))]
    given = [flag for flag, is_given in flags.items() if is_given]
    command = shlex.join([*words, "--out", str(out), *given, "--resume"])
    of_all = processes()
    if "MASTER_ADDR" not in os.environ:
        return command
    here = os.environ.get("LOCAL_WORLD_SIZE")
    several = here is not None and here != str(of_all.count)
    how = "..." if several else f"--standalone --nproc_per_node {of_all.count}"
    return f"torchrun {how} --no-python {command}"


def _plan(recipe: Recipe, trust_remote_code: bool, as_json: bool) -> None:
    from dataclasses import asdict

    from youtu_st.training.preparing import prepare_run
    from youtu_st.training.processes import processes

    prepared = prepare_run(recipe.staged()[0], ranks=processes().count)
    with loading(f"loading {recipe.model} ..."):
        from youtu_st.loading import load
        from youtu_st.training.collator import TaskCollator
        from youtu_st.training.instructions import check_instructions
        from youtu_st.training.leaks import check_held_out
        from youtu_st.training.preview import check_masked, preview

        assert recipe.model is not None  # or it would not have been prepared
        model = load(recipe.model, recipe.checkpoint, device="cpu", trust_remote_code=trust_remote_code)
        batchings = {found.key: prepared.batching(found) for found in prepared.sets}
        collator = TaskCollator(model, batchings, seed=recipe.train.seed, max_length=recipe.train.max_length)
        check_instructions(collator, prepared)
        check_masked(collator, prepared)
        shown = preview(collator, prepared)
    if processes().is_first:
        check_held_out(prepared, lambda message: say("train", message))
    if not processes().is_first:
        return
    if as_json:
        print_json({"steps": prepared.steps, "data": [asdict(one) for one in shown]})
        return
    _print_plan(prepared.steps, shown, len(recipe.staged()))


def _print_plan(steps: int, shown: list[Shown], stages: int) -> None:
    numbers = ("rows", "rows a step", "steps an epoch", "left out", "tokens a step", "cut")
    table = plain_table(("data set", "task", *numbers), right=numbers)
    for one in shown:
        table.add_row(
            cell(one.found.name),
            cell(one.found.task),
            *(
                cell(f"{number:,}")
                for number in (one.found.rows, one.rows, one.steps, one.left_out, one.tokens)
            ),
            cell(f"{one.cut:.0%}"),
        )
    console = wide_console()
    console.print(table)
    echo()
    where = "in all" if stages == 1 else f"in the first of {stages} stages"
    echo(f"{count(steps, 'step')} {where}. The first rows of each data set, [what is before the text]:")
    for one in shown:
        echo()
        for column, prompt, text in one.batch:
            cut = f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text
            echo(f"{one.found.name} {column}: {f'[{prompt}]' if prompt else ''}{cut}")
