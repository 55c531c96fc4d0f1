"""``youtu-st index merge``: several indexes as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from youtu_st.cli.console import UsageError, count, echo, status
from youtu_st.cli.opening import manifest_of

EXAMPLE = "Example: youtu-st index merge monday.index tuesday.index --out week.index"


def merge(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR", help="Indexes of one model.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The index of all of them, new.")],
    keep: Annotated[
        str | None,
        typer.Option(metavar="first|last", help="Which of two passages with one id; default: an error."),
    ] = None,
    factory: Annotated[
        str | None, typer.Option(metavar="STRING", help="FAISS factory; default: the first index's.")
    ] = None,
) -> None:
    """Put indexes of one model together into a new one. No model is loaded."""
    from youtu_st.index.exchange import merge_indexes

    if keep not in (None, "first", "last"):
        raise UsageError(f"--keep must be first or last, not {keep!r}")
    for directory in directories:
        manifest_of(directory)
    chosen: Any = keep
    with status("merging ...") as spinner:
        done = merge_indexes(
            directories,
            out,
            keep=chosen,
            factory=factory,
            report=lambda through, total: spinner.update(
                f"writing: {through:,} of {count(total, 'passage')}"
            ),
        )
    left = f", {done.left_out:,} of ids that are there twice left out" if done.left_out else ""
    echo(f"merged {count(done.documents, 'passage')} of {len(directories):,} indexes{left} -> {out}")
