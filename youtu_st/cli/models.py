"""``youtu-st models`` and ``youtu-st convert``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from youtu_st.cli.console import (
    WIDE,
    TrustRemoteCode,
    UsageError,
    absolute_model,
    cell,
    echo,
    loading,
    plain_table,
    print_json,
    wide_console,
)
from youtu_st.cli.loaded import SplitSpecialTokens

if TYPE_CHECKING:
    from rich.table import Table

LIST_EXAMPLE = "Example: youtu-st models --json"
CONVERT_EXAMPLE = "Example: youtu-st convert youtu-embedding --checkpoint Youtu-Embedding/ --out model/"
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
        print_json(
            [
                {"kind": kind, **spec.model_dump(mode="json", exclude={"examples"})}
                for kind, specs in (("embedding", encoders), ("reranker", rerankers))
                for spec in specs
            ]
        )
        return
    rows = [
        (s.name, s.dimension, s.max_length, s.attention, s.pooling, s.license, s.hub_id) for s in encoders
    ]
    _print_table(ENCODERS, rows)
    echo()
    _print_table(RERANKERS, [(s.name, s.max_length, s.license, s.hub_id) for s in rerankers])


def _print_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print one table, or, where the terminal is too narrow, the hub ids in a second one."""
    from rich.measure import Measurement

    console, whole = wide_console(), _filled(titles, rows)
    if Measurement.get(console, console.options.update(width=WIDE), whole).maximum <= console.width:
        console.print(whole)
        return
    console.print(_filled(titles[:-1], [row[:-1] for row in rows]))
    console.print()
    console.print(_filled((titles[0], titles[-1]), [(row[0], row[-1]) for row in rows]))


def _filled(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    made = plain_table(titles, right=("dimension", "max length"), wrap=False)
    made.columns[0].style = "bold"
    for row in rows:
        made.add_row(*(cell(f"{value:,}" if isinstance(value, int) else value) for value in row))
    return made


def convert(
    model: Annotated[str, typer.Argument(metavar="NAME", help="A model's name, or a spec's .yaml file.")],
    checkpoint: Annotated[
        str, typer.Option(metavar="DIR", help="The raw checkpoint: a directory or a hub id.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write; absent or empty.")],
    split_special_tokens: SplitSpecialTokens = False,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Turn a raw checkpoint into a sentence-transformers directory."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is not an empty directory: nothing is overwritten")
    name = absolute_model(model)
    with loading(f"converting {checkpoint} ..."):
        from youtu_st.loading.load import convert as write

        write(
            name,
            checkpoint=checkpoint,
            out=out,
            trust_remote_code=trust_remote_code,
            split_special_tokens=split_special_tokens,
        )
    echo(f"{name} -> {out}")
