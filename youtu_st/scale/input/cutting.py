"""Where one shard ends and the next begins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from youtu_st.inputs import check_count
from youtu_st.scale.settings import Cutting

Counts = npt.NDArray[np.int64]


class Piece(NamedTuple):
    """Rows that make a shard.

    Attributes:
        first: Of which number the first one is, less one.
        rows: How many.
        tokens: Of all.
        longest: Of the longest.
        offset: The byte where the first one begins.
    """

    first: int
    rows: int
    tokens: int
    longest: int
    offset: int


class Cutter:
    """Cuts rows, which come in blocks, into pieces: each takes rows until the next would be too many.

    Where the blocks end makes no difference.

    Args:
        cutting: How large a piece is. Only a single row may have more tokens.

    Raises:
        InputError: If a bound is less than 1.
    """

    def __init__(self, cutting: Cutting) -> None:
        self._most_tokens = check_count("tokens of a shard", cutting.tokens)
        self._most_rows = check_count("rows of a shard", cutting.rows)
        self._open: Piece | None = None

    def add(self, tokens: Counts, numbers: Counts, offsets: Counts | None = None) -> Iterator[Piece]:
        """Take the next rows.

        Args:
            tokens: Of each row, at least 0; shape ``(n,)``.
            numbers: Its number, from 1.
            offsets: The byte where it begins; None: 0 for all.

        Returns:
            The pieces that are whole now.
        """
        ends = np.cumsum(tokens)
        start, before = 0, 0
        while start < len(tokens):
            if self._open is None:
                offset = 0 if offsets is None else int(offsets[start])
                self._open = Piece(int(numbers[start]) - 1, 0, 0, 0, offset)
            held = self._open
            room = self._most_tokens - held.tokens
            fit = int(np.searchsorted(ends, before + room, side="right")) - start
            taken = max(min(fit, self._most_rows - held.rows, len(tokens) - start), 0 if held.rows else 1)
            if taken:
                stop = start + taken
                self._open = held._replace(
                    rows=held.rows + taken,
                    tokens=held.tokens + int(ends[stop - 1]) - before,
                    longest=max(held.longest, int(tokens[start:stop].max())),
                )
                start, before = stop, int(ends[stop - 1])
            if start < len(tokens):
                yield from self.end()

    def end(self) -> Iterator[Piece]:
        """The last piece, if there is one: what comes next begins another."""
        if self._open is not None:
            yield self._open
            self._open = None


def tokens_of(sizes: Counts) -> Counts:
    """Tokens of texts, as estimated from their bytes in UTF-8: four make one, and every text has one."""
    tokens: Counts = np.maximum(1, -(-sizes // 4))
    return tokens
