"""Settings side by side, on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from youtu_st.evaluation.chunks import differences


def test_a_setting_against_itself_and_against_one_that_is_always_worse() -> None:
    values = np.random.default_rng(3).random(50)
    same, worse, better = differences([values, values - 0.01, values + 0.02], values)
    assert (same.mean, same.interval, same.p, same.adjusted) == (0, (0, 0), 1, 1)
    assert same.verdict == "no difference seen"
    assert (worse.verdict, worse.p, worse.adjusted) == ("worse", 1 / 10_000, pytest.approx(3 / 10_000))
    assert (better.verdict, better.mean) == ("better", pytest.approx(0.02))


def test_chance_is_called_a_difference_no_more_often_for_many_tests() -> None:
    chance = np.random.default_rng(4)
    wrong = 0
    for _ in range(40):
        baseline, *others = (chance.random(50) for _ in range(6))
        wrong += any(one.verdict != "no difference seen" for one in differences(others, baseline))
    assert wrong <= 7  # 2 are expected, of 40 at 5 %; more than 7 would be one in 1,000


def test_a_single_question_has_no_interval() -> None:
    (alone,) = differences([[0.5]], [0.25])
    assert (alone.mean, alone.interval, alone.verdict) == (0.25, None, "no difference seen")
