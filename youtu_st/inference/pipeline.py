"""Texts to rows, vectors or scores: preprocess, deduplicate, batch, run, whatever the memory holds."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from youtu_st.backends.forks import Lock
from youtu_st.errors import NonFiniteError, OutOfMemoryError
from youtu_st.inference import batches
from youtu_st.inference.batches import Counter
from youtu_st.inference.devices import DevicePool
from youtu_st.inference.network import Features, Network, Output, Rows
from youtu_st.inference.prefetch import prefetch
from youtu_st.inference.preprocess import Group, Preprocessor
from youtu_st.inference.progress import progress_bar
from youtu_st.inference.report import Report
from youtu_st.inference.unique import Unique

CALL_SHARE = 32
"""A call of the network costs about as much as a batch's budget of tokens divided by this."""

LIST_BLOCK = 16384
"""Texts of a list that are tokenised and sorted together; beyond it, the next ones meanwhile."""

log = logging.getLogger("youtu_st")


class Pipeline:
    """The one way from texts to rows, for lists and for streams, vectors and scores.

    Args:
        preprocessor: Turns texts into rows of tokens, and these into batches.
        pool: The devices.
        batch_tokens: Padded tokens of a batch; halved whenever a device has too little memory for one.
    """

    def __init__(self, preprocessor: Preprocessor, pool: DevicePool, batch_tokens: int) -> None:
        self.preprocessor = preprocessor
        self.pool = pool
        self.batch_tokens = batch_tokens
        self.counter = Counter()
        self._lock = Lock()

    def run(
        self,
        blocks: Iterable[Unique],
        output: Output,
        report: Report,
        *,
        total: int | None = None,
        show_progress: bool = False,
        unit: str = "text",
    ) -> Iterator[Rows]:
        """The rows of each block; the next block is tokenised meanwhile.

        Args:
            blocks: Read at most two ahead.
            output: What the network is asked for.
            report: Learns what was noticed, and knows what to call a text.
            total: Number of texts, repeats included, for the progress bar, where it is known.
            show_progress: Show a progress bar after two seconds.
            unit: What the progress bar counts.

        Yields:
            For each block, one row for each of its texts, repeats included: float32.

        Raises:
            InputError: If a text is nothing to this model, or too long or not read where that is an error.
            NonFiniteError: If the network gives a row that is not sound, in float32 too.
            OutOfMemoryError: If one text alone is too much for the device.
        """
        with progress_bar(total, show_progress, unit) as progress:
            for block, tokenized in prefetch(blocks, self._tokenized):
                filled = np.empty((len(tokenized), *output.shape), dtype=np.float32)
                lengths = [len(row) for row in tokenized]
                work = _Work(block, tokenized, lengths, output, report, filled)
                self.preprocessor.check(tokenized, work.name)
                self.counter.add(cut_texts=report.add(block, tokenized))
                for texts in self.pool.each(partial(self._fill, work), self._batches(work)):
                    progress.update(texts)
                yield filled if block.inverse is None else block.repeat(filled)

    def run_all(self, unique: Unique, output: Output, report: Report, **shown: Any) -> Rows:
        """The rows of a whole list, repeats included; otherwise as :meth:`run`."""
        if len(unique.texts) <= LIST_BLOCK:
            (rows,) = self.run([unique], output, report, **shown)
            return rows
        rows, start = np.empty((len(unique.texts), *output.shape), dtype=np.float32), 0
        for block in self.run(unique.blocks(LIST_BLOCK), output, report, **shown):
            rows[start : start + len(block)] = block
            start += len(block)
        return unique.repeat(rows)

    def _tokenized(self, block: Unique) -> tuple[Unique, Sequence[Any]]:
        return block, self.preprocessor.tokenize(block.texts, block.prompts)

    def _batches(self, work: _Work) -> list[Group]:
        return [
            batch for group in self.preprocessor.groups(work.tokenized) for batch in self._plan(work, group)
        ]

    def _plan(self, work: _Work, group: Group) -> list[Group]:
        budget = self.batch_tokens
        plan = batches.plan(work.own_tokens(group), budget, budget // CALL_SHARE if group.padded else None)
        return [
            Group([group.positions[i] for i in batch], group.shared, group.padded) for batch in plan.batches
        ]

    def _fill(self, work: _Work, network: Network, batch: Group) -> int:
        """Compute the rows of a batch; in parts, where the budget was halved since it was planned.

        Returns:
            How many of the caller's texts these are.
        """
        own = work.own_tokens(batch)
        padded = max(own) * len(own)
        if len(own) > 1 and padded > self.batch_tokens:
            return sum(self._fill(work, network, part) for part in self._plan(work, batch))
        try:
            self._run(work, network, batch.positions)
        except MemoryError as error:
            if len(own) == 1:
                raise OutOfMemoryError(
                    f"{work.name(batch.positions[0])} with its {own[0] + batch.shared} tokens is more than "
                    f"the memory of {network.device} holds beside the model: cut it with max_length ({error})"
                ) from error
            reason = str(error)
        else:
            return self._count(work, batch)
        # Outside of the handler, which holds on to the tensors of the failed run.
        self._halve(padded, reason)
        return self._fill(work, network, batch)

    def _run(self, work: _Work, network: Network, positions: list[int]) -> None:
        def features(which: Sequence[int]) -> Features:
            return self.preprocessor.collate([work.tokenized[i] for i in which], work.output.role)

        rows = network.run(work.output, features(positions), lambda i: features([positions[i]]))
        sound = work.output.sound(rows)
        if not sound.all():
            first = min(i for i, good in zip(positions, sound, strict=True) if not good)
            raise NonFiniteError(
                f"{work.name(first)} gave {work.output.broken}, in float32 too: the checkpoint's weights are "
                "damaged, or do not fit its architecture"
            )
        work.filled[positions] = rows

    def _count(self, work: _Work, batch: Group) -> int:
        lengths = [work.lengths[i] for i in batch.positions]
        texts = sum(work.block.counts[i] for i in batch.positions)
        self.counter.add(
            texts=texts,
            encoded_texts=len(lengths),
            tokens=sum(lengths),
            padded_tokens=max(lengths) * len(lengths) if batch.padded else sum(lengths),
            batches=1,
        )
        return texts

    def _halve(self, padded_tokens: int, reason: str) -> None:
        with self._lock.now:
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
    """A block on its way: its texts, their tokens, and the rows that are filled in."""

    block: Unique
    tokenized: Sequence[Any]
    lengths: Sequence[int]
    output: Output
    report: Report
    filled: Rows

    def name(self, i: int) -> str:
        """What the caller knows a text as."""
        return self.report.name(self.block.positions[i])

    def own_tokens(self, group: Group) -> list[int]:
        """Of each text, those that are not computed once for all."""
        return [self.lengths[i] - group.shared for i in group.positions]
