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
    """What was cut in one call, and what the caller wants to happen then.

    Args:
        policy: ``warn``, ``error`` or ``ignore``.
        limit: Tokens that the model reads.
        name: What to call the text at a position.
    """

    def __init__(
        self, policy: Truncation, limit: int | None, name: Callable[[int], str] = "text {}".format
    ) -> None:
        self.policy = policy
        self.limit = limit
        self.name = name
        self.seen = 0
        self.cut = 0
        self.first: tuple[int, int] = (0, 0)
        self.longest = 0

    def add(
        self, rows: Sequence[Row], lengths: Sequence[int], positions: Sequence[int], counts: Sequence[int]
    ) -> None:
        """Take note of a block of tokenised texts.

        Args:
            rows: Tokenised texts, each of them once.
            lengths: Tokens that are left of each.
            positions: Where each of them stands first in what the caller passed; ascending.
            counts: How often each of them occurs there.

        Raises:
            InputError: Under ``error``, naming the first text that is too long.
        """
        for row, length, position, count in zip(rows, lengths, positions, counts, strict=True):
            if row.full_length > length:
                self.first = self.first if self.cut else (position, row.full_length)
                self.cut += count
                self.longest = max(self.longest, row.full_length)
        self.seen += sum(counts)
        if self.cut and self.policy == "error":
            raise InputError(
                f"{self.name(self.first[0])} has {self.first[1]} tokens with its prompt, and the model reads "
                f"{self.limit}; split it, or pass truncation='warn' or 'ignore'"
            )

    def warn(self, *, stacklevel: int) -> None:
        """Under ``warn``, say once what was cut."""
        if self.cut and self.policy == "warn":
            warnings.warn(
                f"{self.cut} of {self.seen} texts were cut to the model's {self.limit} tokens: the first is "
                f"{self.name(self.first[0])} with {self.first[1]} tokens, the longest has {self.longest}",
                TruncationWarning,
                stacklevel=stacklevel + 1,
            )
