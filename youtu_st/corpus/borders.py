"""Where a long text may be cut, so that it need not be in memory, or be looked at, all at once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

BLOCK = 1 << 20
"""Characters of a text that are read and split together."""

_SENTENCE = re.compile(r"[.!?…][\"')\]”’]*\s|[。！？｡][”’」』）]*")
_SPACE = re.compile(r"\s")
_MARKS = ("Mn", "Mc", "Me")


def border(text: str, most: int) -> int:
    """The best place in the last quarter of the first ``most`` characters to cut a longer text.

    After a paragraph, else a line, a sentence, white space, or any character that no other belongs to.
    """
    least = most - most // 4
    for end in ("\n\n", "\n"):
        if (found := text.rfind(end, least, most)) >= 0:
            return found + len(end)
    for pattern in (_SENTENCE, _SPACE):
        ends = [match.end() for match in pattern.finditer(text, least, most)]
        if ends:
            return ends[-1]
    cut = most
    while cut > least and _belong_together(text[cut - 1], text[cut]):
        cut -= 1
    return cut if cut > least else most


def _belong_together(before: str, after: str) -> bool:
    """Whether two characters may be one for the eye: a letter and its accent, an emoji and its colour."""
    return (
        unicodedata.category(after) in _MARKS
        or "\u200d" in (before, after)
        or "\U0001f3fb" <= after <= "\U0001f3ff"
        or ("\U0001f1e6" <= before <= "\U0001f1ff" and "\U0001f1e6" <= after <= "\U0001f1ff")
        or ("\u1100" <= before <= "\u11ff" and "\u1100" <= after <= "\u11ff")
    )


def blocks(parts: Iterable[str], most: int = BLOCK) -> Iterator[str]:
    """The same text in blocks that end at borders, the last one shorter; nothing is lost.

    Args:
        parts: A text in parts of any lengths.
        most: Characters of a block.
    """
    waiting: list[str] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size <= most:
            continue
        text, start = "".join(waiting), 0
        while len(text) - start > most:
            window = text[start : start + most + 1]
            end = start + border(window, most)
            yield text[start:end]
            start = end
        waiting, size = [text[start:]], len(text) - start
    if size:
        yield "".join(waiting)
