"""``youtu-st index export``: documents and vectors of an index in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from youtu_st.cli.console import count, echo, status
from youtu_st.cli.opening import manifest_of
from youtu_st.cli.reading import check_out

EXAMPLE = "Example: youtu-st index export notes.index --to notes.parquet"


def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The index.")],
    to: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help=".parquet, .jsonl, or .npy: vectors, with a .jsonl of texts beside."
        ),
    ],
) -> None:
    """Write all documents of an index with their vectors to a file. No model is loaded."""
    from youtu_st.index.exchange import export_index
    from youtu_st.index.exchange.exporting import check_target

    manifest_of(directory)
    check_target(to)
    check_out(to, "--to")
    beside = to.with_suffix(".jsonl") if to.suffix.lower() == ".npy" else None
    if beside is not None:
        check_out(beside, "--to")
    with status(f"exporting {directory} ...") as spinner:
        total = export_index(
            directory,
            to,
            report=lambda done, total: spinner.update(f"writing: {done:,} of {count(total, 'passage')}"),
        )
    texts = f", texts and ids -> {beside}" if beside else ""
    echo(f"exported {count(total, 'passage')} -> {to}{texts}")
