"""The fixed texts, and when two encoders are the same."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from youtu_st.errors import InputError
from youtu_st.probes import (
    DOCUMENTS,
    PROBE_COSINE,
    PROBE_TEXTS,
    QUERIES,
    SHORT,
    cosines,
    encode_probes,
    lowest_cosine,
)


class Fixed:
    """Gives each text a vector of its own in the plane, three times as long as it should be."""

    dimension = 2

    def encode_query(self, texts: list[str]) -> Any:
        return np.array([[3.0 * np.cos(i), 3.0 * np.sin(i)] for i in range(len(texts))])

    def encode_document(self, texts: list[str]) -> Any:
        return -self.encode_query(texts)


def test_the_texts_that_manifests_keep_never_change() -> None:
    kept = json.dumps(PROBE_TEXTS, ensure_ascii=False).encode()
    assert hashlib.sha256(kept).hexdigest()[:16] == "dd837daba4fefabd"
    manifest = next(Path(__file__).parent.glob("data/previous/**/manifest.json"))
    assert json.loads(manifest.read_text(encoding="utf-8"))["probes"]["texts"] == list(PROBE_TEXTS)


def test_the_texts_for_examining_are_as_they_are_described() -> None:
    assert (len(QUERIES), len(DOCUMENTS)) == (8, 8)
    assert len({*QUERIES, *DOCUMENTS}) == 16
    assert max(map(len, DOCUMENTS)) == len(DOCUMENTS[-1]) <= 2000  # Tencent Cloud takes no more
    assert {role for role, _ in SHORT} == {"query", "document"}
    assert all(text in (QUERIES if role == "query" else DOCUMENTS) for role, text in SHORT)


def test_probes_are_encoded_in_both_roles_and_scaled() -> None:
    query, document = encode_probes(Fixed(), PROBE_TEXTS)  # type: ignore[arg-type]
    expected = [[np.cos(i), np.sin(i)] for i in range(4)]
    np.testing.assert_allclose(query, expected, atol=1e-7)
    np.testing.assert_array_equal(document, -query)


def test_an_encoder_without_directions_is_refused() -> None:
    class Zeros(Fixed):
        def encode_document(self, texts: list[str]) -> Any:
            return np.zeros((len(texts), 2))

    with pytest.raises(InputError, match="^the encoder's document vectors must have a direction, and row 0"):
        encode_probes(Zeros(), PROBE_TEXTS)  # type: ignore[arg-type]


def test_the_lowest_cosine_is_that_of_the_row_that_differs_most() -> None:
    angles = np.array([0.0, 0.1, 0.02])
    left = np.tile(np.array([[1, 0]], dtype=np.float32), (3, 1))
    right = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    np.testing.assert_allclose(cosines(left, right), np.cos(angles), atol=1e-7)
    assert cosines(left, right).dtype == np.float64
    assert lowest_cosine(left, right) == pytest.approx(np.cos(0.1), abs=1e-7)
    assert lowest_cosine(left[::2], right[::2]) > PROBE_COSINE > lowest_cosine(left, right)
