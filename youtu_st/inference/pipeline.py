"""Texts to rows, vectors or scores: preprocess, deduplicate, batch, run, whatever the memory holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from youtu_st.inference.batches import Group
from youtu_st.inference.network import Network
from youtu_st.inference.outputs import Output, Rows
from youtu_st.inference.prefetch import prefetch
from youtu_st.inference.progress import Show, progressing
from youtu_st.inference.report import Report
from youtu_st.inference.runner import Runner, unsound
from youtu_st.inference.unique import Unique

LIST_BLOCK = 16384
"""Texts of a list that are tokenised and sorted together; beyond it, the next ones meanwhile."""


class Pipeline:
    """The one way of a call from texts to rows, for lists and for streams, vectors and scores."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    def run(
        self,
        blocks: Iterable[Unique],
        output: Output,
        report: Report,
        *,
        total: int | None = None,
        show_progress: Show = False,
        unit: str = "text",
    ) -> Iterator[Rows]:
        """The rows of each block; the next block is tokenised meanwhile.

        Args:
            blocks: Read at most two ahead.
            output: What the network is asked for.
            report: Learns what was noticed, and knows what to call a text.
            total: Number of texts, repeats included, for the progress bar, where it is known.
            show_progress: Show a progress bar after two seconds; or who is told how many more are done.
            unit: What the progress bar counts.

        Yields:
            For each block, one row for each of its texts, repeats included: float32.

        Raises:
            InputError: If a text is nothing to this model, or too long or not read where that is an error.
            NonFiniteError: If the network gives a row that is not sound, in float32 too.
            OutOfMemoryError: If one text alone is too much for the device.
        """
        runner = self.runner
        with progressing(total, show_progress, unit) as progress:
            for block, tokenized in prefetch(blocks, self._tokenized):
                filled = np.empty((len(tokenized), *output.shape), dtype=np.float32)
                work = _Work(block, tokenized, output, report, filled)
                runner.preprocessor.check(tokenized, work.name)
                runner.counter.add(cut_texts=report.add(block, tokenized))
                for texts in runner.pool.each(partial(self._fill, work), runner.batches(tokenized)):
                    progress(texts)
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
        return block, self.runner.preprocessor.tokenize(block.texts, block.prompts)

    def _fill(self, work: _Work, network: Network, batch: Group) -> int:
        """Compute the rows of a batch.

        Returns:
            How many of the caller's texts these are.
        """
        rows, sound = self.runner.run(network, work.tokenized, batch, work.output, work.name)
        if not sound.all():
            first = min(i for i, good in zip(batch.positions, sound, strict=True) if not good)
            raise unsound(work.name(first), work.output)
        work.filled[batch.positions] = rows
        texts = work.block.count(batch.positions)
        self.runner.counter.add(texts=texts)
        return texts


@dataclass(frozen=True, slots=True)
class _Work:
    """A block on its way: its texts, their tokens, and the rows that are filled in."""

    block: Unique
    tokenized: Sequence[Any]
    output: Output
    report: Report
    filled: Rows

    def name(self, i: int) -> str:
        """What the caller knows a text as."""
        return self.report.name(self.block.positions[i])
