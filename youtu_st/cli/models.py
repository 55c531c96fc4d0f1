"""``youtu-st models`` and ``youtu-st convert``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from youtu_st.cli.console import TrustRemoteCode, UsageError, absolute_model, importing, quiet, status

if TYPE_CHECKING:
    from rich.table import Table

LIST_EXAMPLE = "Example: youtu-st models --json"
CONVERT_EXAMPLE = "Example: youtu-st convert youtu-embedding --checkpoint Youtu-Embedding/ --out model/"
WIDE = 200
ENCODERS = ("embedding model", "dimension", "max length", "attention", "pooling", "licence", "hub id")
RERANKERS = ("reranker", "max length", "licence", "hub id")


def models(
    as_json: Annotated[bool, typer.Option("--json", help="All that is known, as JSON.")] = False,
) -> None:
    """List the models that go by a name."""
    from youtu_st.spec.model import known_models, load_spec
    from youtu_st.spec.reranker import known_rerankers, load_reranker_spec

    encoders = [load_spec(name) for name in known_models()]
    rerankers = [load_reranker_spec(name) for name in known_rerankers()]
    if as_json:
        records = [
            {"kind": kind, **spec.model_dump(mode="json", exclude={"examples"})}
            for kind, specs in (("embedding", encoders), ("reranker", rerankers))
            for spec in specs
        ]
        typer.echo(json.dumps(records, ensure_ascii=False, indent=2))
        return
    _print_table(
        ENCODERS,
        [
            (
                spec.name,
                f"{spec.dimension:,}",
                f"{spec.max_length:,}",
                spec.attention,
                spec.pooling,
                spec.license,
                spec.hub_id,
            )
            for spec in encoders
        ],
    )
    typer.echo()
    _print_table(
        RERANKERS, [(spec.name, f"{spec.max_length:,}", spec.license, spec.hub_id) for spec in rerankers]
    )


def _print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print one table, or, where the terminal is too narrow, the hub ids in a second one."""
    from rich.console import Console
    from rich.measure import Measurement

    # Piped, a model is one line, however long.
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    table = _table(titles, rows)
    needed = Measurement.get(console, console.options.update(width=WIDE), table).maximum
    if needed <= console.width:
        console.print(table)
        return
    console.print(_table(titles[:-1], [row[:-1] for row in rows]))
    console.print()
    console.print(_table((titles[0], titles[-1]), [(row[0], row[-1]) for row in rows]))


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for title in titles:
        table.add_column(
            title,
            justify="right" if title in ("dimension", "max length") else "left",
            style="bold" if title == titles[0] else "",
            no_wrap=True,
        )
    for row in rows:
        table.add_row(*row)
    return table


def convert(
    model: Annotated[str, typer.Argument(metavar="NAME", help="A model's name, or a spec's .yaml file.")],
    checkpoint: Annotated[
        str, typer.Option(metavar="DIR", help="The raw checkpoint: a directory or a hub id.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write; absent or empty.")],
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Turn a raw checkpoint into a sentence-transformers directory."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is not an empty directory: nothing is overwritten")
    name = absolute_model(model)
    with status(f"converting {checkpoint} ..."):
        with importing():
            from youtu_st.loading.load import convert as write

            quiet()
        write(name, checkpoint=checkpoint, out=out, trust_remote_code=trust_remote_code)
    typer.echo(f"{name} -> {out}")
