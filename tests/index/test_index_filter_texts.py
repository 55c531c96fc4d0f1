"""Filters on texts, ``$contains``, and times, against the plain evaluator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_filter import COMPARE, ISO, matches, select
from tiny import TinyEncoder

from youtu_st.errors import FilterError
from youtu_st.index import VectorIndex
from youtu_st.index.filtering.filters import compile_filter

CONTAINS = ["$contains", "$icontains"]
letters = st.sampled_from(["", "a", "A", "b", "ab", "Ab", "ß", "ẞ", "Σ", "σ", "中", "%", "'", '"'])
letters = letters | st.text("aAbΣ中_", max_size=4)
zones: Any = st.none() | st.integers(-90, 90).map(lambda n: timezone(timedelta(minutes=15 * n)))
near = st.datetimes(datetime(2020, 2, 27), datetime(2020, 3, 2), timezones=zones)
anywhere = st.datetimes(timezones=zones)
days = st.sampled_from([date(2020, 2, 28), date(2020, 2, 29), date.min, date.max])
some = st.sampled_from([datetime(2020, 2, 29, 12, tzinfo=timezone.utc), datetime(2020, 2, 29, 12)])
times = st.one_of(some, near, anywhere, days)
scalar = letters | st.sampled_from([*ISO, None, True, 1, 1.0, 2**62]) | times
name = st.sampled_from("ab")
record = st.dictionaries(name, scalar | st.lists(scalar, max_size=3), max_size=2)
condition = st.recursive(
    st.dictionaries(st.just("$contains"), scalar, min_size=1)
    | st.dictionaries(st.just("$icontains"), letters, min_size=1)
    | st.dictionaries(st.sampled_from([*COMPARE, "$eq", "$ne"]), times, min_size=1)
    | st.dictionaries(st.sampled_from(["$in", "$nin"]), st.lists(scalar, max_size=3), min_size=1)
    | times,
    lambda inner: inner.map(lambda one: {"$not": one}),
    max_leaves=2,
)
filters = st.recursive(
    st.dictionaries(name, condition, max_size=2) | st.dictionaries(st.sampled_from(CONTAINS), letters),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: {"$and": parts})
        | st.lists(inner, max_size=3).map(lambda parts: {"$or": parts})
        | inner.map(lambda one: {"$not": one})
    ),
    max_leaves=4,
)


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(st.lists(st.tuples(letters, record), min_size=1, max_size=5), filters)
def test_sql_selects_what_the_plain_evaluator_selects(
    documents: list[tuple[str, Any]], filter: dict[str, Any]
) -> None:
    texts, records = map(list, zip(*documents, strict=True))
    expected = [i for i, (text, one) in enumerate(documents) if matches(one, filter, text)]
    assert select(records, filter, texts) == expected


TEXTS = ["Mars is red.", "Venus is hot, and MARS is not.", "火星是红色的。", "50% 'quoted' \"text\""]
RECORDS: list[dict[str, Any]] = [
    {"title": "On Mars", "tags": ["mars", "red"], "seen": datetime(2024, 5, 1, 12)},
    {"title": "mars", "tags": ["Marsh"], "seen": "2024-05-01T12:00:00+02:00", "n": [1, 2]},
    {"title": ["mars"], "tags": "red mars", "seen": date(2024, 5, 2)},
    {"seen": "yesterday", "n": "12"},
]
NOON = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"$contains": "Mars"}, [0]),
        ({"$icontains": "mars"}, [0, 1]),
        ({"$contains": "星是红"}, [2]),
        ({"$contains": "%"}, [3]),
        ({"$contains": "'quoted' \"t"}, [3]),
        ({"$contains": ""}, [0, 1, 2, 3]),
        ({"$not": {"$contains": "Mars"}}, [1, 2, 3]),
        ({"$icontains": "MARS", "$contains": "hot"}, [1]),
        ({"$or": [{"$contains": "hot"}, {"$contains": "红"}, {"title": "On Mars"}]}, [0, 1, 2]),
        ({"title": {"$contains": "Mars"}}, [0]),
        ({"title": {"$contains": "mars"}}, [1, 2]),
        ({"title": {"$icontains": "MARS"}}, [0, 1, 2]),
        ({"tags": {"$contains": "mars"}}, [0, 2]),  # an element of a list, characters of a string
        ({"tags": {"$contains": "mar"}}, [2]),
        ({"tags": {"$substring": "mar"}}, [0, 2]),
        ({"tags": {"$icontains": "marsh"}}, [1]),
        ({"n": {"$contains": 1}}, [1]),
        ({"n": {"$contains": 1.0}}, [1]),
        ({"n": {"$contains": "1"}}, [3]),
        ({"n": {"$contains": True}}, []),
        ({"nowhere": {"$contains": ""}}, []),
        ({"tags": {"$not": {"$contains": "mars"}}}, [1, 3]),
        ({"seen": NOON}, [0]),
        ({"seen": NOON.astimezone(timezone(timedelta(hours=-7)))}, [0]),
        ({"seen": datetime(2024, 5, 1, 10)}, [1]),
        ({"seen": {"$lt": NOON}}, [1]),
        ({"seen": {"$gte": datetime(2024, 5, 1, 12)}}, [0, 2]),
        ({"seen": {"$gt": date(2024, 5, 1)}}, [0, 1, 2]),
        ({"seen": date(2024, 5, 2)}, [2]),
        ({"seen": {"$in": [NOON, "yesterday"]}}, [0, 3]),
        ({"seen": {"$nin": [NOON, None]}}, [1, 2, 3]),
        ({"seen": {"$ne": NOON}}, [1, 2, 3]),
        ({"seen": "2024-05-01T12:00:00"}, [0]),  # a str is compared with the text
        ({"seen": {"$gt": "2024-05-02"}}, [3]),
        ({"$or": [{"seen": NOON}, {"seen": "yesterday"}]}, [0, 3]),
    ],
    ids=lambda value: "",
)
def test_examples(filter: dict[str, Any], expected: list[int]) -> None:
    assert select(RECORDS, filter, TEXTS) == expected


def test_values_are_bound_never_written_into_the_sql() -> None:
    hostile = "'); DROP TABLE documents; --"
    filter = {"$contains": hostile, "$icontains": hostile, "a": {"$contains": hostile, "$icontains": hostile}}
    condition, values = compile_filter({**filter, "b": NOON, "c": {"$in": [NOON, 1], "$gt": NOON}})
    assert "DROP" not in condition
    assert "2024" not in condition
    assert condition.count("?") == len(values)
    assert select([{"a": hostile}, {}], filter, [hostile, hostile]) == [0]


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"$or": [{"$contains": str(n)} for n in range(7_999)]}, [1]),
        ({"$and": [{"a": {"$contains": "x"}}] * 3_999}, [1]),
        ({"$or": [{"a": {"$in": [None, NOON, 1]}}] * 2_600}, [0]),
        ({"a": {"$in": [NOON + timedelta(n) for n in range(20_000)]}}, []),
        ({"$or": [{"a": NOON + timedelta(n)} for n in range(7_999)]}, []),
    ],
    ids=lambda value: "",
)
def test_as_many_as_allowed_fit_into_sqlite(filter: dict[str, Any], expected: list[int]) -> None:
    assert select([{}, {"a": "xy"}], filter, ["a", "b1"]) == expected


class Never(datetime):
    """As pandas has it: a ``datetime`` that is no time."""

    def isoformat(self, *options: Any) -> str:
        return "NaT"


def test_a_time_that_is_none_is_refused() -> None:
    for filter in ({"a": Never(1, 1, 1)}, {"a": {"$gt": Never(1, 1, 1)}}, {"a": {"$in": [Never(1, 1, 1)]}}):
        with pytest.raises(FilterError, match="must be a time that there is, not "):
            compile_filter(filter)


@pytest.mark.parametrize("factory", ["Flat", "HNSW8"])
def test_searches_take_them(make: Callable[..., VectorIndex], factory: str) -> None:
    index = make(factory)
    index.add(TEXTS, list("abcd"), RECORDS)
    assert index.ids({"$icontains": "mars"}) == ["a", "b"]
    assert [hit.id for hit in index.search(TEXTS[0], filter={"$contains": "red"})] == ["a"]
    assert {hit.id for hit in index.search(TEXTS[0], filter={"seen": {"$lte": NOON}})} == {"a", "b"}
    with VectorIndex.open(index.path, TinyEncoder()) as other:
        diverse = other.search_diverse(TEXTS[0], filter={"$not": {"$icontains": "mars"}})
        assert {hit.id for hit in diverse} == {"c", "d"}


def test_they_find_the_same_when_they_are_asked_for_again(make: Callable[..., VectorIndex]) -> None:
    """From the second time on, an index looks at a table of a field's values."""
    index = make()
    index.add(TEXTS, list("abcd"), RECORDS)
    for _ in range(3):
        for filter in (
            {"seen": NOON},
            {"seen": {"$gte": datetime(2024, 5, 1, 12)}},
            {"seen": {"$nin": [NOON, None]}, "tags": {"$contains": "mars"}},
            {"tags": {"$icontains": "marsh"}},
            {"$or": [{"$contains": "hot"}, {"n": {"$contains": 1}}, {"title": {"$substring": "On"}}]},
            {"$not": {"$icontains": "mars"}, "seen": {"$ne": date(2024, 5, 2)}},
        ):
            expected = [i for i, one in enumerate(RECORDS) if matches(one, filter, TEXTS[i])]
            assert index.ids(filter) == ["abcd"[i] for i in expected]
    index.add(["Mars too"], ["e"], [{"seen": NOON, "tags": ["mars"]}])
    index.delete(["a"])
    assert index.ids({"seen": NOON}) == ["e"]
    assert index.ids({"tags": {"$contains": "mars"}, "$icontains": "MARS T"}) == ["e"]
