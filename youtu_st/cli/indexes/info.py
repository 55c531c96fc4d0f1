"""``youtu-st index info``: what is in an index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.cli.console import (
    echo,
    print_json,
)
from youtu_st.cli.indexes.options import Directory
from youtu_st.cli.opening import manifest_of

if TYPE_CHECKING:
    pass

EXAMPLE = "Example: youtu-st index info notes.index"


def info(
    directory: Directory,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show what is in an index, and which model it is for."""
    from youtu_st.index import count_documents

    manifest = manifest_of(directory)
    facts: dict[str, Any] = {
        "passages": count_documents(directory),
        "model": manifest.model,
        "fingerprint": manifest.fingerprint,
        "dimension": manifest.dimension,
        "metric": manifest.metric,
        "factory": manifest.factory,
        "built with": dict(manifest.runtime),
        "created": manifest.created,
        "size": sum(file.stat().st_size for file in directory.iterdir() if file.is_file()),
        "format": manifest.version,
    }
    if manifest.settings:
        facts["settings"] = dict(manifest.settings)
    if as_json:
        facts["runtime"] = facts.pop("built with")
        facts["bytes"] = facts.pop("size")
        print_json(facts)
        return
    facts["passages"] = f"{facts['passages']:,}"
    facts["built with"] = ", ".join(map(str, facts["built with"].values()))
    if manifest.settings:
        facts["settings"] = ", ".join(f"{name} {value}" for name, value in manifest.settings.items())
    facts["size"] = f"{facts['size'] / 1e6:,.1f} MB"
    for name, value in facts.items():
        echo(f"{name:<12} {value}")
