"""Searches confined to some ids: against brute force, with every kind of factory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from tiny import TinyEncoder

from youtu_st.errors import InputError
from youtu_st.index import VectorIndex

COUNT = 120
TEXTS = [f"text {i}" for i in range(COUNT)]
IDS = [str(i) for i in range(COUNT)]


@pytest.fixture(params=["Flat", "HNSW8", "IVF2,Flat"])
def full(request: pytest.FixtureRequest, make: Callable[..., VectorIndex]) -> VectorIndex:
    index = make(request.param)
    index.add(TEXTS, IDS, [{"n": i % 4} for i in range(COUNT)])
    index.delete(["7", "8"])
    return index


def expected(encoder: TinyEncoder, query: str, ids: set[int], k: int) -> list[str]:
    scores = encoder.encode_document(TEXTS).astype(np.float64) @ encoder.encode_query([query])[0]
    alive = ids - {7, 8}
    return [str(i) for i in sorted(alive, key=lambda i: -scores[i])[:k]]


@pytest.mark.parametrize("wanted", [{3}, set(range(0, 120, 5)), set(range(6, 11)), set(range(120))])
def test_only_these_are_found(full: VectorIndex, encoder: TinyEncoder, wanted: set[int]) -> None:
    ids = [str(i) for i in wanted]
    assert [hit.id for hit in full.search("text 50", 9, ids=ids)] == expected(encoder, "text 50", wanted, 9)
    many = full.search_many(["text 50", "text 3"], 9, ids=iter(ids))
    assert [[hit.id for hit in hits] for hits in many] == [
        expected(encoder, query, wanted, 9) for query in ("text 50", "text 3")
    ]


def test_ids_and_filter_must_both_hold(full: VectorIndex, encoder: TinyEncoder) -> None:
    ids = [str(i) for i in range(40)]
    found = full.search("text 5", 99, {"n": 1}, ids=ids)
    assert [hit.id for hit in found] == expected(encoder, "text 5", set(range(1, 40, 4)), 99)
    assert {hit.metadata["n"] for hit in found} == {1}


def test_ids_that_are_not_there_find_nothing(full: VectorIndex) -> None:
    assert full.search("text 5", ids=[]) == []
    assert full.search("text 5", ids=["7", "nope", "3\0", "\ud800", ""]) == []
    assert full.search_many(["text 5", "text 6"], ids=()) == [[], []]
    assert [hit.id for hit in full.search("text 5", ids=["nope", "5", "5"])] == ["5"]


def test_a_single_id_must_be_in_a_list(full: VectorIndex, encoder: TinyEncoder) -> None:
    encoder.encoded.clear()
    with pytest.raises(InputError, match=r"ids must be a list of str, not '5': pass \[id\]"):
        full.search("text 5", ids="5")
    with pytest.raises(InputError, match="id 1 must be a str, not 5 of type int"):
        full.search_diverse("text 5", ids=["5", 5])
    assert encoder.encoded == []
