"""A filter that is asked for again is answered from a table of its fields: with what it answered at first."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import TinyEncoder

from youtu_st.index import VectorIndex
from youtu_st.index.filtering import fields

ENCODER = TinyEncoder()
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from([0.5, 1.0, -0.0]),
    st.sampled_from(["", "1", "a", "B"]),
)
METADATA = st.dictionaries(
    st.sampled_from(["a", "b"]),
    VALUES | st.lists(VALUES, max_size=3) | st.dictionaries(st.just("c"), VALUES),
    max_size=2,
)
FIELD = st.sampled_from(["a", "b", "a.c", "nowhere"])
CONDITION = st.one_of(
    VALUES,
    st.fixed_dictionaries({"$ne": VALUES}),
    st.fixed_dictionaries({"$in": st.lists(VALUES, max_size=3)}),
    st.fixed_dictionaries({"$gte": st.integers(-2, 2)}),
    st.fixed_dictionaries({"$lt": st.sampled_from(["a", "b"])}),
    st.fixed_dictionaries({"$substring": st.sampled_from(["", "a"])}),
    st.fixed_dictionaries({"$contains": VALUES}),
    st.fixed_dictionaries({"$icontains": st.sampled_from(["", "A"])}),
    st.fixed_dictionaries({"$size": st.integers(0, 2)}),
    st.fixed_dictionaries({"$not": st.fixed_dictionaries({"$contains": VALUES})}),
    st.fixed_dictionaries({"$not": st.fixed_dictionaries({"$gt": st.integers(-1, 1)})}),
)
ONE = st.dictionaries(FIELD, CONDITION, min_size=1, max_size=2)
FILTER = (
    ONE
    | st.fixed_dictionaries({"$or": st.lists(ONE, max_size=3)})
    | st.fixed_dictionaries({"$not": ONE})
    | st.fixed_dictionaries({"$contains": st.sampled_from(["text", "0"]), "a": CONDITION})
)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(
    batches=st.lists(st.lists(METADATA, min_size=1, max_size=6), min_size=1, max_size=3),
    filters=st.lists(FILTER, min_size=1, max_size=3),
)
def test_asked_again_it_is_the_same(batches: list[list[Any]], filters: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        with VectorIndex.create(path, ENCODER) as index, VectorIndex.open(path, ENCODER) as reader:
            for batch in batches:
                ids = index.add([f"text {i}" for i in range(len(batch))], None, batch)
                index.delete(ids[:1])
                for filter in filters:
                    with VectorIndex.open(path, ENCODER) as new:  # has been asked nothing
                        expected = new.ids(filter)
                    for one in (index, reader):
                        for _ in range(3):
                            assert one.ids(filter) == expected
                            assert {hit.id for hit in one.search("text 0", 20, filter)} == {*expected}


def test_it_reads_each_document_once(index: VectorIndex) -> None:
    index.add(["one", "two"], ["1", "2"], [{"n": 1}, {"n": 2}])
    documents = index._directory._documents

    def rows() -> int:
        return documents._connection.execute("SELECT count(*) FROM temp.elements").fetchone()[0]  # type: ignore[no-any-return]

    assert index.ids({"n": 1}) == index.ids({"n": 1}) == ["1"]
    assert rows() == 2
    index.add(["three"], ["3"], [{"n": 1}])
    assert index.ids({"n": 1}) == ["1", "3"]
    assert rows() == 3


def test_it_keeps_a_few_fields(index: VectorIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "_MOST", 2)
    index.add(["one"], ["1"], [{"a": 1, "b": 1, "c": 1}])
    for field in "abc" * 3:
        assert index.ids({field: 1}) == ["1"]
    assert len(index._directory._documents._fields._read_to) == 2


@pytest.mark.parametrize(
    "filter",
    [
        {"n": {"$contains": "a"}},
        {"n": {"$icontains": "A"}},
        {"n": {"$not": {"$contains": 1}}},
        {"$contains": "one", "n": "a"},
    ],
)
def test_what_the_table_does_not_say_is_asked_of_the_documents(
    index: VectorIndex, filter: dict[str, Any]
) -> None:
    index.add(["one", "two"], ["1", "2"], [{"n": "a"}, {"n": [1]}])
    for _ in range(3):
        assert index.ids(filter) == ["1"]
        assert [hit.id for hit in index.search("one", 5, filter)] == ["1"]
