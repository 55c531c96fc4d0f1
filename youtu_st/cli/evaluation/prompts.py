"""``youtu-st eval prompts``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from youtu_st.cli.console import (
    EncoderName,
    UsageError,
    absolute_model,
    cell,
    echo,
    plain_table,
    print_json,
    status,
    wide_console,
)
from youtu_st.cli.evaluation.options import Benchmark, ProfileName, Strict, Tasks, listed

if TYPE_CHECKING:
    from youtu_st.evaluation.benchmark.listing import Listing

EXAMPLE = 'Example: youtu-st eval prompts qzhou-embedding --benchmark "MTEB(cmn, v1)" --beside mteb'
BESIDE = "mteb"
SPACE = "␣"
"""What a space at an end of a prompt is shown as."""


def prompts(
    model: EncoderName,
    benchmark: Benchmark = None,
    tasks: Tasks = None,
    profile: ProfileName = None,
    beside: Annotated[
        str | None, typer.Option(metavar="mteb", help="What mteb's own class for the model would send.")
    ] = None,
    strict: Strict = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show the whole prompt of each task and side, and who says so. Nothing is loaded."""
    from youtu_st.errors import InputError
    from youtu_st.evaluation.profiles import load_profile
    from youtu_st.spec.model import MODELS

    if beside not in (None, BESIDE):
        raise UsageError(f"--beside takes {BESIDE}, not {beside!r}")
    if benchmark is None and not tasks:
        raise UsageError('say which tasks: --benchmark "MTEB(cmn, v1)" or --tasks NAME')
    name = absolute_model(model)
    spec, chosen = MODELS.resolve(name), load_profile(name, profile)
    if beside and spec is None:
        raise UsageError("--beside mteb is for models that go by a name: mteb knows them by their hub ids")
    with status("reading mteb's tasks ..."):
        from youtu_st.evaluation.benchmark.listing import list_prompts

        listing = list_prompts(chosen, spec, benchmark, listed(tasks), beside=beside is not None)
    if as_json:
        print_json(listing.as_json())
    else:
        _print(listing)
    if strict and listing.uninstructed:
        raise InputError(
            f"{len(listing.uninstructed)} of {len(listing.tasks)} tasks have no instruction of the authors: "
            f"{', '.join(listing.uninstructed[:12])}"
        )


def _print(listing: Listing) -> None:
    compared = any(task.likeness for task in listing.tasks)
    titles = ("task", "side", "from", *(("beside mteb",) if compared else ()), "prompt")
    table = plain_table(titles)
    for task in listing.tasks:
        for side in task.sides:
            like = (side.likeness or "",) if compared else ()
            table.add_row(*map(cell, (task.task, side.side, side.source, *like, shown(side.prompt))))
            if side.likeness not in (None, "equal"):
                table.add_row(*map(cell, ("", "", "mteb's class", "", shown(side.beside or ""))))
    wide_console().print(table)
    for line in listing.summary():
        echo(line)


def shown(prompt: str) -> str:
    r"""A prompt in one line: a line break as ``\n``, spaces at its ends as they are seen."""
    if not prompt:
        return "(none)"
    inner = prompt.strip(" ")
    before, after = len(prompt) - len(prompt.lstrip(" ")), len(prompt) - len(prompt.rstrip(" "))
    return SPACE * before + inner + SPACE * (after if inner else 0)
