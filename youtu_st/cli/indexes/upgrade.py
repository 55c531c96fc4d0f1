"""``youtu-st index upgrade``: an index of an earlier release in the format of this one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from youtu_st.cli.console import count, echo, status
from youtu_st.cli.opening import manifest_of

EXAMPLE = "Example: youtu-st index upgrade notes.index"


def upgrade(directory: Annotated[Path, typer.Argument(metavar="DIR", help="The index.")]) -> None:
    """Bring an index up to date: one of an earlier release is then searched by words too."""
    from youtu_st.index import count_documents, upgrade_index
    from youtu_st.index.storage.manifest import VERSION

    before = manifest_of(directory)
    total = count_documents(directory)
    with status("upgrading ...") as spinner:
        changed = upgrade_index(
            directory, lambda done: spinner.update(f"words: {done:,} of {count(total, 'passage')}")
        )
    if changed:
        old = f"format {before.version} -> {VERSION}" if before.version < VERSION else f"format {VERSION}"
        echo(f"{directory}: {old}, the words of {count(total, 'passage')}")
    else:
        echo(f"{directory}: up to date (format {before.version}), nothing to do")
