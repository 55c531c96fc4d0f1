"""The batch planner, over any lengths and budget."""

from __future__ import annotations

from itertools import zip_longest

from hypothesis import given
from hypothesis import strategies as st

from youtu_st.inference.batches import plan

LENGTHS = st.lists(st.integers(min_value=1, max_value=300), max_size=80)


@given(LENGTHS, st.integers(min_value=1, max_value=1000))
def test_every_text_once_and_no_batch_over_the_budget(lengths, budget):
    batches = plan(lengths, budget).batches
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[i] for i in batch)
        assert len(batch) == 1 or len(batch) * longest <= budget


@given(LENGTHS, st.integers(min_value=1, max_value=1000))
def test_longest_first_and_no_text_that_would_still_have_fitted(lengths, budget):
    batches = plan(lengths, budget).batches
    flat = [lengths[i] for batch in batches for i in batch]
    assert flat == sorted(lengths, reverse=True)
    for batch in batches[:-1]:
        assert (len(batch) + 1) * lengths[batch[0]] > budget


def test_equal_lengths_keep_their_order():
    assert plan([5, 5, 7, 5], 10).batches == [[2], [0, 1], [3]]
    assert plan([], 10).batches == []
    assert plan([20], 10).batches == [[0]]


@given(LENGTHS, st.integers(min_value=1, max_value=1000))
def test_padding_waste_is_what_the_rectangles_hold_beyond_the_tokens(lengths, budget):
    made = plan(lengths, budget)
    rectangles = sum(len(batch) * max(lengths[i] for i in batch) for batch in made.batches)
    assert (made.tokens, made.padded_tokens) == (sum(lengths), rectangles)
    expected = (rectangles - sum(lengths)) / rectangles if rectangles else 0.0
    assert abs(made.padding_waste - expected) < 1e-12


def test_padding_waste_of_a_plan_by_hand():
    made = plan([4, 10, 1, 10], 20)  # [10, 10] and [4, 1]: 25 tokens in 28 places
    assert made.batches == [[1, 3], [0, 2]]
    assert (made.tokens, made.padded_tokens, made.padding_waste) == (25, 28, 1 - 25 / 28)
    assert plan([], 20).padding_waste == 0.0


@given(LENGTHS, st.integers(min_value=1, max_value=1000), st.integers(min_value=0, max_value=200))
def test_a_batch_ends_before_its_padding_costs_more_than_a_call(lengths, budget, padding):
    made = plan(lengths, budget, padding)
    assert sorted(i for batch in made.batches for i in batch) == list(range(len(lengths)))
    assert [lengths[i] for batch in made.batches for i in batch] == sorted(lengths, reverse=True)
    for batch, following in zip_longest(made.batches, made.batches[1:]):
        longest = lengths[batch[0]]
        wasted = sum(longest - lengths[i] for i in batch)
        assert wasted <= padding
        assert len(batch) == 1 or len(batch) * longest <= budget
        if following is not None:
            next_one = lengths[following[0]]
            assert (len(batch) + 1) * longest > budget or wasted + longest - next_one > padding
    rectangles = sum(len(batch) * lengths[batch[0]] for batch in made.batches)
    assert (made.tokens, made.padded_tokens) == (sum(lengths), rectangles)


def test_one_long_text_does_not_pad_the_short_ones():
    assert plan([9, 10, 3, 256], 2048).batches == [[3, 1, 0, 2]]
    assert plan([9, 10, 3, 256], 2048, 64).batches == [[3], [1, 0, 2]]
