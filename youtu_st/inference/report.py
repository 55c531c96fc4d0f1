"""What is noticed about the texts of one call, and said once when it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from youtu_st.inference.repeated import RepeatedReport
from youtu_st.inference.truncation import Truncation, TruncationReport
from youtu_st.inference.unique import Unique
from youtu_st.inference.unread import Unknown, UnreadReport

if TYPE_CHECKING:
    from youtu_st.inference.preprocess import Row


class Report:
    """What one call cuts, cannot read, and puts a prompt before for the second time.

    Args:
        truncation: What happens to texts that are too long.
        unknown: What happens to texts that the vocabulary cannot read.
        limit: Tokens that the model reads.
        name: What to call the text at a position.
        model: The embedding model's name; None for a reranker, whose prompts are queries.
    """

    def __init__(
        self,
        truncation: Truncation,
        unknown: Unknown,
        limit: int | None,
        name: Callable[[int], str] = "text {}".format,
        model: str | None = None,
    ) -> None:
        self.name = name
        self.cut = TruncationReport(truncation, limit, name)
        self.unread = UnreadReport(unknown, name, model)
        self.repeated = None if model is None else RepeatedReport(name)
        self.seen = 0

    def add(self, block: Unique, rows: Sequence[Row]) -> int:
        """Take note of a block of tokenised texts.

        Returns:
            How many of them are cut.

        Raises:
            InputError: Under ``error``, naming the first text that is too long, or that cannot be read.
        """
        self.seen += sum(block.counts)
        before = self.cut.texts
        self.cut.add(rows, block.positions, block.counts)
        for row, text, position, count in zip(rows, block.texts, block.positions, block.counts, strict=True):
            if row.unknown:
                self.unread.add(text, row.unknown, position, count)
        if self.repeated is not None:
            self.repeated.add(block)
        return self.cut.texts - before

    def warn(self, *, stacklevel: int) -> None:
        """Say what was noticed, each kind once."""
        self.cut.warn(self.seen, stacklevel=stacklevel + 1)
        self.unread.warn(self.seen, stacklevel=stacklevel + 1)
        if self.repeated is not None:
            self.repeated.warn(self.seen, stacklevel=stacklevel + 1)
