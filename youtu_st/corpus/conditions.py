"""Filters of an index that match passages by their files' names."""

from __future__ import annotations

from typing import Any


def below(folder: str) -> dict[str, Any]:
    """A filter for sources below a folder: a range, since filters know no prefixes."""
    if folder != ".":
        prefix = folder.rstrip("/")
        return {"source": {"$gte": f"{prefix}/", "$lt": f"{prefix}0"}}  # "0" follows "/"
    # Sources below the current folder carry no prefix: all that are neither absolute nor above it.
    outside = [{"$not": below(above)} for above in ("/", "..")]
    return {"$and": [{"source": {"$gte": ""}}, *outside]}
