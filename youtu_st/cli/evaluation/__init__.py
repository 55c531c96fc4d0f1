"""``youtu-st eval``: what a model's vectors are worth, on published data sets and on one's own."""

from __future__ import annotations

import typer

from youtu_st.cli.evaluation import report

app = typer.Typer(help="Judge a model: published benchmarks, your own data, passages.", no_args_is_help=True)
app.command("report", epilog=report.EXAMPLE)(report.report)
