"""``youtu-st index``: build, search, look at, check and exchange an index."""

from __future__ import annotations

import typer

from youtu_st.cli.indexes import (
    build,
    check,
    copy,
    documents,
    explore,
    exporting,
    importing,
    info,
    merging,
    search,
    stats,
    upgrade,
)

EXAMPLE = build.EXAMPLE

app = typer.Typer(rich_markup_mode=None, epilog=EXAMPLE)


@app.callback()
def index() -> None:
    """Build and search an index of files."""


app.command("build", epilog=build.EXAMPLE)(build.build)
app.command("search", epilog=search.EXAMPLE)(search.search)
app.command("info", epilog=info.EXAMPLE)(info.info)
app.command("copy", epilog=copy.EXAMPLE)(copy.copy)
app.command("import", epilog=importing.EXAMPLE)(importing.import_documents)
app.command("export", epilog=exporting.EXAMPLE)(exporting.export)
app.command("list", epilog=documents.LIST_EXAMPLE)(documents.list_documents)
app.command("show", epilog=documents.SHOW_EXAMPLE)(documents.show)
app.command("delete", epilog=documents.DELETE_EXAMPLE)(documents.delete)
app.command("merge", epilog=merging.EXAMPLE)(merging.merge)
app.command("check", epilog=check.EXAMPLE)(check.check)
app.command("stats", epilog=stats.EXAMPLE)(stats.stats)
app.command("upgrade", epilog=upgrade.EXAMPLE)(upgrade.upgrade)
app.command("explore", epilog=explore.EXAMPLE)(explore.explore)
