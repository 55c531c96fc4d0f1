"""nDCG against closed forms and scikit-learn's, where it is installed."""

from __future__ import annotations

from itertools import permutations
from math import log2

import numpy as np
import pytest

from youtu_st.evaluation.ranking import ndcg


@pytest.mark.parametrize("place", range(1, 15))
def test_one_relevant_document_gives_its_discount(place):
    ranked = list(range(20))
    expected = 1 / log2(place + 1) if place <= 10 else 0
    assert ndcg(ranked, [place - 1]) == pytest.approx(expected, abs=1e-15)


def test_what_is_best_gives_one_and_what_is_absent_nothing():
    assert ndcg("abcd", "ab", k=3) == 1
    assert ndcg("abcd", "abcd", k=3) == 1  # of four, three can be shown
    assert ndcg("abcd", "x") == 0
    assert ndcg("abcd", "") == 0
    assert ndcg("", "a") == 0


def test_two_of_three():
    # At the places 1 and 3, with three that belong: (1 + 1/2) / (1 + 1/log2(3) + 1/2)
    assert ndcg(["a", "x", "b"], {"a", "b", "c"}) == pytest.approx(1.5 / (1.5 + 1 / log2(3)))


def test_more_than_k_that_belong_are_no_loss():
    assert ndcg(list(range(30)), range(30), k=10) == 1
    assert ndcg([100, *range(30)], range(30), k=1) == 0


def test_every_order_of_five():
    gains = 1 / np.log2(np.arange(2, 7))
    for order in permutations(range(5)):
        relevant = np.array([document in (0, 3) for document in order])
        expected = (relevant * gains)[:4].sum() / gains[:2].sum()
        assert ndcg(order, {0, 3}, k=4) == pytest.approx(expected)


def test_it_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    for _ in range(50):
        scores, gold = rng.permutation(40), rng.integers(0, 2, 40)
        ranked = np.argsort(-scores).tolist()
        expected = metrics.ndcg_score(gold[None], scores[None], k=10)
        assert ndcg(ranked, np.flatnonzero(gold).tolist()) == pytest.approx(expected)
