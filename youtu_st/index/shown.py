"""Where a passage is from, and how documents and hits look in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from youtu_st.inference.tables import html_table

LONGEST_TEXT = 300
LONGEST_VALUE = 120


def place(id: str, metadata: Mapping[str, Any]) -> str:
    """Where a passage is from: ``notes/a.md:12``, ``handbook.pdf, page 3``, or its id."""
    source, line = metadata.get("source"), metadata.get("line")
    if source is None:
        return id
    if line is not None:
        return f"{source}:{line}"
    kind = next((name for name in ("page", "slide", "cell") if name in metadata), None)
    return str(source) if kind is None else f"{source}, {kind} {metadata[kind]}"


def hits_table(hits: Sequence[Any]) -> str:
    """A row of HTML for each hit: rank, score, place, title and text, the long ones cut.

    Args:
        hits: What has ``id``, ``score``, ``text``, ``metadata`` and ``scores``, which are shown where one is
            another number than the score.
    """
    named = list(
        dict.fromkeys(name for hit in hits for name, value in hit.scores.items() if value != hit.score)
    )
    titled = any(hit.metadata.get("title") for hit in hits)
    titles = ["", "score", *named, "place", *(["title"] if titled else []), "text"]
    rows = [
        [
            str(rank),
            f"{hit.score:.4f}",
            *(_number(hit.scores.get(name)) for name in named),
            cut(place(hit.id, hit.metadata), LONGEST_VALUE),
            *([cut(hit.metadata.get("title") or "", LONGEST_VALUE)] if titled else []),
            cut(hit.text, LONGEST_TEXT),
        ]
        for rank, hit in enumerate(hits, start=1)
    ]
    return html_table(titles, rows)


def facts_table(facts: Iterable[tuple[str, Any]]) -> str:
    """A row of HTML for each name and value, the long ones cut."""
    return html_table([], [[cut(name, LONGEST_VALUE), cut(value, LONGEST_TEXT)] for name, value in facts])


def cut(value: Any, longest: int) -> str:
    """A value as text, and no more of it than that."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= longest else f"{text[:longest]}…"


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)
