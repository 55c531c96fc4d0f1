"""Where shards end: a slow loop gives the same, however the rows come."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from youtu_st.errors import InputError
from youtu_st.scale.input.cutting import Cutter, Piece, tokens_of
from youtu_st.scale.settings import Cutting


def slow(tokens: list[int], most_tokens: int, most_rows: int) -> list[list[int]]:
    """Rows of each piece, by one rule: a row goes where the one before went, if both bounds still hold."""
    pieces: list[list[int]] = []
    for i, row in enumerate(tokens):
        held = pieces[-1] if pieces else []
        if held and len(held) < most_rows and sum(tokens[j] for j in held) + row <= most_tokens:
            held.append(i)
        else:
            pieces.append([i])
    return pieces


def cut(tokens: list[int], cutting: Cutting, borders: list[int] = ()) -> list[Piece]:
    cutter, pieces = Cutter(cutting), []
    values = np.array(tokens, np.int64)
    numbers = np.arange(1, len(tokens) + 1) * 2  # every other line begins a row
    offsets = np.arange(len(tokens)) * 100
    edges = [0, *sorted(min(border, len(tokens)) for border in borders), len(tokens)]
    for start, end in pairwise(edges):
        pieces += cutter.add(values[start:end], numbers[start:end], offsets[start:end])
    return [*pieces, *cutter.end()]


@given(
    st.lists(st.integers(0, 30), max_size=60),
    st.integers(1, 40),
    st.integers(1, 10),
    st.lists(st.integers(0, 60), max_size=5),
)
def test_as_a_slow_loop_however_the_rows_come(
    tokens: list[int], most_tokens: int, most_rows: int, borders: list[int]
):
    expected = [
        Piece(
            first=2 * (piece[0] + 1) - 1,
            rows=len(piece),
            tokens=sum(tokens[i] for i in piece),
            longest=max(tokens[i] for i in piece),
            offset=100 * piece[0],
        )
        for piece in slow(tokens, most_tokens, most_rows)
    ]
    assert cut(tokens, Cutting(most_tokens, most_rows), borders) == expected


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 40), st.integers(1, 10))
def test_bounds_hold_but_for_a_single_row_and_every_row_is_there(
    tokens: list[int], most_tokens: int, most_rows: int
):
    pieces = cut(tokens, Cutting(most_tokens, most_rows))
    assert sum(piece.rows for piece in pieces) == len(tokens)
    assert sum(piece.tokens for piece in pieces) == sum(tokens)
    for piece in pieces:
        assert 1 <= piece.rows <= most_rows
        assert piece.tokens <= most_tokens or piece.rows == 1


def test_no_bound_may_be_zero():
    for cutting in (Cutting(tokens=0), Cutting(rows=0)):
        with pytest.raises(InputError, match="at least 1"):
            Cutter(cutting)


def test_four_bytes_make_a_token_and_every_text_has_one():
    sizes = np.array([0, 1, 4, 5, 8, 9], np.int64)
    assert tokens_of(sizes).tolist() == [1, 1, 1, 2, 2, 3]
