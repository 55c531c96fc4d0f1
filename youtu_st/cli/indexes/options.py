"""Options that several commands over an index have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from youtu_st.cli.console import model_names

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The index.")]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="A name, a directory, a hub id or a .yaml file.",
        autocompletion=model_names,
    ),
]
