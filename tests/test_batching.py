"""The batch planner, over any lengths and budget."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from youtu_st.batching import plan

LENGTHS = st.lists(st.integers(min_value=1, max_value=300), max_size=80)


@given(LENGTHS, st.integers(min_value=1, max_value=1000))
def test_every_text_once_and_no_batch_over_the_budget(lengths, budget):
    batches = plan(lengths, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[i] for i in batch)
        assert len(batch) == 1 or len(batch) * longest <= budget


@given(LENGTHS, st.integers(min_value=1, max_value=1000))
def test_longest_first_and_no_text_that_would_still_have_fitted(lengths, budget):
    batches = plan(lengths, budget)
    flat = [lengths[i] for batch in batches for i in batch]
    assert flat == sorted(lengths, reverse=True)
    for batch in batches[:-1]:
        assert (len(batch) + 1) * lengths[batch[0]] > budget


def test_equal_lengths_keep_their_order():
    assert plan([5, 5, 7, 5], 10) == [[2], [0, 1], [3]]
    assert plan([], 10) == []
    assert plan([20], 10) == [[0]]
