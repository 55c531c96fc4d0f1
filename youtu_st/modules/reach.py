"""How much of a long text decides the tokens that are read: what stands beyond need not be tokenised.

A text of five megabytes, of which 512 tokens are read, would otherwise take a gigabyte of tokens and offsets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CHARACTERS = 16
"""Characters that are looked at first for each token that is read; most tokens have fewer than ten."""
LEAST = 1 << 15
MARGIN = 64
"""Tokens beyond the last one that is read, so that none of those that are read stands beside the cut."""

_SPACES = " \n\t\r"


def reached(ids_of: Callable[[str], Any], text: str, limit: int | None) -> str:
    """The beginning of a text that has the same first tokens as the whole.

    It ends before white space, which no pre-tokenizer reads a word across. Where there is none, a beginning
    of twice the length must give the same tokens, as a word of any length could change them all.

    Args:
        ids_of: Token ids of a text, after its prompt and without padding or truncation; special tokens may be
            among them, the same for each text.
        text: The text.
        limit: Tokens that are read, of the prompt and of special tokens too; None: all.

    Returns:
        The text itself, or a part of it with more than ``limit`` tokens.
    """
    if limit is None:
        return text
    size = max(CHARACTERS * limit, LEAST)
    while 2 * size < len(text):
        end = max(text.rfind(space, size // 2, size) for space in _SPACES)
        if end > 0:
            if len(ids_of(text[:end])) >= limit + MARGIN:
                return text[:end]
        else:
            first = ids_of(text[:size])
            if len(first) >= limit + MARGIN and list(first[:limit]) == list(ids_of(text[: 2 * size])[:limit]):
                return text[:size]
        size *= 2
    return text
