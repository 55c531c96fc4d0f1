"""Filters: compiled to SQL, against a plain-Python evaluator written from the documented rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_filter import COMPARE, matches, select

from youtu_st.errors import FilterError
from youtu_st.index.filtering.filters import compile_filter

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)
scalar = (
    st.sampled_from([None, True, False, 0, 1, 1.0, -1, 0.5, "", "1", "a", "zh", "中", "true"])
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
)
name = st.sampled_from(["a", "b", "中文", "x y"])
value = (
    scalar
    | st.lists(scalar, max_size=3)
    | st.dictionaries(name, scalar | st.lists(scalar, max_size=2), max_size=2)
)
record = st.dictionaries(name, value, max_size=3)
path = name | st.builds(lambda a, b: f"{a}.{b}", name, name)
bound = scalar.filter(lambda v: v is not None and not isinstance(v, bool))
condition = st.recursive(
    scalar
    | st.dictionaries(st.sampled_from(["$eq", "$ne"]), scalar, min_size=1)
    | st.dictionaries(st.sampled_from(["$in", "$nin"]), st.lists(scalar, max_size=3), min_size=1)
    | st.dictionaries(st.sampled_from(sorted(COMPARE)), bound, min_size=1)
    | st.dictionaries(
        st.sampled_from(["$substring", "$isubstring"]), text | st.sampled_from("aAzZÀàΣσ中"), min_size=1
    )
    | st.dictionaries(st.just("$size"), st.integers(0, 3) | st.just(2**70), min_size=1),
    lambda inner: inner.map(lambda one: {"$not": one}),
    max_leaves=3,
)
filters = st.recursive(
    st.dictionaries(path, condition, max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: {"$and": parts})
        | st.lists(inner, max_size=3).map(lambda parts: {"$or": parts})
        | inner.map(lambda one: {"$not": one})
    ),
    max_leaves=4,
)


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(st.lists(record, min_size=1, max_size=6), filters)
def test_sql_selects_what_the_plain_evaluator_selects(records: list[Any], filter: dict[str, Any]) -> None:
    assert select(records, filter) == [i for i, one in enumerate(records) if matches(one, filter)]


RECORDS: list[dict[str, Any]] = [
    {"lang": "zh", "year": 2020, "tags": ["a", "b"], "author": {"name": "Li"}},
    {"lang": "en", "year": 2023.5, "tags": [], "ok": True},
    {"lang": None, "year": "2021", "ok": 1},
    {},
]


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        (None, [0, 1, 2, 3]),
        ({}, [0, 1, 2, 3]),
        ({"lang": "zh"}, [0]),
        ({"lang": None}, [2, 3]),
        ({"lang": {"$ne": "zh"}}, [1, 2, 3]),
        ({"lang": {"$in": ["zh", "en"]}}, [0, 1]),
        ({"lang": {"$in": []}}, []),
        ({"lang": {"$nin": ["zh", None]}}, [1]),
        ({"year": {"$gte": 2020, "$lt": 2024}}, [0, 1]),
        ({"year": {"$gt": 2020}}, [1]),
        ({"year": {"$gt": "2020"}}, [2]),
        ({"tags": "b"}, [0]),
        ({"tags": {"$in": ["b", "c"]}}, [0]),
        ({"ok": True}, [1]),
        ({"ok": 1}, [2]),
        ({"ok": 1.0}, [2]),
        ({"author.name": "Li"}, [0]),
        ({"author": "Li"}, []),
        ({"author.name": {"$ne": "Li"}}, [1, 2, 3]),
        ({"lang": "zh", "year": 2021}, []),
        ({"$or": [{"lang": "zh"}, {"ok": True}]}, [0, 1]),
        ({"$and": [{"lang": "zh"}, {"year": {"$lte": 2020}}]}, [0]),
        ({"$not": {"lang": "zh"}}, [1, 2, 3]),
        ({"year": {"$not": {"$gte": 2000}}}, [2, 3]),
        ({"$and": []}, [0, 1, 2, 3]),
        ({"$or": []}, []),
        ({"$not": {"$or": []}}, [0, 1, 2, 3]),
        ({"$not": {"$and": []}}, []),
        ({"lang": "zh", "$and": []}, [0]),
        ({"lang": "zh", "$or": []}, []),
        ({"$or": [{"$and": []}, {"lang": "zh"}]}, [0, 1, 2, 3]),
        ({"$or": [{"lang": "zh"}, {"lang": None}, {"year": 2023.5}, {"ok": {"$eq": True}}]}, [0, 1, 2, 3]),
        ({"author.name": {"$substring": "i"}}, [0]),
        ({"author.name": {"$substring": "l"}}, []),
        ({"author.name": {"$isubstring": "l"}}, [0]),
        ({"tags": {"$substring": ""}}, [0]),
        ({"year": {"$substring": "02"}}, [2]),
        ({"lang": {"$not": {"$isubstring": "ZH"}}}, [1, 2, 3]),
        ({"tags": {"$size": 0}}, [1]),
        ({"tags": {"$size": 2}}, [0]),
        ({"tags": {"$size": 2, "$eq": "b"}}, [0]),
        ({"tags": {"$not": {"$size": 0}}}, [0, 2, 3]),
        ({"$or": [{"lang": {"$size": n}} for n in (0, 1, 2)]}, []),  # neither a string nor null has elements
        ({"author": {"$size": 1}}, []),
    ],
)
def test_examples(filter: dict[str, Any] | None, expected: list[int]) -> None:
    assert select(RECORDS, filter) == expected


@pytest.mark.parametrize(
    ("filter", "message"),
    [
        (
            {"year": {"$gtee": 1}},
            r"'\$gtee'.*did you mean '\$gte'\? known operators: \$eq, \$ne, \$in, \$nin",
        ),
        ({"$xor": []}, r"'\$xor'.*known operators: \$and, \$or, \$not"),
        ({"author": {"name": "Li"}}, r"'name' in the condition on .*author\.name"),
        ({"lang": ["zh", "en"]}, r"\$eq must be a str, .*not \['zh', 'en'\]: .*use \$in"),
        ({"lang": {"$in": "zh"}}, r"\$in must be a list of values, not 'zh'"),
        ({"$and": {}}, r"\$and must be a list of filters, not \{\}"),
        ({"$or": {"a": 1}}, r"\$or must be a list"),
        ({"$or": [{"a": 1}, {"a": [1]}]}, r"\$eq must be a str, .*not \[1\]"),
        ({"$or": [{"": 1}]}, "names of metadata fields"),
        ({"$not": 3}, r"a filter must be a dictionary"),
        ({"a": {}}, "condition on .*must not be empty; known operators"),
        ({"a": {"$gt": True}}, r"\$gt must be a number, a str or a time, not True"),
        ({"a": {"$lt": None}}, r"\$lt must be a number, a str or a time, not None"),
        ({"a": {"$substring": 1}}, r"\$substring must be a str, not 1"),
        ({"a": {"$isubstring": ["x"]}}, r"\$isubstring must be a str, .*not \['x'\]"),
        ({"a": {"$substring": "x\0"}}, r"\$substring must be a str without NUL"),
        ({"a": {"$holds": "x"}}, r"unsupported operator '\$holds'.*\$substring, \$isubstring, \$contains"),
        ({"a": {"$contains": ["x"]}}, r"\$contains must be a str, .*not \['x'\]"),
        ({"a": {"$icontains": 1}}, r"\$icontains must be a str, not 1"),
        ({"$contains": 1}, r"\$contains must be a str, not 1"),
        ({"$contains": "a\0"}, r"\$contains must be a str without NUL"),
        ({"$icontains": None}, r"\$icontains must be a str, not None"),
        ({"$contain": "a"}, r"'\$contain' where a field's name belongs.*did you mean '\$contains'\?"),
        ({"a": {"$size": -1}}, r"\$size must be an int of at least 0, not -1"),
        ({"a": {"$size": True}}, r"\$size must .*not True"),
        ({"a": {"$size": 1.0}}, r"\$size must .*not 1\.0"),
        ({"a": {"$sise": 1}}, r"'\$sise'.*did you mean '\$size'\?"),
        ({"a": float("nan")}, "finite"),
        ({"a": b"x"}, "must be a str, .*not b'x'"),
        ({3: 1}, "names of metadata fields, not 3"),
        ({"": 1}, "names of metadata fields"),
        ({"a..b": 1}, "joined by single dots"),
        ({'a"b': 1}, "without quotes, .*not 'a.b'"),
        ("lang = 'zh'", "a filter must be a dictionary"),
    ],
)
def test_a_malformed_filter_is_an_error_that_names_the_part(filter: Any, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        compile_filter(filter)


def test_values_and_paths_are_bound_never_written_into_the_sql() -> None:
    hostile = "'); DROP TABLE documents; --"
    condition, values = compile_filter({hostile: {"$in": [hostile], "$gt": hostile}})
    assert "DROP" not in condition
    assert condition.count("?") == len(values)
    assert select([{hostile: hostile}, {}], {hostile: hostile}) == [0]


def test_nesting_has_a_limit() -> None:
    filter: dict[str, Any] = {"a": 1}
    for _ in range(20):
        filter = {"$not": filter}
    assert select([{"a": 1}, {}], filter) == [0]  # twenty times not
    with pytest.raises(FilterError, match="nest"):
        compile_filter({"$not": filter})
    deep: Any = {"$eq": 1}
    for _ in range(30):
        deep = {"$not": deep}
    with pytest.raises(FilterError, match="nest"):
        compile_filter({"a": deep})


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


SELF: dict[str, Any] = {"a": 1}
SELF["$and"] = [SELF]
LOOP: list[Any] = []
LOOP.append(LOOP)
LAUGHS: dict[str, Any] = {"a": 1}
for _ in range(19):
    LAUGHS = {"$and": [LAUGHS] * 10}


@pytest.mark.parametrize(
    ("filter", "message"),
    [
        (SELF, r"^a filter must nest at most 20 levels$"),
        ({"a": {"$not": SELF}}, "unsupported operator 'a' in the condition"),
        (LAUGHS, "^a filter must have at most 8000 conditions; to match one of many values, use"),
        ({"$or": [{"a": n} for n in range(8000)]}, "at most 8000 conditions"),
        ({f"a{n}": 1 for n in range(8001)}, "at most 8000 conditions"),
        ({"$or": [{}] * 8000}, "at most 8000 conditions"),
        ({"a": nested(100_000)}, r"\$eq must be a str, .* not \[\[\[\[\[\.\.\.\]\]\]\]\]: to match any"),
        ({"a": {"$in": [1, LOOP]}}, r"\$in must be a str, .* not \[\[\[\[\[\.\.\."),
        ({"a": {"$in": nested(100_000)[0][0]}}, r"\$in must be a str, .* not \["),
        ({"$and": nested(100_000)}, "a filter must be a dictionary"),
        (
            {"a": 10**400},
            r"\$eq must be an int of 64 bits, not an int of 1329 bits: store longer ones as str",
        ),
        ({"a": {"$in": [2**63]}}, r"\$in must be an int of 64 bits, not 9223372036854775808"),
        ({"a": {"$gt": 10**5000}}, r"\$gt must be an int of 64 bits, not an int of \d+ bits"),
        ({"a": {"$lte": float("nan")}}, r"\$lte must be a finite number, not nan"),
        ({"a": {"$in": [float("inf")]}}, r"\$in must be a finite number, not inf"),
        ({"a": np.float32("nan")}, r"\$eq must be a finite number, not"),
        ({"a": np.datetime64("2020-01-01")}, r"\$eq must be a str, a number"),
        ({"a": np.zeros(10**6)}, r"\$eq must be a str, a number"),
        ({"a": {"$in": np.zeros(3)}}, r"\$in must be a list of values, not array"),
        ({"a": "x\0y"}, r"\$eq must be a str without NUL, .* not 'x\\x00y'"),
        ({"a": {"$lt": "\0"}}, r"\$lt must be a str without NUL"),
        ({"a\0b": 1}, r"without quotes, backslashes or control characters, not 'a\\x00b'"),
        ({"\ud800": 1}, r"control characters, not '\\ud800'"),
        ({"x" * 10**6 + ".": 1}, r"joined by single dots.*not 'x+\.\.\.x+\.'$"),
        ({"$" + "x" * 10**6: 1}, r"unsupported operator '\$x+\.\.\.x+' where"),
        ({"x" * 10**6: {"$x": 1}}, r"unsupported operator '\$x' in the condition on \"x+ \("),
        ({"x" * 10**6: {}}, r'the condition on "x+ must not be empty'),
        ({b"a": 1}, r"names of metadata fields, not b'a'"),
        ({(1, 2): 1}, r"names of metadata fields, not \(1, 2\)"),
        ({None: 1}, "names of metadata fields, not None"),
        ({"a": {None: 1}}, "unsupported operator None in the condition on"),
        ({"a": Unspeakable()}, r"\$eq must be .* not <Unspeakable"),
        ({"a": {"$in": "x" * 10**6}}, r"\$in must be a list of values, not 'x+\.\.\.x+'$"),
        ({"\x9b2J": {"$x": 1}}, r'the condition on "\\x9b2J" \('),
        ("", "a filter must be a dictionary"),
        (0, "a filter must be a dictionary"),
        ([], "a filter must be a dictionary"),
        (np.zeros(3), "a filter must be a dictionary"),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, str) else "",
)
def test_whatever_a_filter_holds_is_one_short_line(filter: Any, message: str) -> None:
    with pytest.raises(FilterError, match=message) as caught:
        compile_filter(filter)
    line = str(caught.value)
    assert len(line) < 1000
    assert line.isprintable()


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"$or": [{"a": -n} for n in range(1, 7_999)] + [{"a": 1}]}, [0]),
        ({"$or": [{"a": -n, "b": None} for n in range(1, 2_000)] + [{"a": {"$gt": 1}}]}, [1, 2]),
        ({"$or": [{"a": {"$gt": n}} for n in range(3_999)]}, [0, 1, 2]),
        ({"$and": [{"a": 1}] * 7_999}, [0]),
        ({"$not": {"$and": [{"a": {"$ne": n}} for n in range(1_100)]}}, [0, 1]),
        ({f"b{n}": None for n in range(7_999)}, [0, 1, 2]),
        ({"a": {"$nin": list(range(2, 40_000))}}, [0, 2]),
        ({"a": {"$in": list(range(1, 100_000))}}, [0, 1]),
        ({"a": {"$nin": ["x" * 10**6, None, 1]}}, [1, 2]),
        ({"x" * 10**6: None}, [0, 1, 2]),
        ({".".join("a" * 10_000): None}, [0, 1, 2]),
        ({"a": {"$size": 10**5000}}, []),
        ({"a": {"$not": {"$size": 10**5000}}}, [0, 1, 2]),
        ({"a": "\ud800"}, []),
        ({"a": 2.0**63}, [2]),
        ({"a": {"$gt": 2**63 - 1}}, [2]),
        ({"a": np.int64(1)}, [0]),
        ({"a": {"$in": [np.float32(2.0), np.str_("x")]}}, [1]),
        ({"a": {"$gte": np.int8(2)}}, [1, 2]),
        ({"a": np.bool_(True)}, []),
        ({"a": {"$size": np.int64(0)}}, []),
    ],
    ids=lambda value: "",
)
def test_much_or_odd_is_answered(filter: Any, expected: list[int]) -> None:
    records = [{"a": 1}, {"a": 2}, {"a": 2**63}]
    assert select(records, filter) == expected


@pytest.mark.parametrize("levels", [1, 2, 9, 17])
@pytest.mark.parametrize("leaf", [2, None, {"$not": {"$gte": 1, "$lt": 3}}], ids=str)
@pytest.mark.parametrize("first", [True, False])
def test_as_many_conditions_as_allowed_fit_into_sqlite_however_they_nest(
    levels: int, leaf: Any, first: bool
) -> None:
    """Each level adds to what its parser has to remember, and each part to the depth of the expression."""
    filter: dict[str, Any] = {"a": 1}
    parts = 7_800 // levels // (4 if isinstance(leaf, dict) else 1) - 3
    for level in range(levels):
        inner = {"$not": filter} if level == 8 else filter
        beside = [{"a": leaf}] * parts
        filter = {"b": None, "$or": [inner, *beside] if first else [*beside, inner], "c": None}
    records: list[Any] = [{"a": 1}, {"a": 2}, {}, {"a": 1, "b": 1}]
    assert select(records, filter) == [i for i, one in enumerate(records) if matches(one, filter)]


deep = st.recursive(
    st.builds(lambda n, name: {name: n}, st.sampled_from([1, 2, None]), st.sampled_from("abc")),
    lambda inner: st.builds(
        lambda parts, beside, name: {name: parts} | beside,
        st.lists(inner, min_size=1, max_size=4),
        st.dictionaries(st.sampled_from("abc"), st.sampled_from([1, None]), max_size=2),
        st.sampled_from(["$and", "$or"]),
    ),
    max_leaves=60,
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.sampled_from([1, 2]), max_size=3), max_size=4), deep
)
def test_deep_filters_select_what_the_plain_evaluator_selects(
    records: list[Any], filter: dict[str, Any]
) -> None:
    try:
        found = select(records, filter)
    except FilterError as error:
        assert "nest at most" in str(error)
    else:
        assert found == [i for i, one in enumerate(records) if matches(one, filter)]
