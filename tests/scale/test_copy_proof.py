"""The proof at a copy's end: the exact best by brute force, and what makes it fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pytest
from copy_ends import ENCODER, content, ends, make_index
from hypothesis import given
from hypothesis import strategies as st
from job_folders import unit

from youtu_st.scale.copying import copy_rows
from youtu_st.scale.copying.copying import copy_opened
from youtu_st.scale.copying.digest import digest_of
from youtu_st.scale.copying.ends import open_destination, open_source
from youtu_st.scale.copying.lance import LanceTable
from youtu_st.scale.copying.proof import Oracle, Proof, differences, queries_between, same_values
from youtu_st.scale.copying.rows import Rows, jsons_of, rows_of_a_block


def rows_of(vectors: np.ndarray, first: int = 0) -> Rows:
    ids = [str(first + place) for place in range(len(vectors))]
    return Rows(ids, ["text"] * len(ids), ["{}"] * len(ids), vectors)


class Held:
    """A source of which the vectors are here."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.rows = rows_of(vectors)

    def rows_of(self, ids: list[str]) -> Rows:
        return self.rows.in_order(ids)


@pytest.mark.parametrize("block", [1, 7, 64, 500])
def test_the_oracle_finds_what_sorting_all_scores_finds(block: int) -> None:
    vectors, queries = unit(500, 8, 1), unit(20, 8, 2)
    oracle = Oracle(queries)
    for first in range(0, 500, block):
        oracle.see(rows_of(vectors[first : first + block], first))
    exact = [[str(place) for place in np.argsort(-scores)[:10]] for scores in queries @ vectors.T]
    assert oracle.overlap(exact, Held(vectors)) == 1
    assert oracle.overlap([list(reversed(best)) for best in exact], Held(vectors)) == 1
    shifted = [[str(place) for place in np.argsort(-scores)[3:13]] for scores in queries @ vectors.T]
    assert oracle.overlap(shifted, Held(vectors)) == pytest.approx(0.7)
    assert oracle.overlap([[] for _ in queries], Held(vectors)) == 0
    assert oracle.overlap([best[:1] * 10 for best in exact], Held(vectors)) == pytest.approx(0.1)


def test_of_equal_rows_any_is_among_the_best() -> None:
    vectors = np.concatenate([unit(5, 8, 1), np.repeat(unit(1, 8, 2), 30, axis=0), -unit(1, 8, 2)])
    oracle = Oracle(unit(1, 8, 2))
    oracle.see(rows_of(vectors))
    assert oracle.overlap([[str(place) for place in range(20, 30)]], Held(vectors)) == 1
    assert oracle.overlap([[str(place) for place in range(27, 37)]], Held(vectors)) == pytest.approx(0.8)


def test_fewer_rows_than_are_asked_for() -> None:
    vectors = unit(3, 8, 1)
    oracle = Oracle(vectors)
    oracle.see(rows_of(vectors))
    assert oracle.overlap([["0", "1", "2"]] * 3, Held(vectors)) == 1


def test_queries_lie_between_rows() -> None:
    vectors = unit(7, 8, 1)
    made = queries_between(vectors)
    expected = [vectors[place].astype(np.float64) + vectors[4 + place] for place in range(3)]
    np.testing.assert_allclose(made, [one / np.linalg.norm(one) for one in expected], atol=1e-6)
    np.testing.assert_array_equal(queries_between(vectors[:1]), vectors[:1])
    assert len(queries_between(np.float32([[1, 0], [-1, 0]]))) == 0


def test_differences_are_counted() -> None:
    sent = rows_of(unit(4, 8, 1))
    assert differences(sent, rows_of(unit(4, 8, 1))) == (0, 0.0)
    arrived = rows_of(unit(4, 8, 1))
    arrived.texts[1] = "another"
    arrived.metadata[1] = arrived.metadata[2] = '{"a": 1}'
    arrived.vectors[3, 2] += 0.25
    different, difference = differences(sent, arrived)
    assert different == 2
    assert difference == pytest.approx(0.25)
    assert differences(sent, arrived.at([3, 0])) == (2, pytest.approx(0.25))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": [1.0, None]}, {"b": [1.0, None], "a": 1}, True),
        (1, 1.0, False),
        (1, True, False),
        ([1, 2], [2, 1], False),
        ([1], [1, 1], False),
        ({"a": None}, {}, False),
        ({"a": {"b": "x"}}, {"a": {"b": "y"}}, False),
        ("1", 1, False),
    ],
)
def test_values_of_json_are_compared_with_their_types(one: Any, other: Any, same: bool) -> None:
    assert same_values(one, other) == same
    assert same_values(other, one) == same


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({}, True),
        ({"destination": 9}, False),
        ({"different": 1}, False),
        ({"difference": 1e-6}, True),
        ({"difference": 1.1e-6}, False),
        ({"difference": float("nan")}, False),
        ({"overlap": 0.95}, True),
        ({"overlap": 0.949}, False),
    ],
)
def test_when_a_proof_holds(change: dict[str, Any], holds: bool) -> None:
    fine: dict[str, Any] = {"source": 10, "destination": 10, "compared": 5, "different": 0, "difference": 0.0}
    assert Proof(**{**fine, "queries": 3, "overlap": 1.0, "written": 10, **change}).holds == holds


