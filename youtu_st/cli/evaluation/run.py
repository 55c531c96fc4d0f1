"""``youtu-st eval run`` and ``youtu-st eval plan``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.cli.console import (
    DEFAULT_MODEL,
    Checkpoint,
    TrustRemoteCode,
    UsageError,
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
from youtu_st.cli.evaluation.options import (
    RESULTS,
    Benchmark,
    Data,
    LanguageCodes,
    ModelOption,
    Out,
    ProfileName,
    Splits,
    Strict,
    Tasks,
    bytes_of,
    listed,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from youtu_st.encoder import Encoder
    from youtu_st.evaluation.benchmark.encoder import Blank
    from youtu_st.evaluation.benchmark.judging import Judgement
    from youtu_st.evaluation.benchmark.plan import PlannedTask
    from youtu_st.evaluation.benchmark.running import Outcome

RUN_EXAMPLE = (
    "Example: youtu-st eval run --model minilm --data STSBenchmark=stsbenchmark. A run that was stopped goes "
    "on by the same line."
)
PLAN_EXAMPLE = "Example: youtu-st eval plan --model qzhou-embedding --benchmark 'MTEB(cmn, v1)'"


def plan(
    model: ModelOption = DEFAULT_MODEL,
    benchmark: Benchmark = None,
    tasks: Tasks = None,
    languages: LanguageCodes = None,
    splits: Splits = None,
    data: Data = None,
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
    )
    check_instructions(chosen, strict=strict)
    if as_json:
        print_json([asdict(each) for each in chosen.planned])
        return
    _print_plan(chosen.planned)
    if speed:
        _print_speed(chosen, checkpoint, trust_remote_code)


def run(
    model: ModelOption = DEFAULT_MODEL,
    benchmark: Benchmark = None,
    tasks: Tasks = None,
    languages: LanguageCodes = None,
    splits: Splits = None,
    data: Data = None,
    profile: ProfileName = None,
    out: Out = RESULTS,
    checkpoint: Checkpoint = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Texts or queries of each split: partial results.")
    ] = None,
    dimensions: Annotated[int | None, typer.Option(metavar="N", help="Cut vectors to this length.")] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="int8", help="Round the weights, with --backend openvino.")
    ] = None,
    backend: Annotated[str, typer.Option(metavar="NAME", help="torch or openvino.")] = "torch",
    device: Annotated[
        str | None, typer.Option(metavar="A,B", help="cpu, cuda, cuda:0,cuda:1; default: the best there is.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where vectors are kept; default: OUT/vectors.")
    ] = None,
    cache_size: Annotated[str, typer.Option(metavar="SIZE", help="What they may take there.")] = "20G",
    strict: Strict = False,
    rerank: Annotated[
        str | None, typer.Option(metavar="NAME", help="A reranker, over the results of --first.")
    ] = None,
    first: Annotated[
        Path | None, typer.Option(metavar="DIR", help="With --rerank: a run's folder, with its predictions.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=100, help="With --rerank: how many of each query.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Run tasks of mteb with the authors' own prompts, template, mask and length.

    What is done stays done: a run that was killed goes on, and a second one encodes nothing.
    """
    size = bytes_of("--cache-size", cache_size)
    if (rerank is None) != (first is None):
        raise UsageError("--rerank and --first go together: a reranker orders what a first run has found")
    if rerank is not None and first is not None:
        from youtu_st.cli.evaluation.reranking import rerank_run

        if limit is not None:
            raise UsageError("--limit is for the first run: a reranker orders what that has found")
        judged = rerank_run(
            rerank,
            first,
            top,
            tasks=tasks,
            data=data,
            out=out,
            checkpoint=checkpoint,
            device=listed(device),
            trust_remote_code=trust_remote_code,
        )
        _finish(judged, as_json)
        return
    chosen = choose(
        model,
        benchmark=benchmark,
        tasks=tasks,
        languages=languages,
        splits=splits,
        data=data,
        profile=profile,
    )
    check_instructions(chosen, strict=strict)
    from youtu_st.evaluation.benchmark.plan import check_present

    check_present(chosen.planned)
    experiment = {"dimensions": dimensions, "weights": weights}
    judged = _judged(
        chosen,
        {
            "checkpoint": checkpoint,
            "backend": backend,
            "weights": weights,
            "device": _device(device),
            "dimensions": dimensions,
            "trust_remote_code": trust_remote_code,
        },
        out=out,
        limit=limit,
        experiment={name: value for name, value in experiment.items() if value is not None},
        cache=cache or out / "vectors",
        cache_size=size,
    )
    _finish(judged, as_json)


def _device(given: str | None) -> str | list[str] | None:
    devices = listed(given)
    return devices if len(devices) > 1 else devices[0] if devices else None


def _judged(
    chosen: Chosen,
    settings: dict[str, Any],
    *,
    out: Path,
    limit: int | None,
    experiment: dict[str, Any],
    cache: Path,
    cache_size: int,
) -> Judgement:
    from youtu_st.evaluation.benchmark.judging import Plan, judge
    from youtu_st.evaluation.profiles import differences

    encoder = _encoder(chosen, settings)
    differ = differences(
        chosen.profile, encoder.runtime, attention=attention_of(encoder), max_length=encoder.max_length
    )
    for sentence in differ:
        say("eval", sentence)
    told = Plan(
        model=chosen.filed,
        tasks=chosen.tasks,
        prompts=chosen.prompts,
        data=chosen.revisions,
        out=out,
        profile=chosen.profile.kind,
        benchmark=chosen.benchmark,
        local=chosen.local,
        limit=limit,
        experiment=experiment,
        differences=differ,
    )
    progress = Progress(chosen.planned)
    return judge(
        encoder,
        told,
        blank=blank_vector(encoder),
        cache=cache,
        cache_size=cache_size,
        show_progress=True,
        notify=lambda message: say("eval", message),
        begin=progress.begin,
        done=progress.done,
    )


