"""An epoch's steps beside brute force, handed out to ranks by accelerate itself."""

from __future__ import annotations

from collections import Counter

import pytest
from accelerate.data_loader import BatchSamplerShard
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import ConcatDataset

from youtu_st.errors import InputError
from youtu_st.training.sampling.plan import DataSet, Plan, draw
from youtu_st.training.sampling.sampler import Clock, SingleTaskBatchSampler


@st.composite
def plans(drawn: st.DrawFn, *, temperature: bool = False) -> Plan:
    ranks, accumulation = drawn(st.sampled_from([1, 2, 4])), drawn(st.sampled_from([1, 2, 4]))
    sets = []
    for i in range(drawn(st.integers(1, 4))):
        size = drawn(st.integers(1, 3))
        least = size * ranks * accumulation
        sets.append(DataSet(f"set{i}", drawn(st.integers(least, least * 5 + 3)), size))
    heat = drawn(st.sampled_from([1.0, 1.5, 3.0])) if temperature else 1.0
    return Plan(tuple(sets), ranks, accumulation, drawn(st.integers(0, 5)), heat)


# The host's sampler asks for the first child's batch size.
class _NoSampler(list):  # type: ignore[type-arg]
    batch_size = 1
    drop_last = True


def sampler(plan: Plan, epoch: int, clock: Clock | None = None) -> SingleTaskBatchSampler:
    whole = ConcatDataset([Dataset.from_dict({"row": list(range(found.rows))}) for found in plan.data_sets])
    children = [_NoSampler() for _ in plan.data_sets]
    made = SingleTaskBatchSampler(whole, children, plan=plan, clock=clock or Clock())
    made.set_epoch(epoch)
    return made


def of_ranks(plan: Plan, epoch: int) -> list[list[list[int]]]:
    """The batches that accelerate gives each rank, as the trainer has it do."""
    return [
        list(
            BatchSamplerShard(sampler(plan, epoch), plan.ranks, rank, split_batches=False, even_batches=False)
        )
        for rank in range(plan.ranks)
    ]


def whose(plan: Plan, row: int) -> int:
    for number, found in enumerate(plan.data_sets):
        if row < found.rows:
            return number
        row -= found.rows
    raise AssertionError("no such row")


@settings(max_examples=80, deadline=None)
@given(plan=plans(), epoch=st.integers(0, 3))
def test_every_row_is_in_one_step_but_for_the_tail_and_a_step_is_one_data_set(plan: Plan, epoch: int) -> None:
    ranks = of_ranks(plan, epoch)
    assert len({len(batches) for batches in ranks}) == 1
    used: Counter[int] = Counter()
    steps: Counter[int] = Counter()
    for step in range(plan.total):
        parts = [
            batch
            for batches in ranks
            for batch in batches[step * plan.accumulation : (step + 1) * plan.accumulation]
        ]
        (number,) = {whose(plan, row) for part in parts for row in part}
        assert {len(part) for part in parts} == {plan.data_sets[number].batch_size}
        used.update(row for part in parts for row in part)
        steps[number] += 1
    assert len(ranks[0]) == plan.total * plan.accumulation
    assert set(used.values()) == {1}
    for number, found in enumerate(plan.data_sets):
        whole = found.batch_size * plan.ranks * plan.accumulation
        mine = [row for row in used if whose(plan, row) == number]
        assert steps[number] == found.rows // whole
        assert len(mine) == found.rows - found.rows % whole
        assert plan.left_out[number] == found.rows % whole


@settings(max_examples=40, deadline=None)
@given(plan=plans(temperature=True), epoch=st.integers(0, 3), data=st.data())
def test_equal_seeds_agree_and_a_resumed_epoch_is_the_rest_of_the_list(
    plan: Plan, epoch: int, data: st.DataObject
) -> None:
    first, second = list(sampler(plan, epoch)), list(sampler(plan, epoch))
    assert first == second
    assert len(first) == len(sampler(plan, epoch))
    done = data.draw(st.integers(0, plan.total)) * plan.ranks * plan.accumulation
    rest = iter(sampler(plan, epoch))
    for _ in range(done):
        next(rest)
    assert list(rest) == first[done:]


def test_epochs_and_seeds_differ() -> None:
    sets = (DataSet("a", 40, 2), DataSet("b", 30, 3))
    orders = {str(list(sampler(Plan(sets, seed=seed), epoch))) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


@settings(max_examples=60, deadline=None)
@given(plan=plans(temperature=True))
def test_a_temperature_takes_from_the_large_and_no_row_twice(plan: Plan) -> None:
    most = [found.rows // plan.global_batch(found) for found in plan.data_sets]
    assert all(1 <= count <= whole for count, whole in zip(plan.steps, most, strict=True))
    # In proportion to steps ** (1 / temperature), as many as there are rows for, rounded down.
    scale = min(count ** (1 - 1 / plan.temperature) for count in most)
    for count, whole in zip(plan.steps, most, strict=True):
        assert count == max(1, int(scale * whole ** (1 / plan.temperature) + 1e-9))
    rows = [(number, row) for number, batch in plan.batches(0) for row in batch]
    assert len(rows) == len(set(rows))


def test_weights_are_kept() -> None:
    plan = Plan((DataSet("a", 100, 1, weight=1.0), DataSet("b", 1000, 1, weight=3.0)))
    assert plan.steps == (100, 300)


def test_a_data_set_smaller_than_a_global_batch_is_named() -> None:
    with pytest.raises(
        InputError, match=r"'small' has 15 rows, fewer than one global batch of 16 \(2 a device x 4 ranks x 2"
    ):
        Plan((DataSet("large", 100, 2), DataSet("small", 15, 2)), ranks=4, accumulation=2)


def test_the_clock_is_told_of_every_epoch() -> None:
    clock = Clock()
    made = sampler(Plan((DataSet("a", 4, 2),)), 0, clock)
    made.set_epoch(3)
    assert (clock.epoch, made.epoch) == (3, 3)


@settings(max_examples=60, deadline=None)
@given(available=st.integers(0, 9), wanted=st.integers(0, 9), row=st.integers(0, 99), epoch=st.integers(0, 3))
def test_what_is_drawn_depends_on_nothing_else(available: int, wanted: int, row: int, epoch: int) -> None:
    numbers = {"seed": 1, "epoch": epoch, "row": row, "kind": 0}
    drawn = list(draw(available, wanted, **numbers))
    assert drawn == list(draw(available, wanted, **numbers))
    assert len(drawn) == wanted
    if not available:
        assert set(drawn) <= {-1}
        return
    counts = Counter(drawn)
    assert set(counts) <= set(range(available))
    # Each as often as any other, to within one.
    if wanted:
        assert max(counts.values()) - (min(counts.values()) if len(counts) == available else 0) <= 1


def test_draws_differ_from_epoch_to_epoch_and_row_to_row() -> None:
    drawn = {
        (epoch, row): tuple(draw(8, 8, seed=0, epoch=epoch, row=row, kind=0))
        for epoch in range(4)
        for row in range(4)
    }
    assert len(set(drawn.values())) == 16
    first = Counter(draw(4, 1, seed=0, epoch=epoch, row=5, kind=1)[0] for epoch in range(400))
    assert all(60 <= first[i] <= 140 for i in range(4))
