"""``youtu-st index explore``: the passages of an index as one page to look at, without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from youtu_st.cli.console import UsageError, count, echo, say, status
from youtu_st.cli.opening import manifest_of
from youtu_st.cli.reading import check_out

EXAMPLE = "Example: youtu-st index explore notes.index --out notes.html"
MOST = 10_000
LIMIT = 50_000
"""Passages that a browser still moves about."""


def explore(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The index.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The page to write, of HTML.")],
    most: Annotated[int, typer.Option("--max", metavar="N", help="Most passages to show.")] = MOST,
    color: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="The field of the metadata that colours them; default: source."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file that is there.")] = False,
) -> None:
    """Draw a map of the passages, with a search by words: one page that needs no network."""
    from youtu_st.disk import write_whole
    from youtu_st.errors import InputError
    from youtu_st.index import sample_documents
    from youtu_st.index.exploring import page
    from youtu_st.inputs import check_count

    check_count("--max", most)
    if most > LIMIT:
        raise UsageError(f"--max must be at most {LIMIT:,}, which a browser still moves about, not {most:,}")
    check_out(out)
    if out.exists() and not force:
        raise UsageError(f"{out} is there already: --force replaces it")
    manifest = manifest_of(directory)
    with status(f"reading {directory} ...") as spinner:
        drawn = sample_documents(directory, most)
        if not drawn.documents:
            raise UsageError(f"{directory}: there is no passage in it")
        passages = count(len(drawn.documents), "passage")
        try:
            html = page(
                drawn,
                directory.resolve().name,
                model=manifest.model,
                color=color,
                report=lambda what, share: spinner.update(f"{what} {passages}: {share:.0%}"),
            ).encode()
        except InputError as error:
            raise UsageError(f"{directory}: {error}") from error
    write_whole(out, html)
    if len(drawn.documents) < drawn.total:
        say("note", f"the page shows {passages} of {drawn.total:,}, drawn by lot; --max shows more")
    echo(f"{passages} -> {out} ({len(html) / 1e6:,.1f} MB)")
