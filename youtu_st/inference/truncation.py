"""Texts that are longer than the model reads: what was cut, and what the caller wants to happen then."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from youtu_st.errors import InputError, TruncationWarning

if TYPE_CHECKING:  # engines cut their texts too, and load no torch
    from youtu_st.inference.preprocess import Row

Truncation = Literal["warn", "error", "ignore"]


class TruncationReport:
    """What was cut in one call.

    Args:
        policy: ``warn``, ``error`` or ``ignore``.
        limit: Tokens that the model reads.
        name: What to call the text at a position.
    """

    def __init__(self, policy: Truncation, limit: int | None, name: Callable[[int], str]) -> None:
        self.policy = policy
        self.limit = limit
        self.name = name
        self.texts = 0
        self.first = self.longest = (0, "")
        self._longest = 0

    def add(self, rows: Sequence[Row], positions: Sequence[int], counts: Sequence[int]) -> None:
        """Take note of a block of tokenised texts.

        Args:
            rows: Tokenised texts, each of them once.
            positions: Where each of them stands first in what the caller passed; ascending.
            counts: How often each of them occurs there.

        Raises:
            InputError: Under ``error``, naming the first text that is too long.
        """
        for row, position, count in zip(rows, positions, counts, strict=True):
            if row.full_length > len(row):
                found = (position, f"{'' if row.is_whole else 'over '}{row.full_length}")
                self.first = self.first if self.texts else found
                if row.full_length > self._longest:
                    self.longest, self._longest = found, row.full_length
                self.texts += count
        if self.texts and self.policy == "error":
            position, tokens = self.first
            raise InputError(
                f"{self.name(position)} has {tokens} tokens with its prompt, and the model reads "
                f"{self.limit}; split it, or pass truncation='warn' or 'ignore'"
            )

    def warn(self, seen: int, *, stacklevel: int) -> None:
        """Under ``warn``, say once what was cut of ``seen`` texts."""
        if self.texts and self.policy == "warn":
            position, tokens = self.first
            warnings.warn(
                f"{self.texts} of {seen} texts were cut to the model's {self.limit} tokens: the first is "
                f"{self.name(position)} with {tokens} tokens, the longest has {self.longest[1]}",
                TruncationWarning,
                stacklevel=stacklevel + 1,
            )
