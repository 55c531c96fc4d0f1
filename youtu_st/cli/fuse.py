"""``youtu-st fuse``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.cli.console import (
    EncoderName,
    cell,
    count,
    echo,
    loading,
    plain_table,
    print_json,
    wide_console,
)

if TYPE_CHECKING:
    from youtu_st.training.fusion.figures import TaskRows

EXAMPLE = "Example: youtu-st fuse minilm tuned-ir tuned-sts --out fused --weight 1 --weight 0.5"


def fuse(
    base: EncoderName,
    checkpoints: Annotated[
        list[str], typer.Argument(metavar="CHECKPOINT...", help="Directories of models tuned from it.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write the model.")],
    method: Annotated[
        str, typer.Option(metavar="NAME", help="delta, soup, task-arithmetic, or one of mergekit's.")
    ] = "delta",
    weight: Annotated[
        list[float] | None,
        typer.Option(metavar="W", help="Of a checkpoint: once for each, in order; default: 1."),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="JSONL", help="Rows on which to compare all models; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Fuse fine-tuned checkpoints of one model into one, a tensor at a time.

    delta: each element is most that checkpoint's which moved it farthest from the base (CoDiEmb). soup: the
    mean of the checkpoints. task-arithmetic: the base and all differences.
    """
    with loading("loading the libraries ..."):
        from youtu_st.training.fusion import fuse as fuse_models
        from youtu_st.training.fusion.figures import read_tasks

        tasks = read_tasks(data or [])
    fuse_models(
        base, checkpoints, out=out, method=method, weights=weight or None, progress=sys.stderr.isatty()
    )
    if not as_json:
        echo(f"fused {count(len(checkpoints), 'checkpoint')} by {method} -> {out}")
    rows = [("base", base), *(("checkpoint", name) for name in checkpoints), ("result", str(out))]
    found = [(role, name, _figures(name, tasks)) for role, name in rows] if tasks else []
    if as_json:
        print_json(_as_json(out, method, weight or [1.0] * len(checkpoints), tasks, found))
    elif tasks:
        _print(tasks, found)


def _figures(name: str, tasks: list[TaskRows]) -> list[float | None]:
    from youtu_st.encoder import Encoder
    from youtu_st.training.fusion.figures import figures

    with loading(f"encoding with {name} ..."):
        return figures(Encoder(name), tasks)


def _as_json(out: Path, method: str, weights: list[float], tasks: list[TaskRows], found: Any) -> Any:
    return {
        "out": str(out),
        "method": method,
        "weights": weights,
        "figures": [
            {
                "role": role,
                "model": name,
                "data": [
                    {
                        "file": str(part.path),
                        "task": part.task,
                        "measure": part.measure,
                        "rows": len(part.rows),
                        "value": value,
                    }
                    for part, value in zip(tasks, values, strict=True)
                ],
            }
            for role, name, values in found
        ],
    }


def _print(tasks: list[TaskRows], found: Any) -> None:
    titles = [part.title for part in tasks]
    table = plain_table(["", "model", *titles], right=titles)
    for role, name, values in found:
        shown = ["-" if value is None else f"{value:.4f}" for value in values]
        table.add_row(*map(cell, [role, name, *shown]))
    wide_console().print(table)
