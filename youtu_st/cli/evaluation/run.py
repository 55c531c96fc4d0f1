"""``youtu-st eval run``."""

from __future__ import annotations

from collections.abc import Mapping
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
    plain_table,
    print_json,
    reranker_names,
    say,
    wide_console,
)
from youtu_st.cli.evaluation.chosen import Chosen, check_instructions, choose
from youtu_st.cli.evaluation.loaded import attention_of, blank_vector, load_for, prompts_with_own
from youtu_st.cli.evaluation.options import (
    RESULTS,
    AllowMissing,
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
from youtu_st.cli.evaluation.progress import Progress
from youtu_st.cli.reading import check_folder

VECTORS = "evaluation"
"""The folder of the cache that vectors are kept in."""

if TYPE_CHECKING:
    from youtu_st.evaluation.benchmark.judging import Judgement

EXAMPLE = (
    "Example: youtu-st eval run --model minilm --data STSBenchmark=stsbenchmark. A run that was stopped goes "
    "on by the same line."
)


def run(
    model: ModelOption = DEFAULT_MODEL,
    benchmark: Benchmark = None,
    tasks: Tasks = None,
    languages: LanguageCodes = None,
    splits: Splits = None,
    data: Data = None,
    allow_missing: AllowMissing = False,
    profile: ProfileName = None,
    out: Out = RESULTS,
    checkpoint: Checkpoint = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Texts or queries of each split: partial results.")
    ] = None,
    dimensions: Annotated[int | None, typer.Option(metavar="N", help="Cut vectors to this length.")] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="int8", help="Round the weights; by OpenVINO.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="A,B", help="cpu, cuda, cuda:0,cuda:1; default: the best there is.")
    ] = None,
    cache_size: Annotated[
        str, typer.Option(metavar="SIZE", help="What vectors may take in the cache.")
    ] = "20G",
    strict: Strict = False,
    rerank: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A reranker, over the results of --first.", autocompletion=reranker_names
        ),
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
    check_folder(out)
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
            allow_missing=allow_missing,
            out=out,
            checkpoint=checkpoint,
            device=listed([device or ""]),
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
        allow_missing=allow_missing,
    )
    check_instructions(chosen, strict=strict)
    from youtu_st.disk import cache_directory
    from youtu_st.evaluation.benchmark.plan import check_present

    check_present(chosen.planned)
    experiment = {"dimensions": dimensions, "weights": weights}
    judged = _judged(
        chosen,
        {
            "checkpoint": checkpoint,
            "backend": "torch" if weights is None else "openvino",
            "weights": weights,
            "device": _device(device),
            "dimensions": dimensions,
            "trust_remote_code": trust_remote_code,
        },
        out=out,
        limit=limit,
        experiment={name: value for name, value in experiment.items() if value is not None},
        cache=cache_directory() / VECTORS,
        cache_size=size,
    )
    as_published = limit is None and dimensions is None and weights is None
    _finish(judged, as_json, chosen.filed if as_published else "", chosen.revisions)


def _device(given: str | None) -> str | list[str] | None:
    devices = listed([given or ""])
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

    encoder = load_for(chosen, settings)
    differ = differences(
        chosen.profile, encoder.runtime, attention=attention_of(encoder), max_length=encoder.max_length
    )
    for sentence in differ:
        say("eval", sentence)
    told = Plan(
        model=chosen.filed,
        tasks=chosen.tasks,
        prompts=prompts_with_own(chosen, encoder),
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


def _finish(judged: Judgement, as_json: bool, model: str = "", data: Mapping[str, str] | None = None) -> None:
    if as_json:
        told = [
            {**asdict(each), "counts": asdict(each.counts) if each.counts else None}
            for each in judged.outcomes
        ]
        print_json({"folder": str(judged.folder), "revision": judged.revision, "tasks": told})
    else:
        _print_outcomes(judged, model, data or {})
    if judged.failed:
        raise typer.Exit(1)


def _print_outcomes(judged: Judgement, model: str, data: Mapping[str, str]) -> None:
    """The table of scores; beside them what was published of the model, where something was.

    Args:
        judged: What came of the run.
        model: The name or hub id that published scores go by; ``""``: scores of other settings, or partial.
        data: By task, the revision or digest of its data: another is not compared.
    """
    from youtu_st.evaluation.report.published import is_published_data, name_of, score_of

    named = name_of(model)
    rows = []
    for outcome in judged.outcomes:
        counts = outcome.counts
        known = named if is_published_data(outcome.task, data.get(outcome.task, "")) else ""
        work = [f"{counts.encoded:,}", f"{outcome.seconds:,.0f}"] if counts else ["0", "0"]
        scores = [(split, *each) for split, subsets in outcome.subsets.items() for each in subsets.items()]
        if outcome.error is not None:
            rows.append([outcome.task, "failed", *[""] * 7])
        for number, (split, subset, score) in enumerate(scores):
            told = score_of(known, outcome.task, split, subset, alone=len(scores) == 1)
            beside = ["", ""] if told is None else [f"{told:.6f}", f"{score - told:+.6f}"]
            names, cost = ([outcome.task, outcome.measure], work) if not number else (["", ""], ["", ""])
            rows.append([*names, split, subset, f"{score:.6f}", *beside, *cost])
    shown = [True] * 5 + [any(row[5] for row in rows)] * 2 + [True] * 2
    titles = ("task", "measure", "split", "subset", "score", "published", "difference", "encoded", "seconds")
    table = plain_table(
        [title for title, is_shown in zip(titles, shown, strict=True) if is_shown], right=titles[4:]
    )
    for row in rows:
        table.add_row(*(cell(value) for value, is_shown in zip(row, shown, strict=True) if is_shown))
    wide_console().print(table)
    from youtu_st.evaluation.benchmark.results import RUN

    encoded = sum(outcome.counts.encoded for outcome in judged.outcomes if outcome.counts)
    echo()
    echo(f"{count(encoded, 'text')} encoded. {judged.folder}")
    for outcome in judged.failed:
        echo(f"failed: {outcome.error}; the traceback is in {judged.folder / RUN}")
