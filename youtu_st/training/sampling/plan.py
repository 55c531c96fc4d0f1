"""An epoch as a list of steps, each of one data set; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from youtu_st.errors import InputError, counted

_ORDER = 1 << 32
"""Stands for the order of steps where a data set's number does for its rows."""


@dataclass(frozen=True)
class DataSet:
    """What the plan needs to know of a data set.

    Attributes:
        name: For messages.
        rows: How many there are.
        batch_size: Rows a device and a forward pass.
        weight: How often it is chosen, beside others. None: in proportion to its steps.
    """

    name: str
    rows: int
    batch_size: int
    weight: float | None = None


@dataclass(frozen=True)
class Plan:
    """How the rows of several data sets become steps.

    Every step is one data set's on all ranks, in disjoint parts; no row is in two steps of an epoch.

    Attributes:
        data_sets: In the order of their rows' numbers.
        ranks: Processes that train together.
        accumulation: Forward passes a step.
        seed: With the epoch, decides everything.
        temperature: 1: every row once an epoch, but for a tail smaller than a global batch. Above 1, steps
            are in proportion to their number to the power of ``1 / temperature``, as many as there are rows
            for: large data sets give fewer of their rows, others every epoch.

    Raises:
        InputError: If a data set is smaller than one global batch, or a number is out of range.
    """

    data_sets: tuple[DataSet, ...]
    ranks: int = 1
    accumulation: int = 1
    seed: int = 0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.data_sets:
            raise InputError("there is no data set to train on")
        if self.temperature < 1:
            raise InputError(f"sampling.temperature must be 1 or more, not {self.temperature:g}")
        for found in self.data_sets:
            whole = self.global_batch(found)
            if found.rows < whole:
                raise InputError(
                    f"data set {found.name!r} has {counted(found.rows, 'row')}, fewer than one global batch "
                    f"of {whole:,} ({found.batch_size:,} a device x {counted(self.ranks, 'rank')} x "
                    f"{self.accumulation:,} accumulated): make its batch_size smaller, or leave it out"
                )

    def global_batch(self, found: DataSet) -> int:
        """Rows of a step."""
        return found.batch_size * self.ranks * self.accumulation

    @property
    def steps(self) -> tuple[int, ...]:
        """Steps an epoch of each data set."""
        most = [found.rows // self.global_batch(found) for found in self.data_sets]
        shares = [
            count ** (1 / self.temperature) if found.weight is None else found.weight
            for found, count in zip(self.data_sets, most, strict=True)
        ]
        if self.temperature == 1 and all(found.weight is None for found in self.data_sets):
            return tuple(most)
        scale = min(count / share for count, share in zip(most, shares, strict=True))
        return tuple(
            max(1, min(count, int(share * scale + 1e-9))) for count, share in zip(most, shares, strict=True)
        )

    @property
    def total(self) -> int:
        """Steps an epoch."""
        return sum(self.steps)

    @property
    def left_out(self) -> tuple[int, ...]:
        """Rows of each data set that an epoch does not use."""
        return tuple(
            found.rows - count * self.global_batch(found)
            for found, count in zip(self.data_sets, self.steps, strict=True)
        )

    def order(self, epoch: int) -> list[int]:
        """Which data set each step of an epoch is of."""
        order = np.repeat(np.arange(len(self.data_sets)), self.steps)
        return [int(number) for number in self._random(epoch, _ORDER).permutation(order)]

    def batches(self, epoch: int) -> Iterator[tuple[int, list[int]]]:
        """The batches of an epoch: data set and its rows.

        Batch ``i`` is for rank ``i % ranks``; ``ranks * accumulation`` of them, one after the other, are a
        step.
        """
        rows = [self._random(epoch, i).permutation(found.rows) for i, found in enumerate(self.data_sets)]
        used = [0] * len(self.data_sets)
        for number in self.order(epoch):
            size = self.data_sets[number].batch_size
            for _ in range(self.ranks * self.accumulation):
                start = used[number]
                used[number] = start + size
                yield number, rows[number][start : start + size].tolist()

    def _random(self, epoch: int, what: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, epoch, what])


def draw(available: int, wanted: int, *, seed: int, epoch: int, row: int, kind: int) -> Sequence[int]:
    """Which of a row's texts are used this epoch: a function of these numbers alone.

    Where there are fewer than wanted, all of them, again and again.

    Args:
        available: How many there are.
        wanted: How many to take.
        seed: Of the run.
        epoch: From 0.
        row: The row's line in its file.
        kind: 0 for positives, 1 for negatives.

    Returns:
        ``wanted`` numbers below ``available``; -1 for each where there are none.
    """
    if not available:
        return [-1] * wanted
    if available == 1:
        return [0] * wanted
    shuffled = np.random.default_rng([seed, epoch, row, kind]).permutation(available)
    return [int(shuffled[i % available]) for i in range(wanted)]
