"""Intervals and tests, against SciPy's, enumeration, and cases whose answer is known."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import bootstrap

from youtu_st.evaluation.chunks import differences
from youtu_st.evaluation.chunks.chance import bca, holm, paired_p


@pytest.mark.parametrize("kind", ["shares", "mostly found", "skewed"])
def test_an_interval_is_scipys(kind: str) -> None:
    chance = np.random.default_rng(1)
    values = {
        "shares": chance.random(300) ** 3,
        "mostly found": (chance.random(80) < 0.9) * 1.0,
        "skewed": chance.exponential(size=40),
    }[kind]
    oracle = bootstrap(
        (values,), np.mean, n_resamples=9_999, method="BCa", random_state=3
    ).confidence_interval
    low, high = bca(values)
    width = high - low
    assert low == pytest.approx(oracle.low, abs=0.04 * width)
    assert high == pytest.approx(oracle.high, abs=0.04 * width)
    assert (low, high) == bca(values)  # the seed is fixed


def test_an_interval_of_equal_values_is_a_point() -> None:
    assert bca([0.25] * 7) == (0.25, 0.25)
    assert bca([0.5]) == (0.5, 0.5)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    chance = np.random.default_rng(2)
    held = 0
    for _ in range(100):
        low, high = bca(chance.beta(2, 1, size=100))
        held += low <= 2 / 3 <= high
    assert 88 <= held <= 100  # of 100 at 95 %: fewer than 88 would be one in 1,000


def test_few_pairs_are_permuted_as_enumeration_says() -> None:
    ours, theirs = np.array([0.9, 0.2, 0.8, 0.7, 1.0, 0.6]), np.array([0.5, 0.4, 0.3, 0.6, 0.2, 0.6])
    apart = ours - theirs
    sums = [
        abs(sum(s * d for s, d in zip(signs, apart, strict=True))) for signs in product((-1, 1), repeat=6)
    ]
    exact = np.mean([one >= abs(apart.sum()) - 1e-9 for one in sums])
    assert paired_p(ours, theirs) == pytest.approx(exact, abs=0.02)
    assert paired_p(ours, theirs) == paired_p(theirs, ours)


def test_a_setting_against_itself_and_against_one_that_is_always_worse() -> None:
    values = np.random.default_rng(3).random(50)
    assert paired_p(values, values) == 1.0
    assert paired_p(values, values - 0.01) == 1 / 10_000
    same, worse = differences([values, values - 0.01], values)
    assert (same.mean, same.low, same.high, same.adjusted) == (0, 0, 0, 1)
    assert same.verdict == "no difference seen"
    assert (worse.verdict, worse.adjusted) == ("worse", 2 / 10_000)


def test_equal_settings_are_seldom_called_different() -> None:
    chance = np.random.default_rng(4)
    called = sum(paired_p(chance.random(60), chance.random(60)) <= 0.05 for _ in range(200))
    assert called <= 20  # 10 are expected; more than 20 would be one in 1,000


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.7, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
