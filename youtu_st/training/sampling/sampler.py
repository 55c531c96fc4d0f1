"""The plan as the sampler that sentence-transformers' trainer takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sentence_transformers.base.sampler import MultiDatasetDefaultBatchSampler
from torch import Generator
from torch.utils.data import BatchSampler, ConcatDataset
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from youtu_st.training.sampling.plan import Plan


@dataclass
class Clock:
    """The epoch that batches are made for: sampler and collator read it."""

    epoch: int = 0


class Epochs(TrainerCallback):
    """Sets the clock when an epoch begins.

    The host tells the sampler too, but not of the epoch in which several processes go on from a checkpoint.

    Args:
        plan: Has the steps of an epoch.
        clock: Is set.
    """

    def __init__(self, plan: Plan, clock: Clock) -> None:
        self._plan = plan
        self._clock = clock

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Set it."""
        self._clock.epoch = state.global_step // self._plan.total


class SingleTaskBatchSampler(MultiDatasetDefaultBatchSampler):
    """One data set a step on every rank, as :class:`~youtu_st.training.sampling.plan.Plan` says.

    Passed as ``multi_dataset_batch_sampler``, with ``functools.partial`` for the last two arguments. It goes
    over the batches of all ranks: accelerate gives each rank its own.

    Args:
        dataset: The data sets of the plan, in its order.
        batch_samplers: The host's, one per data set; not used.
        generator: The host's; not used, for the plan has a seed.
        seed: Likewise.
        plan: What to do.
        clock: Has the epoch; is told of it where the host tells the sampler.
    """

    def __init__(
        self,
        dataset: ConcatDataset[Any],
        batch_samplers: Sequence[BatchSampler],
        generator: Generator | None = None,
        seed: int = 0,
        *,
        plan: Plan,
        clock: Clock,
    ) -> None:
        super().__init__(dataset, list(batch_samplers), generator, seed)
        # With a number here, accelerate would drop every batch of another size.
        self.batch_size: Any = None
        self.plan = plan
        self.clock = clock

    def set_epoch(self, epoch: int) -> None:
        """Go over this epoch next."""
        super().set_epoch(epoch)
        self.clock.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        starts = [0, *self.dataset.cumulative_sizes]
        for number, rows in self.plan.batches(self.clock.epoch):
            yield [starts[number] + row for row in rows]

    def __len__(self) -> int:
        return self.plan.total * self.plan.ranks * self.plan.accumulation
