"""The batch planner: pure functions over token lengths, and the count of what was planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from youtu_st.backends.forks import Lock


@dataclass(frozen=True, slots=True)
class Plan:
    """Which texts go through the network together.

    Attributes:
        batches: Positions of the texts of each batch; every text exactly once.
        tokens: Tokens of all texts.
        padded_tokens: What the network computes: of each batch, number of texts times the longest of them.
    """

    batches: list[list[int]]
    tokens: int
    padded_tokens: int

    @property
    def padding_waste(self) -> float:
        """Share of what the network computes that is padding, from 0 to 1."""
        return padding_waste(self.tokens, self.padded_tokens)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that may share a batch.

    Attributes:
        positions: Which rows.
        shared: Tokens that all of them begin with and that are computed once, so that only the others count.
        padded: Whether the network computes padding between them: not where they share a prompt that is
            computed once, as their own tokens then go in one line.
    """

    positions: list[int]
    shared: int = 0
    padded: bool = True


def plan(lengths: Sequence[int], max_tokens: int, max_padding: int | None = None) -> Plan:
    """Group texts of similar length into batches of at most ``max_tokens`` padded tokens.

    Args:
        lengths: Tokens of each text.
        max_tokens: Budget of a batch: number of texts times the longest of them.
        max_padding: Padding of a batch at which the next text begins another one: what another call of the
            network costs, in tokens. None: only the budget counts.

    Returns:
        Batches, longest texts first, so that one that does not fit into memory shows at once. A text longer
        than the budget is alone.
    """
    batches: list[list[int]] = []
    padded = longest = padding = 0
    for position in np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable").tolist():
        length = lengths[position]
        padding += longest - length
        full = not batches or (len(batches[-1]) + 1) * longest > max_tokens
        if full or (max_padding is not None and padding > max_padding):
            batches.append([])
            longest, padding = max(length, 1), 0
        batches[-1].append(position)
        padded += longest
    return Plan(batches, sum(lengths), padded)


def padding_waste(tokens: int, padded_tokens: int) -> float:
    """Share of ``padded_tokens`` that is not in ``tokens``; 0 where there are none."""
    return 1.0 - tokens / padded_tokens if padded_tokens else 0.0


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts since the encoder was made.

    Attributes:
        texts: Texts that were asked for.
        encoded_texts: Texts that went through the network; equal texts of one call go once.
        tokens: Tokens of these, prompts and special tokens included.
        padded_tokens: The same with padding.
        batches: Batches that they went in.
        cut_texts: Texts that were asked for, and longer than the model reads.
    """

    texts: int = 0
    encoded_texts: int = 0
    tokens: int = 0
    padded_tokens: int = 0
    batches: int = 0
    cut_texts: int = 0

    @property
    def padding_waste(self) -> float:
        """Share of the network's work that was padding, from 0 to 1."""
        return padding_waste(self.tokens, self.padded_tokens)


class Counter:
    """Totals that many threads add to."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._totals = Totals()

    @property
    def totals(self) -> Totals:
        """The counts so far."""
        return self._totals

    def add(self, **counts: int) -> None:
        """Add to some of the counts, by their names."""
        with self._lock.now:
            now = asdict(self._totals)
            self._totals = Totals(**{**now, **{name: now[name] + more for name, more in counts.items()}})
