"""Texts to vectors: repeats out, tokens ahead of the network, batches by tokens, memory as it is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from youtu_st.errors import NonFiniteError, OutOfMemoryError
from youtu_st.inference import batches
from youtu_st.inference.batches import Counter
from youtu_st.inference.devices import Pool
from youtu_st.inference.network import Network, sound
from youtu_st.inference.prefetch import ahead
from youtu_st.inference.preprocess import Frontend, Group, Row
from youtu_st.inference.truncation import TruncationReport, check_rows
from youtu_st.inference.unique import Distinct
from youtu_st.protocol import Role as Role
from youtu_st.protocol import Vectors

CALL_SHARE = 32
"""A call of the network costs about as much as a batch's budget of tokens divided by this."""

log = logging.getLogger("youtu_st")


class Progress(Protocol):
    """What is told how many more texts are done, as a tqdm bar is."""

    def update(self, n: int) -> object: ...


class Pipeline:
    """The one way from texts to vectors, for lists and for streams.

    Args:
        frontend: Turns texts into rows of tokens, and rows into batches.
        pool: The devices.
        batch_tokens: Padded tokens of a batch; halved whenever a device has too little memory for one.
    """

    def __init__(self, frontend: Frontend, pool: Pool, batch_tokens: int) -> None:
        self.frontend = frontend
        self.pool = pool
        self.batch_tokens = batch_tokens
        self.counter = Counter()
        self._lock = threading.Lock()

    def run(
        self,
        blocks: Iterable[Distinct],
        role: Role,
        size: int,
        report: TruncationReport,
        progress: Progress,
        *,
        into: Vectors | None = None,
    ) -> Iterator[Vectors]:
        """Vectors of each block; the next block is tokenised meanwhile.

        Args:
            blocks: Read at most two ahead.
            role: For models that route by it.
            size: Length of a vector.
            report: Learns what was cut.
            progress: Is told of texts, repeats included.
            into: Where to write the vectors of all blocks, one after the other; None: new memory for each.

        Yields:
            For each block, one row for each of its texts, repeats included: float32, unit rows.

        Raises:
            InputError: If a text is nothing to this model, or too long where that is an error.
            NonFiniteError: If the network gives a vector that is not finite or zero, in float32 too.
            OutOfMemoryError: If one text alone is too much for the device.
        """
        done = 0
        for block, rows in ahead(blocks, self._tokenized):
            check_rows(rows, block.positions)
            report.add(rows, block.positions, block.counts)
            shape = (len(rows), size)
            vectors = np.empty(shape, dtype=np.float32) if into is None else into[done : done + len(rows)]
            done += len(rows)
            yield block.repeat(self._compute(_Work(block, rows, vectors, role), progress))

    def _tokenized(self, block: Distinct) -> tuple[Distinct, Sequence[Row]]:
        return block, self.frontend.tokenize(block.texts, block.prompts)

    def _compute(self, work: _Work, progress: Progress) -> Vectors:
        batches = [
            Group(positions, group.padded)
            for group in self.frontend.groups(work.rows)
            for positions in self._plan(work, group)
        ]
        for texts in self.pool.each(partial(self._fill, work), batches):
            progress.update(texts)
        return work.vectors

    def _plan(self, work: _Work, group: Group) -> list[list[int]]:
        budget = self.batch_tokens
        lengths = [len(work.rows[i]) for i in group.positions]
        plan = batches.plan(lengths, budget, budget // CALL_SHARE if group.padded else None)
        return [[group.positions[i] for i in batch] for batch in plan.batches]

    def _fill(self, work: _Work, network: Network, batch: Group) -> int:
        """Compute the vectors of a batch, in as many parts as the budget says by now.

        Returns:
            How many of the caller's texts these are.
        """
        parts = self._plan(work, batch)
        if len(parts) > 1:
            return sum(self._fill(work, network, Group(part, batch.padded)) for part in parts)
        lengths = [len(work.rows[i]) for i in batch.positions]
        try:
            self._run(work, network, batch.positions)
        except MemoryError as error:
            if len(lengths) == 1:
                raise OutOfMemoryError(
                    f"text {work.block.positions[batch.positions[0]]} with its {lengths[0]} tokens is more "
                    f"than the memory of {network.device} holds beside the model: cut it with max_length "
                    f"({error})"
                ) from error
            reason = str(error)
        else:
            texts = work.block.count(batch.positions)
            self.counter.add(
                texts=texts,
                encoded_texts=len(lengths),
                tokens=sum(lengths),
                padded_tokens=max(lengths) * len(lengths) if batch.padded else sum(lengths),
                batches=1,
            )
            return texts
        self._halve(max(lengths) * len(lengths), reason)
        return self._fill(work, network, batch)

    def _run(self, work: _Work, network: Network, batch: list[int]) -> None:
        def features(positions: list[int]) -> dict[str, Any]:
            return self.frontend.collate([work.rows[i] for i in positions], work.role)

        size = work.vectors.shape[1]
        vectors = network.vectors(features(batch), work.role, size, lambda i: features([batch[i]]))
        broken = [work.block.positions[i] for i, good in zip(batch, sound(vectors), strict=True) if not good]
        if broken:
            raise NonFiniteError(
                f"text {min(broken)} gave a vector that is not finite or zero, in float32 too: the "
                "checkpoint's weights are damaged, or do not fit its architecture"
            )
        work.vectors[batch] = vectors

    def _halve(self, padded_tokens: int, reason: str) -> None:
        with self._lock:
            smaller = max(padded_tokens // 2, 1)
            if smaller < self.batch_tokens:
                log.warning(
                    "out of memory in a batch of %d tokens: at most %d from now on (%s)",
                    padded_tokens,
                    smaller,
                    reason,
                )
                self.batch_tokens = smaller


@dataclass(frozen=True, slots=True)
class _Work:
    """A block on its way: its texts, their rows, and the vectors that are filled in."""

    block: Distinct
    rows: Sequence[Row]
    vectors: Vectors
    role: Role
