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
    model_names,
    plain_table,
    print_json,
    wide_console,
)
from youtu_st.cli.loaded import SplitSpecialTokens

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from youtu_st.spec.registry import Published

LIST_EXAMPLE = "Example: youtu-st models --json"
CONVERT_EXAMPLE = "Example: youtu-st convert youtu-embedding --checkpoint Youtu-Embedding/ --out model/"
KNOWN = ("languages", "parameters", "download")
ENCODERS = ("embedding model", *KNOWN, "dimension", "max length", "licence", "hub id")
RERANKERS = ("reranker", *KNOWN, "max length", "licence", "hub id")
NUMBERS = ("parameters", "download", "dimension", "max length")


def models(
    as_json: Annotated[bool, typer.Option("--json", help="All that is known, as JSON.")] = False,
) -> None:
    """List the models that go by a name, with their languages and sizes."""
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
    _print_table(ENCODERS, [(*_known(s), s.dimension, s.max_length, s.license, s.hub_id) for s in encoders])
    echo()
    _print_table(RERANKERS, [(*_known(s), s.max_length, s.license, s.hub_id) for s in rerankers])


def _known(spec: Published) -> tuple[str, ...]:
    """Name, languages, parameters and weights, as a person would write them."""
    return (
        spec.name,
        " ".join(spec.languages),
        _amount(spec.million_parameters, "M", "B"),
        _amount(spec.download_mb, " MB", " GB"),
    )


def _amount(millions: float | None, unit: str, thousand: str) -> str:
    if millions is None:
        return ""
    return f"{millions:.3g}{unit}" if millions < 1000 else f"{millions / 1000:.2g}{thousand}"


def _print_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print one table, or, where the terminal is too narrow, several, each with the names first."""
    console, first = wide_console(), 1
    while first < len(titles):
        last = len(titles)
        while not (fits := _fits(console, _columns(titles, rows, first, last))) and last > first + 1:
            last -= 1
        if first > 1:
            console.print()
        console.print(_columns(titles, rows, first, last, wrap=not fits))
        first = last


def _fits(console: Console, table: Table) -> bool:
    from rich.measure import Measurement

    return Measurement.get(console, console.options.update(width=WIDE), table).maximum <= console.width


def _columns(
    titles: Sequence[str], rows: Sequence[Sequence[object]], first: int, last: int, *, wrap: bool = False
) -> Table:
    """The names, and the columns from ``first`` up to ``last``."""
    made = plain_table((titles[0], *titles[first:last]), right=NUMBERS, wrap=wrap)
    made.columns[0].style = "bold"
    for name, *row in rows:
        cells = (name, *row[first - 1 : last - 1])
        made.add_row(*(cell(f"{value:,}" if isinstance(value, int) else value) for value in cells))
    return made


def convert(
    model: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A model's name, or a spec's .yaml file.", autocompletion=model_names
        ),
    ],
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
        from youtu_st.loading.loader import convert as write

        write(
            name,
            checkpoint=checkpoint,
            out=out,
            trust_remote_code=trust_remote_code,
            split_special_tokens=split_special_tokens,
        )
    echo(f"{name} -> {out}")
