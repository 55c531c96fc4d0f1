"""Rows to scores: batches by tokens, memory as it is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from youtu_st.errors import NonFiniteError, OutOfMemoryError
from youtu_st.inference import batches
from youtu_st.inference.pipeline import CALL_SHARE
from youtu_st.protocol import Vectors
from youtu_st.rerank.pairs import Group, Pairs

log = logging.getLogger("youtu_st")


@dataclass(frozen=True, slots=True)
class Work:
    """A call on its way.

    Attributes:
        rows: Tokenised pairs, each of them once.
        names: What to call each of them.
        scores: Filled in: one for each row, float32.
    """

    rows: Sequence[Any]
    names: Sequence[str]
    scores: Vectors


class Scoring:
    """The one way from rows to scores.

    Args:
        pairs: Says which rows may share a batch, and runs one.
        batch_tokens: Tokens of a batch; halved whenever the device has too little memory for one.
    """

    def __init__(self, pairs: Pairs, batch_tokens: int) -> None:
        self.batch_tokens = batch_tokens
        self._pairs = pairs
        self._lock = threading.Lock()

    def run(self, work: Work) -> Iterator[list[int]]:
        """Fill in the scores.

        Yields:
            The positions of the rows of each batch, when it is done.

        Raises:
            NonFiniteError: If the network gives a score that is not finite.
            OutOfMemoryError: If one pair alone is too much for the device.
        """
        for group in self._pairs.groups(work.rows) if work.rows else []:
            for batch in self._plan(work, group):
                self._fill(work, batch)
                yield batch.positions

    def _plan(self, work: Work, group: Group) -> list[Group]:
        """Batches of a group; tokens that are computed once do not count."""
        budget = self.batch_tokens
        lengths = [len(work.rows[i]) - group.shared for i in group.positions]
        plan = batches.plan(lengths, budget, None if group.shared else budget // CALL_SHARE)
        return [Group([group.positions[i] for i in batch], group.shared) for batch in plan.batches]

    def _fill(self, work: Work, batch: Group) -> None:
        """Compute the scores of a batch, in as many parts as the budget says by now."""
        parts = self._plan(work, batch)
        if len(parts) > 1:
            for part in parts:
                self._fill(work, part)
            return
        try:
            self._run(work, batch.positions)
        except MemoryError as error:
            reason = str(error)
        else:
            return
        self._halve(work, batch, reason)
        self._fill(work, batch)

    def _run(self, work: Work, positions: list[int]) -> None:
        work.scores[positions] = self._pairs.scores([work.rows[i] for i in positions])
        for i in positions:
            if np.isfinite(work.scores[i]):
                continue
            # Alone: what is not finite spreads to the rows that stand in the same line.
            work.scores[i] = self._pairs.scores([work.rows[i]])[0]
            if not np.isfinite(work.scores[i]):
                raise NonFiniteError(
                    f"{work.names[i]} gave a score that is not finite: use dtype='float32'; if it does so "
                    "there too, the checkpoint's weights are damaged"
                )

    def _halve(self, work: Work, batch: Group, reason: str) -> None:
        lengths = [len(work.rows[i]) for i in batch.positions]
        if len(lengths) == 1:
            raise OutOfMemoryError(
                f"{work.names[batch.positions[0]]}, {lengths[0]} tokens with its query, is more than the "
                f"device's memory holds beside the model: cut it with max_length ({reason})"
            )
        tokens = (max(lengths) - batch.shared) * len(lengths)
        with self._lock:
            self.batch_tokens = min(self.batch_tokens, max(tokens // 2, 1))
        log.warning(
            "out of memory in a batch of %d tokens: at most %d from now on (%s)",
            tokens,
            self.batch_tokens,
            reason,
        )
