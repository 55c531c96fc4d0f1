"""The checks that every room shares."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from youtu_st.errors import EngineError, InputError
from youtu_st.inputs import check_count, check_seconds, check_share, check_texts, check_unicode, unit_rows

NAN, INF = float("nan"), float("inf")


def test_nothing_below_the_network_loads_torch() -> None:
    code = "import sys, youtu_st.inputs, youtu_st.probes, youtu_st.disk; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("value", [1, 7, np.int64(7), np.uint8(1)])
def test_a_count_is_an_int_of_at_least_one(value: Any) -> None:
    counted = check_count("k", value)
    assert (counted, type(counted)) == (int(value), int)


@pytest.mark.parametrize("value", [0, -1, True, False, 1.0, "1", None, np.int64(0), np.float32(2), np.True_])
def test_anything_else_is_no_count(value: Any) -> None:
    with pytest.raises(InputError) as caught:
        check_count("k", value)
    assert str(caught.value) == f"k must be an int of at least 1, not {value!r}"


@pytest.mark.parametrize("value", [0, 1, 0.25, np.float32(0.5), np.int64(1)])
def test_a_share_is_a_number_from_zero_to_one(value: Any) -> None:
    share = check_share("share", value)
    assert (share, type(share)) == (float(value), float)


@pytest.mark.parametrize("value", [-0.1, 1.1, NAN, INF, True, "1", None])
def test_anything_else_is_no_share(value: Any) -> None:
    with pytest.raises(
        InputError, match=rf"^share must be a number from 0 to 1, not {re.escape(repr(value))}$"
    ):
        check_share("share", value)


def test_seconds_are_finite_and_above_zero() -> None:
    assert [check_seconds("timeout", value) for value in (1, 0.5, np.float32(2))] == [1.0, 0.5, 2.0]
    for value in (0, -1, NAN, INF, True, "1", None):
        with pytest.raises(InputError, match=r"^timeout must be a number of seconds above 0, not "):
            check_seconds("timeout", value)


def test_half_a_surrogate_pair_is_named() -> None:
    check_unicode("id 3", "é中🦀\0")
    with pytest.raises(InputError) as caught:
        check_unicode("id 3", "ab\udc80c\ud800")
    assert str(caught.value) == r"id 3 holds half a surrogate pair, '\udc80', which is no character"
    with pytest.raises(InputError, match="^query 6 holds half a surrogate pair"):
        check_texts(["fine", "\ud800"], noun="query", first=5)


def test_unit_rows_scales_what_is_not_of_length_one() -> None:
    rows = np.random.default_rng(0).standard_normal((4, 8)) * np.array([[1e-30], [1e-3], [1], [1e30]])
    unit = unit_rows(rows.tolist(), (4, 8), "vectors")
    np.testing.assert_allclose(unit, rows / np.linalg.norm(rows, axis=1, keepdims=True), atol=2e-7)
    assert (unit.dtype, unit.flags.c_contiguous) == (np.float32, True)
    assert unit_rows(unit, (4, 8), "vectors") is unit  # nothing to do, and nothing done
    np.testing.assert_array_equal(unit_rows(np.asfortranarray(unit), (4, 8), "vectors"), unit)
    assert unit_rows(np.empty((0, 8)), (0, 8), "vectors").shape == (0, 8)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1.0, 0.0, 0.0]], "vectors must have shape (2, 2), not (1, 3)"),
        ([[1.0, 0.0], [0.0, 0.0]], "vectors must have a direction, and row 1 is all zeros"),
        ([[NAN, 0.0], [1.0, 0.0]], "vectors must have a direction, and row 0 is not finite"),
        ([[1.0, 0.0], [INF, 0.0]], "vectors must have a direction, and row 1 is not finite"),
    ],
)
def test_unit_rows_names_the_row_that_has_no_direction(rows: Any, message: str) -> None:
    for error in (InputError, EngineError):
        with pytest.raises(error) as caught:
            unit_rows(rows, (2, 2), "vectors", error)
        assert str(caught.value) == message


def test_unit_rows_are_numbers() -> None:
    for wrong in ("abc", [["a"]], [[1.0], [1.0, 2.0]]):
        with pytest.raises(InputError, match="^vectors must be numbers in a matrix: "):
            unit_rows(wrong, (1, 1), "vectors")
