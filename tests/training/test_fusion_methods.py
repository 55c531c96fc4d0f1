"""One tensor of several checkpoints, against loops over elements in float64."""

from __future__ import annotations

import math
from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from youtu_st.training.fusion import METHODS

values = st.one_of(
    st.just(0.0),
    st.just(1.0),
    st.floats(-4, 4, width=32),
    st.floats(2.0**-100, 2.0**-60, width=32),
)
weight = st.floats(0.0625, 8, width=32)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[list[float]], list[float]]:
    """Rows of elements, the base's first, and a weight for each of the other rows."""
    count, size = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    rows = draw(
        st.lists(st.lists(values, min_size=size, max_size=size), min_size=count + 1, max_size=count + 1)
    )
    return rows, draw(st.lists(weight, min_size=count, max_size=count))


def by_delta(base: float, each: list[float], weights: list[float]) -> float:
    moved = [alpha * abs(value - base) for value, alpha in zip(each, weights, strict=True)]
    if not sum(moved):
        return base
    return base + math.fsum(
        part / sum(moved) * (value - base) for part, value in zip(moved, each, strict=True)
    )


def by_soup(base: float, each: list[float], weights: list[float]) -> float:
    return math.fsum(a * v for a, v in zip(weights, each, strict=True)) / math.fsum(weights)


def by_arithmetic(base: float, each: list[float], weights: list[float]) -> float:
    return base + math.fsum(a * (v - base) for a, v in zip(weights, each, strict=True))


ORACLES = {"delta": by_delta, "soup": by_soup, "task-arithmetic": by_arithmetic}


def fused(method: str, rows: list[list[float]], weights: list[float]) -> torch.Tensor:
    base, *each = torch.tensor(rows, dtype=torch.float32)
    return METHODS[method](base, each, weights)


def test_every_method_has_an_oracle():
    assert set(ORACLES) == set(METHODS)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=300, deadline=None)
@given(case=cases())
def test_every_element_is_the_formulas(method, case):
    (base, *each), weights = case
    expected = [ORACLES[method](base[i], [row[i] for row in each], weights) for i in range(len(base))]
    found = fused(method, [base, *each], weights)
    assert found.dtype == torch.float32
    torch.testing.assert_close(
        found.double(), torch.tensor(expected).double(), rtol=3e-6, atol=3e-6 * max(1, sum(weights))
    )


def test_an_element_that_one_checkpoint_alone_moved_is_that_checkpoints():
    base = [0.0, 1.0, 2.0, 3.0]
    left = [0.0, 1.5, 2.0, 3.0]
    right = [0.0, 1.0, 9.0, 5.0]
    assert fused("delta", [base, left, right], [1.0, 1.0]).tolist() == [0.0, 1.5, 9.0, 5.0]


def test_a_share_is_weight_times_deviation():
    # |deltas| 1 and 3, weights 3 and 1: equal shares of +1 and -3.
    assert fused("delta", [[10.0], [11.0], [7.0]], [3.0, 1.0]).item() == pytest.approx(9.0)
    # Weights 1 and 1: a quarter of +1 and three quarters of -3.
    assert fused("delta", [[10.0], [11.0], [7.0]], [1.0, 1.0]).item() == pytest.approx(8.0)


@pytest.mark.parametrize("scale", [2.0**-120, 2.0**-60, 1.0, 2.0**100])
def test_tiny_and_huge_deviations_keep_their_shares(scale):
    found = fused("delta", [[0.0], [scale], [3 * scale]], [1.0, 1.0]).item()
    assert found == pytest.approx(2.5 * scale, rel=1e-5)


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_one_checkpoint_gives_itself_and_twice_itself(case):
    (base, each, *_), (alpha, *_) = case
    same = torch.tensor(each, dtype=torch.float32)
    assert torch.equal(fused("delta", [base, each], [alpha]), same)
    assert torch.equal(fused("soup", [base, each], [alpha]), same)
    torch.testing.assert_close(fused("task-arithmetic", [base, each], [1.0]), same, rtol=0, atol=1e-6)
    for method in ("delta", "soup"):
        for copies in (2, 3):
            found = fused(method, [base, *[each] * copies], [alpha] * copies)
            torch.testing.assert_close(found, same, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=50, deadline=None)
@given(case=cases())
def test_the_order_of_checkpoints_does_not_matter(method, case):
    (base, *each), weights = case
    first = fused(method, [base, *each], weights)
    for order in permutations(range(len(each))):
        again = fused(method, [base, *[each[i] for i in order]], [weights[i] for i in order])
        torch.testing.assert_close(again, first, rtol=3e-6, atol=3e-6 * max(1, sum(weights)))


@pytest.mark.parametrize("method", ["delta", "soup"])
@pytest.mark.parametrize("factor", [1e-300, 0.5, 1e300])
def test_only_the_proportion_of_weights_counts(method, factor):
    rows = [[0.5, -1.0, 2.0], [0.75, -1.0, 1.0], [0.25, 3.0, 2.0]]
    expected = fused(method, rows, [1.0, 3.0])
    torch.testing.assert_close(fused(method, rows, [factor, 3 * factor]), expected)


@pytest.mark.parametrize("method", METHODS)
def test_arguments_stay_as_they_are(method):
    base, *each = torch.rand(3, 4)
    before = [base.clone(), *(tensor.clone() for tensor in each)]
    METHODS[method](base, each, [1.0, 2.0])
    assert all(map(torch.equal, [base, *each], before))
