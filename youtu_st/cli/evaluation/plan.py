"""``youtu-st eval plan``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from youtu_st.cli.console import (
    DEFAULT_MODEL,
    Checkpoint,
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
from youtu_st.cli.evaluation.chosen import Chosen, check_instructions, choose
from youtu_st.cli.evaluation.loaded import load_for
from youtu_st.cli.evaluation.options import (
    AllowMissing,
    Benchmark,
    Data,
    LanguageCodes,
    ModelOption,
    ProfileName,
    Splits,
    Strict,
    Tasks,
)
from youtu_st.cli.evaluation.progress import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from youtu_st.evaluation.benchmark.plan import PlannedTask

EXAMPLE = "Example: youtu-st eval plan --model qzhou-embedding --benchmark 'MTEB(cmn, v1)'"


def plan(
    model: ModelOption = DEFAULT_MODEL,
    benchmark: Benchmark = None,
    tasks: Tasks = None,
    languages: LanguageCodes = None,
    splits: Splits = None,
    data: Data = None,
    allow_missing: AllowMissing = False,
    profile: ProfileName = None,
    checkpoint: Checkpoint = None,
    strict: Strict = False,
    speed: Annotated[
        bool, typer.Option("--speed/--no-speed", help="Load the model and measure how long it will take.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Show what a run would do: tasks, texts, data that is missing, hours on this machine."""
    chosen = choose(
        model,
        benchmark=benchmark,
        tasks=tasks,
        languages=languages,
        splits=splits,
        data=data,
        profile=profile,
        allow_missing=allow_missing,
    )
    check_instructions(chosen, strict=strict)
    if as_json:
        print_json([asdict(each) for each in chosen.planned])
        return
    _print_plan(chosen.planned)
    if speed:
        _print_speed(chosen, checkpoint, trust_remote_code)


def _print_plan(planned: Sequence[PlannedTask]) -> None:
    numbers = ("subsets", "texts", "characters")
    table = plain_table(("task", "type", "splits", *numbers, "data"), right=numbers)
    for each in planned:
        table.add_row(
            *map(cell, (each.task, each.type, ", ".join(each.splits), each.subsets, _number(each.texts))),
            cell(_number(each.characters)),
            cell(each.data),
        )
    wide_console().print(table)
    echo()
    texts, characters = (
        sum(getattr(each, name) or 0 for each in planned) for name in ("texts", "characters")
    )
    unknown = sum(each.characters is None for each in planned)
    more = f", and {count(unknown, 'task')} of which mteb has no statistics" if unknown else ""
    echo(f"{count(len(planned), 'task')}: {texts:,} texts, {characters:,} characters{more}")
    missing = [each.task for each in planned if each.data == "missing"]
    if missing:
        echo(f"data that is missing: {', '.join(missing)} (--data NAME=PATH)")


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _print_speed(chosen: Chosen, checkpoint: str | None, trust_remote_code: bool) -> None:
    from youtu_st.errors import YoutuError
    from youtu_st.evaluation.benchmark.plan import seconds_of

    settings = {
        "checkpoint": checkpoint,
        "backend": "torch",
        "device": None,
        "trust_remote_code": trust_remote_code,
    }
    try:
        encoder = load_for(chosen, settings)
    except YoutuError as error:
        say("eval", f"how long it takes is not known, as the model cannot be loaded: {error}")
        return
    with loading("measuring ..."):
        seconds = seconds_of(encoder, chosen.planned)
    how = f"{encoder.runtime['dtype']} on {encoder.runtime['device']}"
    echo(f"about {duration(seconds)} of encoding on this machine ({how})")
