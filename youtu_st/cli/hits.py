"""Search results for people and programs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from youtu_st.cli.console import cell, narrow_console, one_line, print_json
from youtu_st.index import Document, Hit, shown

LINES = 6
INDENT = " " * 4
NARROWEST, WIDEST = 16, 100
_NAMES = {"cosine": "cosine", "bm25": "BM25"}
# After a long line, before a word: the author's editor broke the line, not the author.
LINE_BREAK_IN_PROSE = re.compile(r"(?<=[^\n|]{60})\n(?=[A-Za-z(`*])")


def print_hits(
    hits: Sequence[Hit], *, record: Callable[[Hit], dict[str, Any]], full: bool, as_json: bool
) -> None:
    """Print passages, best first: rank, score and place, then the text below, whole if it is ``full``.

    As JSON: rank, and what ``record`` says of a passage.
    """
    if as_json:
        print_json([{"rank": rank, **record(hit)} for rank, hit in enumerate(hits, start=1)])
        return
    console = narrow_console()
    width = max(min(console.width, WIDEST) - len(INDENT), NARROWEST)
    for rank, hit in enumerate(hits, start=1):
        if rank > 1:
            console.print()
        console.print(_head(rank, hit), soft_wrap=True)
        for line in _body(console, hit.text, width, full):
            line.rstrip()
            console.print(Text(INDENT) + line if line else line, soft_wrap=True)


def place(hit: Hit | Document) -> str:
    """Where a passage is from, see :func:`youtu_st.index.shown.place`."""
    return shown.place(hit.id, hit.metadata)


def _head(rank: int, hit: Hit) -> Text:
    head = Text.assemble(
        (f"{rank:>2}", "bold"), "  ", (f"{hit.score:.4f}", "cyan"), "  ", cell(place(hit), "bold")
    )
    title = hit.metadata.get("title")
    if title:
        head.append_text(cell(f"  {one_line(str(title))}", "dim"))
    made_of = [f"{_NAMES[name]} {hit.scores[name]:.4f}" for name in _NAMES if name in hit.scores]
    if len(hit.scores) > 1 and "rerank" not in hit.scores:
        head.append(f"  ({', '.join(made_of)})", "dim")
    return head


def _body(console: Console, text: str, width: int, full: bool) -> list[Text]:
    """The lines of a text, wrapped; unless it is wanted whole, its first ones, without blank ones."""
    if full:
        return list(cell(text, whole=True).wrap(console, width))
    cut = Text(" …", style="dim")
    dense = re.sub(r"\n\s*\n", "\n", LINE_BREAK_IN_PROSE.sub(" ", text))
    lines = list(cell(dense, whole=True).wrap(console, width - len(cut)))
    if len(lines) > LINES:
        lines[LINES - 1].rstrip()
        lines[LINES - 1].append_text(cut)
    return lines[:LINES]
