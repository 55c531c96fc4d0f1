"""``youtu-st index stats``: how the vectors of an index lie, without a label and without a model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.cli.console import Checkpoint, TrustRemoteCode, UsageError, echo, print_json, status
from youtu_st.cli.reading import check_out
from youtu_st.errors import IndexNotFoundError, brief

if TYPE_CHECKING:
    from youtu_st.evaluation.geometry.measures import Geometry
    from youtu_st.index import Recall, Sample

EXAMPLE = "Example: youtu-st index stats notes.index --plot notes.png"
SAMPLE = 5_000
QUERIES = 200
"""Passages that are searched for, to see what an index that is not exact does not find."""


def stats(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The index.")],
    sample: Annotated[int, typer.Option(metavar="N", help="Most passages to look at.")] = SAMPLE,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw a figure: .png, .svg or .pdf.")
    ] = None,
    encode: Annotated[
        bool,
        typer.Option(
            "--encode",
            help="Encode all passages again, to see what an index that keeps less than the vectors loses.",
        ),
    ] = False,
    checkpoint: Checkpoint = None,
    trust_remote_code: TrustRemoteCode = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show how the vectors lie: copies, hubs, the directions that they use, and what to do about it.

    Of an index that is not exact, how much of what an exact search finds it finds of its own passages.
    """
    from youtu_st.evaluation.geometry.advice import advice
    from youtu_st.evaluation.geometry.measures import geometry
    from youtu_st.inputs import check_count

    check_count("--sample", sample)
    if plot is not None:
        _check_plot(plot)
    with status(f"reading {directory} ..."):
        drawn = _drawn(directory, sample)
        if len(drawn.documents) < 3:
            there = f"here are {len(drawn.documents)}"
            raise UsageError(f"{directory}: neighbours are counted among at least 3 passages, and {there}")
        texts = [document.text for document in drawn.documents]
        found = geometry(drawn.vectors, list(map(len, texts)))
    recall = _recall(directory, min(sample, QUERIES), encode, checkpoint, trust_remote_code)
    told = advice(found, [document.id for document in drawn.documents], texts)
    if plot is not None:
        from youtu_st.evaluation.geometry.figure import write_figure

        write_figure(found, plot)
    if as_json:
        print_json(_values(found, drawn, recall, told))
        return
    _print(found, drawn, recall, told)
    if plot is not None:
        echo(f"drawn to {plot}")


def _check_plot(plot: Path) -> None:
    from youtu_st.errors import require
    from youtu_st.evaluation.geometry.figure import SUFFIXES

    if plot.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--plot must end in {', '.join(SUFFIXES)}, not {brief(plot.suffix or plot.name)}")
    check_out(plot, "--plot")
    require("matplotlib", "eval")


def _drawn(directory: Path, most: int) -> Sample:
    from youtu_st.index import sample_documents

    try:
        return sample_documents(directory, most)
    except IndexNotFoundError as error:
        raise UsageError(
            f"there is no index in {directory}. Make one with: youtu-st index build PATH --out {directory}"
        ) from error


def _recall(
    directory: Path, most: int, encode: bool, checkpoint: str | None, trust_remote_code: bool
) -> Recall | None:
    from youtu_st.index import measure_recall, read_manifest

    encoder = None
    if encode:
        from youtu_st.cli.opening import encoder_for

        encoder = encoder_for(
            directory,
            read_manifest(directory),
            model=None,
            checkpoint=checkpoint,
            trust_remote_code=trust_remote_code,
        )
    with status("encoding all passages ..." if encode else "searching ..."):
        return measure_recall(directory, most, encoder=encoder)


def _values(found: Geometry, drawn: Sample, recall: Recall | None, told: list[str]) -> dict[str, Any]:
    return {
        "passages": drawn.total,
        "sample": found.points,
        "dimension": found.dimension,
        "duplicates": found.duplicates,
        "near_copies": found.near,
        "k": found.k,
        "most_frequent_neighbour": {"id": drawn.documents[found.hub].id, "occurrences": found.most},
        "skewness": found.skewness,
        "mean_cosine": found.mean_cosine,
        "dimensions_of_90_percent": found.carrying,
        "length_correlation": found.length_correlation,
        "recall": None if recall is None else asdict(recall),
        "advice": told,
    }


def _lost(recall: Recall | None) -> list[tuple[str, str]]:
    if recall is None:
        return []
    others = {
        "vectors": "an exact search",
        "stored vectors": "an exact search of the vectors as stored",
        "texts encoded again": "an exact search of the texts, encoded again,",
    }
    found = f"{recall.recall:.3f} of what {others[recall.compared]} finds, of {recall.queries:,} passages"
    if recall.compared == "stored vectors":
        found += "; what storing them lost is not in it: see --encode"
    took = f"{recall.milliseconds:.2f} ms a query, {recall.exact_milliseconds:.2f} ms exactly"
    return [(f"recall@{recall.k}", found), ("search", took)]


def _print(found: Geometry, drawn: Sample, recall: Recall | None, told: list[str]) -> None:
    by = found.length_correlation
    share = f"{found.most / found.points:.1%}"
    for name, value in (
        ("passages", f"{found.points:,}" + (f" of {drawn.total:,}" if found.points < drawn.total else "")),
        ("duplicates", f"{found.duplicates:,}"),
        ("near copies", f"{found.near:,}"),
        ("hubness", f"skewness {found.skewness:.2f}; at most among the {found.k} nearest of {share}"),
        ("mean cosine", f"{found.mean_cosine:.3f}"),
        ("spectrum", f"{found.carrying} of {found.dimension} dimensions carry 90 %"),
        ("length", "no relation to tell" if by is None else f"Spearman {by:+.2f} with being found"),
        *_lost(recall),
    ):
        echo(f"{name:<12} {value}")
    for line in told or ["nothing is out of the ordinary"]:
        echo(f"- {line}")
