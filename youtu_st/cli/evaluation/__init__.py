"""``youtu-st eval``: what a model's vectors are worth, on published data sets and on one's own."""

from __future__ import annotations

import typer

from youtu_st.cli.evaluation import prompts, run

app = typer.Typer(help="Judge a model: published benchmarks, your own data, passages.", no_args_is_help=True)
app.command("prompts", epilog=prompts.EXAMPLE)(prompts.prompts)
app.command("plan", epilog=run.PLAN_EXAMPLE)(run.plan)
app.command("run", epilog=run.RUN_EXAMPLE)(run.run)
