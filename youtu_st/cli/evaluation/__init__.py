"""``youtu-st eval``: what a model's vectors are worth, on published data sets and on one's own."""

from __future__ import annotations

import typer

from youtu_st.cli.evaluation import plan, prompts, run

app = typer.Typer(help="Judge a model: published benchmarks, your own data, passages.", no_args_is_help=True)
app.command("prompts", epilog=prompts.EXAMPLE)(prompts.prompts)
app.command("plan", epilog=plan.EXAMPLE)(plan.plan)
app.command("run", epilog=run.EXAMPLE)(run.run)
