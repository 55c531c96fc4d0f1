"""Headings of reStructuredText: a line of text above a line of one punctuation mark, or between two."""

from __future__ import annotations

import re
import unicodedata

from youtu_st.corpus.reading.headings import Heading

_LINE = re.compile(r"([!-/:-@\[-`{-~])\1*[ \t]*")
_SHORTEST = 4
"""An underline that is shorter than its title must have as many characters."""
_ITEM = re.compile(r"([-+*•‣⁃|]|>>>)(\s|$)|\.\.(\s|$)|:[^:\s][^:]*:(\s|$)|__\s")
"""Lists, fields, quoted lines and markup: none of these lines is a title."""


def headings_of(text: str) -> tuple[Heading, ...]:
    """The headings of a text: the style of the first is of level 1, each new style one below.

    A title begins a block: above it are nothing, a blank line, another title, an indented line, or one of
    markup such as ``.. _label:``. Indented lines, such as those of a literal block, are never one.
    """
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    styles: list[str] = []
    found: list[Heading] = []
    row = 0
    while row < len(lines):
        height, style, title = _title(lines, row)
        if not height or not _begins(lines, row, found, starts):
            row += 1
            continue
        if style not in styles:
            styles.append(style)
        end = min(starts[row + height], len(text))
        found.append(Heading(starts[row], end, styles.index(style) + 1, title))
        row += height
    return tuple(found)


def _title(lines: list[str], row: int) -> tuple[int, str, str]:
    """Of a title that begins in a row, how many rows it takes, its style and its text; 0: there is none."""
    line = lines[row]
    if _LINE.fullmatch(line):
        if row + 2 < len(lines):
            title, under = lines[row + 1], lines[row + 2].rstrip()
            over = line.rstrip()
            if title.strip() and over == under and _is_long_enough(over, title.strip()):
                return 3, over[0] * 2, " ".join(title.split())
        if len(line.rstrip()) >= _SHORTEST:
            return 0, "", ""
    if not line.strip() or line[0].isspace() or _ITEM.match(line) or row + 1 == len(lines):
        return 0, "", ""
    under = lines[row + 1].rstrip()
    if under and _LINE.fullmatch(under) and _is_long_enough(under, line.rstrip()):
        return 2, under[0], " ".join(line.split())
    return 0, "", ""


def _is_long_enough(marks: str, title: str) -> bool:
    return len(marks) >= _SHORTEST or len(marks) >= _width(title)


def _width(text: str) -> int:
    """Columns of a text: a Chinese character takes two, an accent none."""
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
    )


def _begins(lines: list[str], row: int, found: list[Heading], starts: list[int]) -> bool:
    while row and _ITEM.match(lines[row - 1]):
        row -= 1
    if row == 0 or not lines[row - 1].strip() or lines[row - 1][0].isspace():
        return True
    return bool(found) and found[-1].end == starts[row]
