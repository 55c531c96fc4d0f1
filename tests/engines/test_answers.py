"""Answers of a server, turned into rows."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from youtu_st.engines.answers import check_answer
from youtu_st.errors import EngineError


@pytest.fixture
def check(last_token: Any) -> Any:
    return partial(check_answer, model="tiny", dimension=last_token[0].dimension, server="http://there")


def test_rows_are_put_in_order_cut_and_scaled(check: Any, last_token: Any) -> None:
    sent = np.random.default_rng(0).standard_normal((3, last_token[0].dimension)) * [[1], [100], [1e-30]]
    answer = [(2, sent[2].tolist()), (0, sent[0].tolist()), (1, sent[1].tolist())]
    np.testing.assert_array_equal(check(answer, [0, 4, 7], size=None), sent.astype(np.float32))
    for size in (8, last_token[0].dimension):
        cut = sent[:, :size]
        expected = cut / np.linalg.norm(cut, axis=1, keepdims=True)
        found = check(answer, [0, 4, 7], size=size)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=2e-7)


def test_what_is_zero_as_far_as_it_is_kept_has_no_direction(check: Any, last_token: Any) -> None:
    vector = [0.0] * 8 + [1.0] * (last_token[0].dimension - 8)
    assert check([(None, vector)], [4], size=None).tolist() == [vector]
    with pytest.raises(
        EngineError, match="^http://there sent a vector that is not finite or zero for text 4$"
    ):
        check([(None, vector)], [4], size=8)