def _encoder(chosen: Chosen, settings: dict[str, Any]) -> Encoder:
    with loading(f"loading {chosen.name} ..."):
        from youtu_st.backends.device import available
        from youtu_st.encoder import Encoder
        from youtu_st.evaluation.profiles import load_settings

        device = settings["device"]
        where = available(device[0] if isinstance(device, list) else device)
        wanted = load_settings(chosen.profile, str(where)) if settings["backend"] == "torch" else {}
        return Encoder(
            chosen.spec or chosen.name, truncation="ignore", unknown="warn", **{**wanted, **settings}
        )


def attention_of(encoder: Encoder) -> str | None:
    """What computes a model's attention, by transformers' name; None: not known."""
    config = getattr(getattr(encoder.model[0], "model", None), "config", None)
    found = getattr(config, "_attn_implementation", None)
    return str(found) if found is not None else None


def blank_vector(encoder: Encoder) -> Blank:
    """The vector that the model's own modules give a text without a character."""
    import numpy as np

    def vector(role: str, prompt: str) -> Any:
        made = encoder.model.encode([""], prompt=prompt, convert_to_numpy=True, show_progress_bar=False)
        cut = np.asarray(made, dtype=np.float32)[:, : encoder.dimension]
        return cut / np.linalg.norm(cut, axis=1, keepdims=True)

    return vector


class Progress:
    """A line for each task, with the time that is left.

    Args:
        planned: All tasks of the run.
    """

    def __init__(self, planned: Sequence[PlannedTask]) -> None:
        self._planned = {each.task: each for each in planned}
        self._waiting = {each.task: each.characters or 0 for each in planned}
        self._seconds = self._characters = 0.0

    def begin(self, task: str) -> None:
        """Say which task begins."""
        each = self._planned[task]
        number = len(self._planned) - len(self._waiting) + 1
        size = f", {each.characters:,} characters" if each.characters else ""
        say("eval", f"{task} ({number} of {len(self._planned)}{size}) ...{self._left()}")

    def done(self, outcome: Outcome) -> None:
        """Say how it ended."""
        characters = self._waiting.pop(outcome.task, 0)
        if outcome.error is not None:
            say("eval", f"{outcome.task} failed: {outcome.error}")
            return
        if outcome.counts is None:
            say("eval", f"{outcome.task}: {outcome.score:.4f}, was there already")
            return
        self._seconds += outcome.seconds
        self._characters += characters
        counts = outcome.counts
        notes = [f"{counts.encoded:,} of {counts.texts:,} texts encoded"]
        notes += [f"{counts.cut:,} cut"] if counts.cut else []
        notes += [f"{counts.blank:,} blank"] if counts.blank else []
        say("eval", f"{outcome.task}: {outcome.score:.4f}, {outcome.seconds:,.0f} s, {', '.join(notes)}")

    def _left(self) -> str:
        rest = sum(self._waiting.values())
        if not self._characters or not rest:
            return ""
        return f" about {duration(rest * self._seconds / self._characters)} left"


def duration(seconds: float) -> str:
    """A time for people: ``50 s``, ``12 min``, ``3.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _finish(judged: Judgement, as_json: bool) -> None:
    if as_json:
        told = [
            {**asdict(each), "counts": asdict(each.counts) if each.counts else None}
            for each in judged.outcomes
        ]
        print_json({"folder": str(judged.folder), "revision": judged.revision, "tasks": told})
    else:
        _print_outcomes(judged)
    if judged.failed:
        raise typer.Exit(1)


def _print_outcomes(judged: Judgement) -> None:
    numbers = ("score", "texts", "encoded", "seconds")
    table = plain_table(("task", "measure", "split", "subset", *numbers), right=numbers)
    for outcome in judged.outcomes:
        counts = outcome.counts
        work = (
            (f"{counts.texts:,}", f"{counts.encoded:,}", f"{outcome.seconds:,.0f}")
            if counts
            else ("", "0", "0")
        )
        if outcome.error is not None:
            table.add_row(cell(outcome.task), cell("failed"), *[cell("")] * 6)
            continue
        first = True
        for split, subsets in outcome.subsets.items():
            for subset, score in subsets.items():
                names = (outcome.task, outcome.measure) if first else ("", "")
                table.add_row(
                    *map(cell, (*names, split, subset, f"{score:.5f}", *(work if first else ("", "", ""))))
                )
                first = False
    wide_console().print(table)
    encoded = sum(outcome.counts.encoded for outcome in judged.outcomes if outcome.counts)
    echo()
    echo(f"{count(encoded, 'text')} encoded. {judged.folder}")
    for outcome in judged.failed:
        echo(f"failed: {outcome.error}; the traceback is in {judged.folder / 'run.json'}")


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
        encoder = _encoder(chosen, settings)
    except YoutuError as error:
        say("eval", f"how long it takes is not known, as the model cannot be loaded: {error}")
        return
    with loading("measuring ..."):
        seconds = seconds_of(encoder, chosen.planned)
    how = f"{encoder.runtime['dtype']} on {encoder.runtime['device']}"
    echo(f"about {duration(seconds)} of encoding on this machine ({how})")
