"""Markdown to sections: a heading, or several in a row, and the text below."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

_FRONT = re.compile(
    r"---[ \t]*\n(?=[\w\"'-]+[ \t]*:)(?:(?!---|\.\.\.).*\n){1,500}?(?:---|\.\.\.)[ \t]*(?:\n|\Z)"
)
_FRONT_TITLE = re.compile(r"^title[ \t]*:[ \t]*(.+?)[ \t]*$", re.MULTILINE)


class Heading(NamedTuple):
    """A heading.

    Attributes:
        start: Where it begins, in characters.
        end: Where the text below it begins; ``start``, if it is a title that the text does not hold.
        level: 1 is the highest.
        title: Its text.
    """

    start: int
    end: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a Markdown text.

    Attributes:
        start: Where its headings begin, in characters.
        body: Where the text below them begins; ``start``, if there is no heading.
        end: Where the next section begins, or the text ends.
        level: Of the first heading: 1 is the highest.
        title: The last of its headings, which is the nearest to the text; ``""`` if there is none above.
    """

    start: int
    body: int
    end: int
    level: int
    title: str


def sections(
    text: str, title: str = "", *, fence: str = "", front: bool = False
) -> tuple[list[Section], str]:
    """The sections of a text, or of a block of one.

    Args:
        text: The text.
        title: The nearest heading above it.
        fence: What this function returned for the block above.
        front: Whether front matter may stand first. Its ``title`` is a heading for what is below.

    Returns:
        The sections, in order and without gaps; and the fence of a code block that is still open at the end,
        or ``""``.
    """
    found, fence = markdown_headings(text, title, fence=fence, front=front)
    return outlined(text, found, title), fence


def outlined(text: str, headings: Sequence[Heading], title: str = "") -> list[Section]:
    """The sections of a text whose headings are known, in order and without gaps.

    Args:
        text: The text.
        headings: Its headings, in order.
        title: The nearest heading above it.
    """
    spans = list(headings)
    if not spans or text[: spans[0].start].strip():
        spans.insert(0, Heading(0, 0, 0, title))
    return list(_joined(text, spans))


def markdown_headings(
    text: str, title: str = "", *, fence: str = "", front: bool = False
) -> tuple[list[Heading], str]:
    """The headings of a Markdown text, or of a block of one; otherwise as :func:`sections`."""
    header = _FRONT.match(text) if front else None
    skipped = header.end() if header else 0
    shift = 1 if fence else 0
    found, fence = _headings(f"{fence}\n{text}" if fence else text[skipped:])
    lengths = (len(line) + 1 for line in text[skipped:].split("\n"))
    offsets = list(accumulate(lengths, initial=skipped))
    spans = [
        Heading(offsets[first - shift], min(offsets[last - shift], len(text)), level, heading)
        for first, last, level, heading in found
    ]
    if header:
        named = _FRONT_TITLE.search(header[0])
        spans.insert(0, Heading(0, skipped, 1, named[1].strip("\"'") if named else title))
    return spans, fence


def _joined(text: str, spans: list[Heading]) -> Iterator[Section]:
    """Headings with nothing between them but white space are one section's."""
    start, body, level, title = spans[0]
    for first, last, next_level, heading in spans[1:]:
        if body > start and not text[body:first].strip():
            body, title = last, heading or title
            continue
        yield Section(start, body, first, level, title)
        start, body, level, title = first, last, next_level, heading or title
    yield Section(start, body, len(text), level, title)


def _headings(text: str) -> tuple[list[tuple[int, int, int, str]], str]:
    """First line, line after the last, level and title of headings; and a fence that stays open."""
    from markdown_it import MarkdownIt

    # What is inside of a line needs no parsing: only blocks are looked at.
    tokens = MarkdownIt().disable("inline").parse(text)
    found = [
        (token.map[0], token.map[1], int(token.tag[1:]), " ".join(following.content.split()))
        for token, following in pairwise(tokens)
        if token.type == "heading_open" and token.map is not None and following.content.strip()
    ]
    return found, _open_fence(tokens[-1], text) if tokens else ""


def _open_fence(last: Any, text: str) -> str:
    if last.type != "fence" or last.level or last.map is None:
        return ""
    lines = text.rstrip("\n").count("\n") + 1
    end = text.rstrip("\n").rpartition("\n")[2].strip()
    closed = last.map[1] - last.map[0] > 1 and end.startswith(last.markup) and not end.strip(last.markup[0])
    return "" if closed or last.map[1] < lines else str(last.markup)
