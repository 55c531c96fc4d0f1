"""Vectors that somebody brings, compared with an encoder's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import TinyEncoder

from youtu_st.errors import IndexMismatchError, InputError
from youtu_st.index import VectorIndex, check_vectors
from youtu_st.index.agreement import PROBED, spread

TEXTS = [f"Text {i}." for i in range(100)]


@given(st.integers(1, 10_000), st.integers(1, 50))
def test_positions_are_spread(count: int, most: int) -> None:
    places = spread(count, most)
    assert places == sorted(set(places))
    assert len(places) == min(count, most)
    assert all(0 <= place < count for place in places)
    if most > 1:
        assert (places[0], places[-1]) == (0, count - 1)
        assert max(np.diff(places), default=1) <= -(-(count - 1) // max(1, min(count, most) - 1)) + 1


def test_own_vectors_agree_of_any_length(encoder: TinyEncoder) -> None:
    rows = encoder.encode_document(TEXTS) * np.linspace(0.1, 9, 100, dtype=np.float32)[:, None]
    encoder.encoded.clear()
    found = check_vectors(encoder, TEXTS, rows)
    assert (found.count, found.holds, found.alike) == (20, True, "")
    assert found.least == pytest.approx(1, abs=1e-6)
    assert encoder.encoded == [TEXTS[place] for place in spread(100, PROBED)]
    assert check_vectors(encoder, [], np.empty((0, 16))).holds


def test_least_and_median_are_those_of_the_cosines(encoder: TinyEncoder) -> None:
    noisy = TinyEncoder(noise=0.02)
    with pytest.raises(
        IndexMismatchError, match=r"least cosine is 0\.9800 and the median 0\.9800, and at least 0\.999"
    ):
        check_vectors(encoder, TEXTS, noisy.encode_document(TEXTS))
    rows = encoder.encode_document(TEXTS)
    rows[0] = -rows[0]
    with pytest.raises(IndexMismatchError, match=r"least cosine is -1\.0000 and the median 1\.0000"):
        check_vectors(encoder, TEXTS, rows)


def test_vectors_of_another_prompt_are_told(encoder: TinyEncoder) -> None:
    for rows, how in (
        (encoder.encode_query(TEXTS), "as queries"),
        (encoder.encode_document(TEXTS, instruction=""), "as documents without their prompt"),
        (encoder.encode_query(TEXTS, instruction=""), "as queries without an instruction|as queries"),
    ):
        with pytest.raises(IndexMismatchError, match=f"this model's vectors of the texts ({how})$"):
            check_vectors(encoder, TEXTS, rows)


def test_an_index_probes_when_asked(index: VectorIndex, encoder: TinyEncoder) -> None:
    wrong: Any = encoder.encode_query(TEXTS)
    with pytest.raises(IndexMismatchError, match="vectors are not those of 'tiny': of 20 texts"):
        index.add(TEXTS, vectors=wrong, probe=True)
    assert len(index) == 0
    right = encoder.encode_document(TEXTS)
    encoder.encoded.clear()
    index.add(TEXTS, vectors=right, probe=True)
    assert len(encoder.encoded) == 20
    index.add(TEXTS, vectors=wrong)  # who has just made them is trusted
    assert len(encoder.encoded) == 20
    index.add(["made here"], probe=True)
    assert len(index) == 201
    with pytest.raises(InputError, match="vectors must have shape"):
        index.add(TEXTS, vectors=right[:5], probe=True)
