"""``youtu-st eval``: what a model's vectors are worth, on published data sets and on one's own."""

from __future__ import annotations

import typer

from youtu_st.cli.evaluation import chunks, plan, prompts, report, retrieval, run

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, epilog=run.EXAMPLE)


@app.callback()
def evaluation() -> None:
    """Judge a model: published benchmarks, your own data, passages."""


app.command("prompts", epilog=prompts.EXAMPLE)(prompts.prompts)
app.command("plan", epilog=plan.EXAMPLE)(plan.plan)
app.command("run", epilog=run.EXAMPLE)(run.run)
app.command("report", epilog=report.EXAMPLE)(report.report)
app.command("retrieval", epilog=retrieval.EXAMPLE)(retrieval.retrieval)
app.command("chunks", epilog=chunks.EXAMPLE)(chunks.chunks)
