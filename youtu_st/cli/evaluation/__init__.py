"""``youtu-st eval``: what a model's vectors are worth, on published data sets and on one's own."""

from __future__ import annotations

import typer

from youtu_st.cli.evaluation import chunks

app = typer.Typer(help="Judge a model: published benchmarks, your own data, passages.", no_args_is_help=True)
app.command("chunks", epilog=chunks.EXAMPLE)(chunks.chunks)
