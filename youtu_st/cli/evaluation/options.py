"""Options that commands of ``youtu-st eval`` share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from youtu_st.cli.console import UsageError, model_names

ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="NAME",
        help="A name, a directory, a hub id or a .yaml file.",
        autocompletion=model_names,
    ),
]
Benchmark = Annotated[
    str | None, typer.Option("--benchmark", metavar="NAME", help="One of mteb's, such as 'MTEB(cmn, v1)'.")
]
Tasks = Annotated[
    list[str] | None, typer.Option("--tasks", metavar="A,B", help="Names of tasks of mteb; may be repeated.")
]
LanguageCodes = Annotated[
    list[str] | None,
    typer.Option("--languages", metavar="A,B", help="Codes such as eng,zho: tasks in one of them."),
]
Splits = Annotated[
    list[str] | None,
    typer.Option("--splits", metavar="A,B", help="Splits, as test, or TASK=test for one task."),
]
Data = Annotated[
    list[str] | None,
    typer.Option(
        "--data", metavar="NAME=PATH", help="Data of a task that lies here; a folder of known ones."
    ),
]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="Count judged documents that are not there as not found.")
]
ProfileName = Annotated[
    str | None,
    typer.Option("--profile", metavar="NAME", help="published (where there is one), plain, or a .yaml file."),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="A task without an instruction of the authors is an error.")
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where results are kept, in mteb's layout.")]
RESULTS = Path("eval-results")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def listed(given: Sequence[str] | None) -> list[str]:
    """Names that were given with commas between them, or one by one."""
    return [name.strip() for each in given or () for name in each.split(",") if name.strip()]


def bytes_of(option: str, given: str) -> int:
    """A size such as ``500M`` or ``20G``.

    Raises:
        UsageError: If it is none.
    """
    found = re.fullmatch(r"(\d+)\s*([KMGT]?)(i?B)?", given.strip(), flags=re.IGNORECASE)
    if found is None or not int(found[1]):
        raise UsageError(f"{option} must be a size such as 500M or 20G, not {given!r}")
    return int(found[1]) * _UNITS[found[2].upper()]
