"""``--filter``: what is said is the filter that is meant."""

from __future__ import annotations

import json
from datetime import date, datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from youtu_st.cli.conditions import parse_conditions
from youtu_st.cli.console import UsageError
from youtu_st.errors import FilterError


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["lang=zh"], {"lang": "zh"}),
        ([" lang = zh "], {"lang": "zh"}),
        (["year>=2020"], {"year": {"$gte": 2020}}),
        (["year<2021"], {"year": {"$lt": 2021}}),
        (["year<=2021.5"], {"year": {"$lte": 2021.5}}),
        (["year>-1e3"], {"year": {"$gt": -1000.0}}),
        (["tags!=x"], {"tags": {"$ne": "x"}}),
        (["lang=zh,year>=2020"], {"$and": [{"lang": "zh"}, {"year": {"$gte": 2020}}]}),
        (["lang=zh", "year>=2020"], {"$and": [{"lang": "zh"}, {"year": {"$gte": 2020}}]}),
        (["year>=2020,year<2022"], {"$and": [{"year": {"$gte": 2020}}, {"year": {"$lt": 2022}}]}),
        (['{"lang": "zh"}', "n=1"], {"$and": [{"lang": "zh"}, {"n": 1}]}),
        (['{"lang": {"$in": ["zh"]}}'], {"lang": {"$in": ["zh"]}}),
        (["a=true,b=false,c=null,d=True"], {"$and": [{"a": True}, {"b": False}, {"c": None}, {"d": "True"}]}),
        (['zip="01234"'], {"zip": "01234"}),
        (["zip=01234"], {"zip": "01234"}),
        (['n="7"'], {"n": "7"}),
        (['a="x, y",b=z'], {"$and": [{"a": "x, y"}, {"b": "z"}]}),
        (['"odd=name"=1'], {"odd=name": 1}),
        (['a="say \\"hi\\""'], {"a": 'say "hi"'}),
        (["source=notes/a b.md"], {"source": "notes/a b.md"}),
        (["expr=a=b"], {"expr": "a=b"}),
        (["page 2=x"], {"page 2": "x"}),
        (["a="], {"a": ""}),
        (["n=1_000"], {"n": "1_000"}),
        (["n=nan"], {"n": "nan"}),
        (["{}"], {}),
        (["{}", "{ }"], {}),
        (None, None),
        ([], None),
    ],
)
def test_what_is_meant(texts: list[str] | None, expected: Any) -> None:
    found = parse_conditions(texts)
    assert json.dumps(found) == json.dumps(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("day>=2024-05-01", {"day": {"$gte": date(2024, 5, 1)}}),
        ("at<2024-05-01T12:00:00Z", {"at": {"$lt": datetime(2024, 5, 1, 12, tzinfo=timezone.utc)}}),
        ("at=2024-05-01 12:00", {"at": datetime(2024, 5, 1, 12)}),
        ('day>="2024-05-01"', {"day": {"$gte": "2024-05-01"}}),
        ("day=2024-13-01", {"day": "2024-13-01"}),
        ("day=20240501", {"day": 20240501}),
    ],
)
def test_a_day_and_a_time_are_moments(text: str, expected: Any) -> None:
    found = parse_conditions([text])
    assert found == expected
    assert repr(found) == repr(expected)  # a date is no datetime


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "lang",
        "=zh",
        "lang=zh,",
        ",",
        "lang=zh,,n=1",
        "lang~zh",
        'a="x',
        'a="\\x"',
        'a="x"y',
        "[1]",
        "a==b",
        "a!==b",
        "a=>1",
        "a=<1",
        "a<>1",
    ],
)
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(UsageError, match="^--filter .*Examples: --filter lang=zh") as caught:
        parse_conditions([text])
    assert "\n" not in str(caught.value)


def test_what_no_filter_may_say() -> None:
    for text in ("$lang=zh", '{"$near": 1}', '{"a": {"$x": 1}}'):
        with pytest.raises(FilterError):
            parse_conditions([text])
    with pytest.raises(FilterError, match="int of 64 bits"):
        parse_conditions([f"n={1 << 70}"])
    with pytest.raises(UsageError, match="at most 10,000 characters"):
        parse_conditions(["a" * 20_000])


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"a": 1, "a": 2}', "'a'"),
        ('{"a": 1, "\\u0061": 1}', "'a'"),
        ('{"year": {"$gte": 1, "$gte": 2}}', r"'\$gte'"),
        ('{"$or": [{"b": 1}, {"$and": [{"语": 1, "语": 2}]}]}', "'语'"),
        ('{"a": {"$in": [{"x": 1, "x": 1}]}}', "'x'"),
    ],
)
def test_a_key_that_is_there_twice(text: str, key: str) -> None:
    with pytest.raises(
        UsageError, match=f"^--filter cannot be read: the field {key} is there twice. Examples"
    ) as caught:
        parse_conditions(["lang=zh", text])
    assert "\n" not in str(caught.value)


def test_a_field_that_is_said_twice_must_be_both() -> None:
    assert parse_conditions(["n>1,n<3"]) == {"$and": [{"n": {"$gt": 1}}, {"n": {"$lt": 3}}]}
    same = {"n": {"$gt": 1}, "$or": [{"n": {"$lt": 3}}, {"n": 5}]}  # one name in several objects
    assert parse_conditions([json.dumps(same)]) == same


FIELDS = st.text(min_size=1, max_size=9).filter(
    lambda text: not text.startswith("$") and "\0" not in text and "." not in text
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 60), 1 << 60)
    | st.text(max_size=9).filter(lambda text: "\0" not in text)
)


@given(
    st.lists(
        st.tuples(FIELDS, st.sampled_from(["=", "!=", ">", ">=", "<", "<="]), VALUES), min_size=1, max_size=4
    )
)
def test_quoted_everything_can_be_said(parts: list[tuple[str, str, Any]]) -> None:
    names = {"=": "$eq", "!=": "$ne", ">=": "$gte", "<=": "$lte", ">": "$gt", "<": "$lt"}
    said = ",".join(f"{json.dumps(field)}{operator}{json.dumps(value)}" for field, operator, value in parts)
    meant = [
        {field: value if operator == "=" else {names[operator]: value}} for field, operator, value in parts
    ]
    try:
        found = parse_conditions([said])
    except FilterError:
        return  # an order among what has none
    assert found == (meant[0] if len(meant) == 1 else {"$and": meant})


@given(st.text(max_size=40))
def test_anything_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        parse_conditions([text])
    except (UsageError, FilterError) as error:
        assert "\n" not in str(error)
