"""Times in metadata: stored as ISO text, and given back as they were handed in."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from youtu_st.errors import InputError
from youtu_st.index import VectorIndex, as_given, without_records
from youtu_st.index.filtering.times import TIMES, instant, parsed
from youtu_st.index.inputs import check_batch

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
offsets = st.integers(-86_399, 86_399).map(lambda n: timezone(timedelta(seconds=n)))
zones: Any = st.none() | offsets
moments = st.datetimes(timezones=zones).map(lambda when: when.replace(fold=0))  # an offset says which of two
times = st.one_of(moments, st.dates())
values = st.recursive(
    times | st.sampled_from([None, True, 1, 0.5, "", "2024-05-01", "2024-05-01T12:00:00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["a", "b.c", "", "中"]), values, max_size=3))
def test_what_was_handed_in_comes_back(metadata: dict[str, Any]) -> None:
    before = repr(metadata)
    (row,) = check_batch(["text"], None, [metadata]).metadata
    assert repr(metadata) == before
    raw = json.loads(row)
    stored = json.dumps(raw)
    given_back = as_given(raw)
    assert repr(given_back) == before  # kinds too, and offsets
    assert json.dumps(raw) == stored  # what is stored is not touched
    assert (TIMES in raw) == ("datetime." in before)


@given(times)
def test_an_instant_is_counted_in_microseconds(when: Any) -> None:
    aware = when if isinstance(when, datetime) else datetime(when.year, when.month, when.day)
    aware = aware if aware.tzinfo else aware.replace(tzinfo=timezone.utc)
    micros = timedelta(microseconds=1)
    wanted = (aware.replace(tzinfo=timezone.utc) - EPOCH) // micros - (
        aware.utcoffset() or timedelta()
    ) // micros
    assert instant(when) == instant(when.isoformat()) == wanted


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2024-05-01", date(2024, 5, 1)),
        ("2024-05-01T12:30", datetime(2024, 5, 1, 12, 30)),
        ("2024-05-01 12:30:05.25", datetime(2024, 5, 1, 12, 30, 5, 250_000)),
        ("2024-05-01T12:30:05,123456789", datetime(2024, 5, 1, 12, 30, 5, 123_456)),
        ("2024-05-01T12:30:05Z", datetime(2024, 5, 1, 12, 30, 5, tzinfo=timezone.utc)),
        ("2024-05-01 12:30:05+02", datetime(2024, 5, 1, 12, 30, 5, tzinfo=timezone(timedelta(hours=2)))),
        ("2024-05-01t12:30:05.25z", datetime(2024, 5, 1, 12, 30, 5, 250_000, tzinfo=timezone.utc)),
        ("20240501T123005Z", datetime(2024, 5, 1, 12, 30, 5, tzinfo=timezone.utc)),
        ("20240501T1230-0330", datetime(2024, 5, 1, 12, 30, tzinfo=timezone(-timedelta(minutes=210)))),
        ("2024-05-01T12:30-0330", datetime(2024, 5, 1, 12, 30, tzinfo=timezone(-timedelta(minutes=210)))),
        *((text, None) for text in ["", "2024", "2024-5-1", "2024-13-01", "20240501", "2024-05-01T", "NaT"]),
        *(
            (text, None)
            for text in ["2024-05-01T24:00", "2024-05-01T12:30+24:00", "٢٠٢٤-05-01", " 2024-05-01"]
        ),
        *((value, None) for value in [None, 20240501, True, b"2024-05-01", ["2024-05-01"]]),
    ],
)
def test_texts_that_say_a_time_and_others(text: Any, meant: date | None) -> None:
    assert repr(parsed(text)) == repr(meant)
    assert (instant(text) is None) == (meant is None)


def test_an_index_keeps_texts_and_says_which_were_times(index: VectorIndex) -> None:
    when = datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    metadata = {"seen": when, "said": "2024-05-01", "days": [date(2024, 5, 1), "2024-05-01"]}
    index.add(["one"], ["a"], [metadata])
    (stored,) = index.get(["a"])
    assert stored is not None
    assert stored.metadata == {
        "seen": "2024-05-01T12:00:00+02:00",
        "said": "2024-05-01",
        "days": ["2024-05-01", "2024-05-01"],
        "__times__": [["seen"], ["days", 0]],
    }
    assert as_given(stored.metadata) == metadata
    assert without_records(stored.metadata)["seen"] == "2024-05-01T12:00:00+02:00"
    # What was read may be stored again, as it is or with more.
    index.add(["one"], ["a"], [{**stored.metadata, "added": date(2025, 1, 1)}])
    (again,) = index.search("one")
    assert as_given(again.metadata) == {**metadata, "added": date(2025, 1, 1)}


@pytest.mark.parametrize(
    "paths",
    [
        *(None, 3, "a", {}, [3], [[]], ["a"], [["a", "b"]], [["x"]], [["l", 7]], [["l", -1]], [["l", "0"]]),
        *([[{}]], [["l", True]], [["a"], ["a"], ["l", 0, 0]], [["n"]]),
    ],
)
def test_a_record_that_is_wrong_changes_nothing_else(paths: Any) -> None:
    metadata = {"a": "words", "l": ["2024-05-01", "words"], "n": 5}
    assert as_given({**metadata, "__times__": paths}) == metadata


class Never(datetime):
    """As pandas has it: a ``datetime`` that is no time."""

    def isoformat(self, *options: Any) -> str:
        return "NaT"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Never(1, 1, 1), "metadata 1, key 'a' must be a time that there is"),
        (time(12), r"metadata 1, key 'a' must be a str, .*a datetime, None, .*of type time"),
        ([timedelta(1)], r"metadata 1, key 'a' must be .*of type timedelta"),
    ],
)
def test_what_is_no_time_is_refused(index: VectorIndex, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        index.add(["one", "two"], metadata=[{}, {"a": value}])
    with pytest.raises(InputError, match="metadata 0 must have keys of type str"):
        index.add(["one"], metadata=[{date(2024, 5, 1): 1}])  # type: ignore[dict-item]
