"""Intervals on cases whose answer is known, and against a bootstrap written here."""

from __future__ import annotations

import numpy as np
import pytest

from youtu_st.errors import InputError
from youtu_st.evaluation.report.comparison import Difference, difference
from youtu_st.evaluation.report.words import verdict
from youtu_st.evaluation.statistics import RESAMPLES

RNG = np.random.default_rng(5)
BASE = {f"t{i:02}": float(score) for i, score in enumerate(RNG.uniform(0.3, 0.9, 40))}


def test_a_model_and_itself():
    found = difference("a", "b", BASE, BASE)
    assert found == Difference("a", "b", 0.0, 0.0, 0.0)
    assert not found.told_apart
    assert verdict(found) == "a and b have the same score in every task"


def test_a_constant_lead_is_certain():
    found = difference("a", "b", {task: score + 0.125 for task, score in BASE.items()}, BASE)
    assert (found.mean, found.low, found.high) == pytest.approx((0.125, 0.125, 0.125))
    assert found.told_apart


def test_noise_cannot_be_told_apart_and_a_lead_can():
    noise = {task: score + (0.05 if i % 2 else -0.05) for i, (task, score) in enumerate(BASE.items())}
    found = difference("a", "b", noise, BASE)
    assert found.mean == pytest.approx(0, abs=1e-12)
    assert not found.told_apart
    assert "cannot be told apart: 0.00 [" in verdict(found)
    ahead = difference("a", "b", {task: score + 0.1 for task, score in noise.items()}, BASE)
    assert ahead.told_apart
    assert verdict(ahead).startswith("a is ahead of b: +10.00 [")
    behind = difference("b", "a", BASE, {task: score + 0.1 for task, score in noise.items()})
    assert (behind.mean, behind.low, behind.high) == pytest.approx(
        (-ahead.mean, -ahead.high, -ahead.low), abs=2e-3
    )
    assert verdict(behind).startswith("a is ahead of b: −10.00 [")


def test_the_interval_is_that_of_drawing_tasks_again():
    """Of differences that are symmetric, BCa is close to the percentiles of the samples' means."""
    deltas = np.concatenate([x := RNG.normal(0, 0.05, 50), -x]) + 0.01
    tasks = {f"t{i:03}": float(delta) for i, delta in enumerate(deltas)}
    found = difference("a", "b", tasks, dict.fromkeys(tasks, 0.0))
    means = RNG.choice(deltas, (RESAMPLES, len(deltas))).mean(axis=1)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])), abs=1e-3)
    assert difference("a", "b", tasks, dict.fromkeys(tasks, 0.0)) == found  # the seed is fixed


def test_equal_models_are_seldom_called_different():
    """Over 200 draws of two models that differ by noise alone: a 95 % interval errs in about one of twenty."""
    called = 0
    for _ in range(200):
        deltas = {f"t{i}": float(x) for i, x in enumerate(RNG.normal(0, 0.03, 31))}
        called += difference("a", "b", deltas, dict.fromkeys(deltas, 0.0)).told_apart
    assert called <= 24  # 12 %: intervals over 31 tasks are a little short


def test_one_task_tells_nothing_of_others():
    found = difference("a", "b", {"t": 0.9}, {"t": 0.1})
    assert (found.low, found.high, found.told_apart) == (None, None, False)
    assert verdict(found) == "a and b: +80.00 on one task, which tells nothing of others"


def test_other_tasks_are_not_compared():
    with pytest.raises(
        InputError,
        match="a and b can be compared on the same tasks only, and 2 are of one of them, such as 't'",
    ):
        difference("a", "b", {"t": 1, "x": 1}, {"u": 1, "x": 1})
