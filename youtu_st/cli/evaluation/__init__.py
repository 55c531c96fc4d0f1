"""``youtu-st eval``: what a model's vectors are worth, on published data sets and on one's own."""

from __future__ import annotations

import typer

from youtu_st.cli.evaluation import retrieval

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def evaluation() -> None:
    """Judge a model: published benchmarks, your own data, passages."""


app.command("retrieval", epilog=retrieval.EXAMPLE)(retrieval.retrieval)