class Spoilt(LanceTable):
    """A table that does something to the rows that it is given."""

    def __init__(self, path: str, how: str) -> None:
        super().__init__(path, "table")
        self.how = how

    def write(self, rows: Rows) -> None:
        places = list(range(len(rows)))
        if self.how == "lost":
            rows = rows.at(places[:-1])
        elif self.how == "twice":
            rows = rows.at([*places, 0])
        elif self.how == "texts":
            rows.texts = [f"{text}." for text in rows.texts]
        elif self.how == "metadata":
            rows.metadata = ["{}"] * len(rows)
        elif self.how == "rounded":
            rows.vectors = rows.vectors.astype(np.float16).astype(np.float32)
        elif self.how == "shuffled":
            rows.vectors = rows.vectors[::-1]
        super().write(rows)

    def search(self, queries: np.ndarray, k: int) -> list[list[str]]:
        return super().search(-queries if self.how == "far" else queries, k)


@pytest.mark.parametrize("how", ["lost", "twice", "texts", "metadata", "rounded", "shuffled", "far"])
def test_whatever_goes_wrong_is_seen(tmp_path: Path, how: str) -> None:
    source = open_source(make_index(tmp_path / "source", content(150)))
    table = Spoilt(str(tmp_path / "lance"), how)
    proof = copy_opened(source, table)
    table.close()
    source.close()
    assert not proof.holds
    assert (proof.destination == 150) == (how not in ("lost", "twice"))
    if how in ("texts", "metadata"):
        assert proof.different == proof.compared > 50
    if how == "far":
        assert proof.overlap < 0.5


def test_a_table_that_was_changed_afterwards_is_found_out(tmp_path: Path) -> None:
    source = make_index(tmp_path / "source", content(40))
    there = ends(tmp_path)["lancedb"]
    assert copy_rows(source, there).holds
    lancedb.connect(tmp_path / "lance").open_table("table").update(values={"text": "x"})
    proof = copy_rows(source, there, resume=True)
    assert not proof.holds
    assert proof.different == proof.compared


def test_rows_that_were_deleted_afterwards_come_back(tmp_path: Path) -> None:
    source = make_index(tmp_path / "source", content(40))
    there = ends(tmp_path)["lancedb"]
    assert copy_rows(source, there).holds
    lancedb.connect(tmp_path / "lance").open_table("table").delete("id LIKE 'id ''1%'")
    proof = copy_rows(source, there, resume=True)
    assert proof.holds
    assert proof.written == 11


@given(st.lists(st.text(min_size=1).filter(lambda id: id.isprintable()), unique=True), st.randoms())
def test_a_digest_of_ids_knows_no_order(ids: list[str], random: Any) -> None:
    shuffled = random.sample(ids, len(ids))
    assert digest_of(shuffled) == digest_of(ids)
    assert digest_of(ids[2:], digest_of(ids[:2])) == digest_of(ids)
    assert -(1 << 63) <= digest_of(ids) < 1 << 63
    assert not ids or digest_of(ids[1:]) != digest_of(ids)


@given(
    st.lists(
        st.dictionaries(
            st.text(),
            st.none()
            | st.booleans()
            | st.integers()
            | st.text()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.lists(st.text()),
        )
    )
)
def test_metadata_become_json_one_by_one(rows: list[dict[str, Any]]) -> None:
    assert [json.loads(text) for text in jsons_of(rows, str)] == rows
    assert not any("\n" in text for text in jsons_of(rows, str))


def test_a_block_holds_16_mib_of_vectors() -> None:
    assert [rows_of_a_block(dimension) for dimension in (1, 384, 1024, 4096, 65_536, 10**6)] == [
        4096,
        4096,
        4096,
        1024,
        64,
        64,
    ]


def test_an_index_end_is_opened_once(tmp_path: Path) -> None:
    """What is there decides what a directory is; nothing is made by looking."""
    destination = open_destination(str(tmp_path / "new"))
    destination.admit(ENCODER)
    assert destination.record is None
    assert not (tmp_path / "new").exists()
