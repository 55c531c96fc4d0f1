"""``youtu-st index stats``: how the vectors of an index lie, without a label and without a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.cli.console import UsageError, echo, print_json, status
from youtu_st.cli.reading import check_out
from youtu_st.errors import IndexNotFoundError, brief

if TYPE_CHECKING:
    from youtu_st.evaluation.geometry.measures import Geometry
    from youtu_st.index import Sample

EXAMPLE = "Example: youtu-st index stats notes.index --plot notes.png"
SAMPLE = 5_000


def stats(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The index.")],
    sample: Annotated[int, typer.Option(metavar="N", help="Most passages to look at.")] = SAMPLE,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw a figure: .png, .svg or .pdf.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show how the vectors lie: copies, hubs, the directions that they use, and what to do about it."""
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
    told = advice(found, [document.id for document in drawn.documents], texts)
    if plot is not None:
        from youtu_st.evaluation.geometry.figure import write_figure

        write_figure(found, plot)
    if as_json:
        print_json(_values(found, drawn, told))
        return
    _print(found, drawn, told)
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


def _values(found: Geometry, drawn: Sample, told: list[str]) -> dict[str, Any]:
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
        "advice": told,
    }


def _print(found: Geometry, drawn: Sample, told: list[str]) -> None:
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
    ):
        echo(f"{name:<12} {value}")
    for line in told or ["nothing is out of the ordinary"]:
        echo(f"- {line}")
