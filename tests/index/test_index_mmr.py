"""Maximal marginal relevance, against brute force and against LangChain's own function."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import TinyEncoder

from youtu_st.errors import FilterError, InputError
from youtu_st.index import VectorIndex
from youtu_st.index.mmr import mmr

TEXTS = [f"text {i}" for i in range(90)]
IDS = [str(i) for i in range(90)]


def brute_force(query: Any, candidates: Any, k: int, share: Any) -> list[int]:
    """The definition, word by word; exact where the numbers are."""

    def product(a: Any, b: Any) -> Any:
        return sum(x * y for x, y in zip(a, b, strict=True))

    relevance = [product(query, one) for one in candidates]
    chosen: list[int] = []
    while len(chosen) < k and len(chosen) < len(candidates):
        left = [i for i in range(len(candidates)) if i not in chosen]

        def value(i: int) -> Any:
            if not chosen:
                return relevance[i]
            return share * relevance[i] - (1 - share) * max(
                product(candidates[i], candidates[j]) for j in chosen
            )

        chosen.append(max(left, key=lambda i: (value(i), -i)))
    return chosen


# Small integers and quarters are exact in any order of adding, so that ties are ties.
vector = st.lists(st.integers(-3, 3), min_size=3, max_size=3)


@settings(max_examples=400, deadline=None)
@given(vector, st.lists(vector, max_size=9), st.integers(1, 10), st.integers(0, 4))
def test_it_chooses_what_the_definition_chooses(
    query: list[int], candidates: list[list[int]], k: int, quarters: int
) -> None:
    rows = np.array(candidates, dtype=np.float32).reshape(-1, 3)
    got = mmr(np.array(query, dtype=np.float32), rows, k=k, lambda_mult=quarters / 4)
    assert got == brute_force(query, candidates, k, Fraction(quarters, 4))


def unit(rows: Any) -> Any:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.75, 1.0])
def test_it_agrees_with_langchain(share: float) -> None:
    oracle = pytest.importorskip("langchain_core.vectorstores.utils").maximal_marginal_relevance
    for seed in range(20):
        random = np.random.default_rng(seed)
        query, candidates = unit(random.standard_normal(12)), unit(random.standard_normal((25, 12)))
        expected = oracle(query.astype(np.float64), candidates.astype(np.float64), share, 8)
        assert mmr(query, candidates, k=8, lambda_mult=share) == expected


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_equal_candidates_come_in_order(share: float) -> None:
    random = np.random.default_rng(1)
    query, row = unit(random.standard_normal(384)), unit(random.standard_normal(384))
    for count in (2, 7, 33, 100):
        assert mmr(query, np.tile(row, (count, 1)), k=count, lambda_mult=share) == list(range(count))


@pytest.fixture
def full(index: VectorIndex) -> VectorIndex:
    index.add(TEXTS, IDS, [{"n": i % 3} for i in range(90)])
    return index


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_the_index_chooses_from_the_nearest(full: VectorIndex, encoder: TinyEncoder, share: float) -> None:
    nearest = [int(hit.id) for hit in full.search("text 4", 15)]
    query, rows = encoder.encode_query(["text 4"])[0], encoder.encode_document(TEXTS)
    chosen = brute_force(query.tolist(), rows[nearest].tolist(), 6, share)
    hits = full.search_diverse("text 4", 6, fetch_k=15, lambda_mult=share)
    assert [int(hit.id) for hit in hits] == [nearest[i] for i in chosen]
    assert [hit.score for hit in hits] == pytest.approx([rows[int(hit.id)] @ query for hit in hits], abs=1e-6)
    assert [hit.text for hit in hits] == [TEXTS[int(hit.id)] for hit in hits]
    by_vector = full.search_diverse(query * 3, 6, fetch_k=15, lambda_mult=share)
    assert [hit.id for hit in by_vector] == [hit.id for hit in hits]


def test_only_relevance_is_search_and_the_first_hit_is_always_the_nearest(full: VectorIndex) -> None:
    assert full.search_diverse("text 9", 7, lambda_mult=1) == full.search("text 9", 7)
    assert full.search_diverse("text 9", 7, lambda_mult=0)[0].id == "9"


def test_a_near_copy_gives_way(index: VectorIndex) -> None:
    query, copy, other = np.eye(16)[:3]
    first = query + 0.3 * copy
    index.add(
        ["a", "b", "c"], ["first", "copy", "other"], vectors=[first, first + 0.01 * copy, query + 0.5 * other]
    )
    assert [hit.id for hit in index.search(query, 2)] == ["first", "copy"]
    assert [hit.id for hit in index.search_diverse(query, 2)] == ["first", "other"]


def test_fewer_candidates_than_hits(full: VectorIndex) -> None:
    """Asked for more than ``fetch_k``, it fetches as many as asked for."""
    nearest = {hit.id for hit in full.search("text 3", 12)}
    assert {hit.id for hit in full.search_diverse("text 3", 12, fetch_k=2)} == nearest
    assert {hit.id for hit in full.search_diverse("text 3", 99, ids=["3", "4", "nope"])} == {"3", "4"}
    assert full.search_diverse("text 3", ids=[]) == []


def test_it_is_confined_by_filter_and_ids(full: VectorIndex) -> None:
    hits = full.search_diverse("text 3", 50, fetch_k=50, filter={"n": 1}, ids=[str(i) for i in range(20)])
    assert sorted(int(hit.id) for hit in hits) == [1, 4, 7, 10, 13, 16, 19]


def test_the_instruction_reaches_the_encoder(full: VectorIndex) -> None:
    assert full.search_diverse("text 3", 4, instruction="other", lambda_mult=1) == full.search(
        "text 3", 4, instruction="other"
    )
    assert full.search_diverse("text 3", 4, lambda_mult=1) != full.search("text 3", 4, instruction="other")


@pytest.mark.parametrize("factory", ["HNSW8", "IVF2,Flat", "SQ8", "PCA8,Flat", "PQ4x4"])
def test_every_kind_of_factory(make: Callable[..., VectorIndex], factory: str) -> None:
    index = make(factory)
    index.add([f"text {i}" for i in range(700)], [str(i) for i in range(700)])
    found = index.search("text 5", 20)
    hits = index.search_diverse("text 5", 5, fetch_k=20)
    stored = index.vectors([hit.id for hit in found]).tolist()
    query = index.encoder.encode_query(["text 5"])[0].tolist()
    assert hits == [found[i] for i in brute_force(query, stored, 5, 0.5)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lambda_mult": 1.01}, "lambda_mult must be a number from 0 to 1, not 1.01"),
        ({"lambda_mult": -1}, "lambda_mult .* not -1"),
        ({"lambda_mult": float("nan")}, "lambda_mult .* not nan"),
        ({"lambda_mult": "0.5"}, "lambda_mult .* not '0.5'"),
        ({"lambda_mult": True}, "lambda_mult .* not True"),
        ({"fetch_k": 0}, "fetch_k must be an int of at least 1, not 0"),
        ({"k": 0}, "k must be an int of at least 1"),
        ({"filter": {"a": {"$x": 1}}}, "unsupported operator"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_encoded(
    full: VectorIndex, encoder: TinyEncoder, arguments: dict[str, Any], message: str
) -> None:
    encoder.encoded.clear()
    with pytest.raises((InputError, FilterError), match=message):
        full.search_diverse("text 3", **arguments)
    assert encoder.encoded == []
