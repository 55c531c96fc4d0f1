"""``youtu-st index copy``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from youtu_st.cli.console import count, echo, print_json, status

if TYPE_CHECKING:
    from youtu_st.scale.copying import Proof

EXAMPLE = (
    "Example: youtu-st index copy vectors/ lancedb:db#passages\n\n"
    "DIR is an index, or a folder from youtu-st embed. Databases are lancedb:PATH#table, "
    "milvus:FILE.db#collection, qdrant:PATH#collection, and milvus: or qdrant: with "
    "http://HOST:PORT#collection; keys come from MILVUS_TOKEN and QDRANT_API_KEY."
)


def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help="A directory, or a database: see below.")],
    destination: Annotated[str, typer.Argument(metavar="TO", help="Likewise, and new.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a copy that was ended.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="What was compared, as JSON.")] = False,
) -> None:
    """Copy rows with their vectors into another store, and compare.

    The exit code is 1 where something has not arrived as it was.
    """
    with status(f"opening {source} ...") as spinner:
        from youtu_st.scale.copying import copy_rows

        def report(what: str, done: int, total: int) -> None:
            spinner.update(f"{what}: {done:,} of {count(total, 'row')}")

        proof = copy_rows(source, destination, resume=resume, report=report)
    if as_json:
        print_json({"ok": proof.holds, **asdict(proof)})
    else:
        _print(proof, destination)
    if not proof.holds:
        raise typer.Exit(1)


def _print(proof: Proof, destination: str) -> None:
    there = proof.source - proof.written
    before = f", {there:,} were there" if there else ""
    echo(f"copied {count(proof.written, 'row')}{before} -> {destination}")
    equal = "=" if proof.source == proof.destination else "and not"
    echo(f"rows      {proof.source:,} {equal} {proof.destination:,}")
    others = f"{proof.different:,} are not what they were" if proof.different else "all as they were"
    echo(f"compared  {proof.compared:,}: {others}, vectors differ by at most {proof.difference:.2g}")
    echo(f"searches  {proof.queries:,}: overlap of the exact top ten {proof.overlap:.4f}")
    if not proof.holds:
        echo("The copy is not what the source is.")
