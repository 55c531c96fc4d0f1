"""Intervals and tests of paired differences, against closed forms and cases whose answer is known."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from youtu_st.evaluation.retrieval.comparison import verdict
from youtu_st.evaluation.statistics import holm, interval, permutation_test, smallest_difference


def test_a_system_against_itself_differs_in_nothing() -> None:
    assert permutation_test(np.zeros(300)) == 1
    assert verdict(0.0, 1.0) == "no difference seen"


@pytest.mark.parametrize("n", range(1, 16))
def test_all_of_one_sign_is_as_rare_as_that_many_coins(n: int) -> None:
    p = permutation_test(np.concatenate([np.full(n, 0.25), np.zeros(50)]))
    exact = 2 / 2**n
    assert p == pytest.approx(exact, abs=0 if n <= 13 else 6e-4)


def test_few_differences_are_tried_in_all_signs() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        differences = rng.integers(-3, 4, 8) / 7
        sums = [abs(np.dot(signs, np.abs(differences))) for signs in product((-1, 1), repeat=8)]
        expected = np.mean(np.array(sums) >= abs(differences.sum()) - 1e-9)
        assert permutation_test(differences) == pytest.approx(expected, abs=1e-12)


def test_differences_that_cancel_out_are_no_difference() -> None:
    differences = np.array([-0.1, 0.5, -0.4, -0.2, 0.6, 0.6, -0.5, -0.5])
    assert differences.sum() != 0  # by less than any of them
    assert permutation_test(differences) == 1


def test_many_differences_are_as_a_normal_distribution_has_them() -> None:
    from scipy.stats import norm

    differences = np.random.default_rng(6).normal(0.1, 1, 400)
    z = differences.sum() / np.sqrt((differences**2).sum())
    assert permutation_test(differences) == pytest.approx(2 * norm.sf(abs(z)), abs=0.015)
    assert permutation_test(differences) == permutation_test(differences)
    assert permutation_test(differences) == pytest.approx(permutation_test(-differences), abs=0.015)


def test_two_equal_systems_are_seldom_called_different() -> None:
    rng, called = np.random.default_rng(7), 0
    for _ in range(200):
        ability = rng.beta(2, 1, 120)  # of a query how easy it is, for both
        one, other = (rng.binomial(10, ability) / 10 for _ in range(2))
        called += verdict(float((other - one).mean()), permutation_test(other - one)) != "no difference seen"
    assert 1 <= called <= 16  # 8 % of 200; at 5 %, ten are to be expected


def test_an_interval_of_many_values_is_the_normal_one() -> None:
    values = np.random.default_rng(8).normal(0.5, 0.2, 2000)
    low, high = interval(values) or (0, 0)
    reach = 1.959964 * values.std(ddof=1) / np.sqrt(2000)
    assert (values.mean() - low, high - values.mean()) == pytest.approx((reach, reach), rel=0.05)
    assert interval(values) == (low, high)


def test_an_interval_leans_to_the_side_of_the_long_tail() -> None:
    values = np.concatenate([np.zeros(45), np.ones(5)])
    low, high = interval(values) or (0, 0)
    assert 0 <= low < 0.1 < high <= 1
    assert high - 0.1 > 0.1 - low


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.5] * 40, (0.5, 0.5)), ([0.0] * 3, (0.0, 0.0)), ([0.7], None), ([], None)],
)
def test_an_interval_of_what_does_not_differ(
    values: list[float], expected: tuple[float, float] | None
) -> None:
    assert interval(np.array(values)) == expected


@pytest.mark.parametrize("values", [[0.0, 1.0], [0.0] * 99 + [1.0], [1.0] * 5 + [0.9999999999999999]])
def test_an_interval_is_always_of_numbers(values: list[float]) -> None:
    low, high = interval(np.array(values)) or (np.nan, np.nan)
    assert low <= np.mean(values) + 1e-12
    assert high >= np.mean(values) - 1e-12


def test_holm() -> None:
    # 4 x 0.005, 3 x 0.01, 2 x 0.03, and 0.04 no less than the one before it
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1, 1]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_what_so_many_queries_can_show() -> None:
    values = np.random.default_rng(9).normal(0, 1, 300)
    least = smallest_difference(values)
    assert least == pytest.approx((1.959964 + 0.841621) * values.std(ddof=1) / np.sqrt(300), rel=1e-6)
    assert smallest_difference(np.array([1.0])) is None
    # Of a true difference of that size, four of five draws are found.
    rng, seen = np.random.default_rng(10), 0
    for _ in range(300):
        seen += permutation_test(rng.normal(2.801585 / np.sqrt(80), 1, 80)) < 0.05
    assert 0.72 < seen / 300 < 0.88
