"""Tables: nothing is dropped or retyped without a word, and a filter finds what is there."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from youtu_st.corpus import Gathered, Reading, read_documents
from youtu_st.errors import InputError


def facts(path: Path, content: str, **how: Any) -> tuple[list[dict[str, Any]], Gathered]:
    """The metadata of each record, without its line, and what was met."""
    notes = Gathered()
    path.write_text(content, encoding="utf-8")
    documents = list(read_documents([path], Reading(notes=notes, **how)))
    return [{name: v for name, v in d.metadata.items() if name != "line"} for d in documents], notes


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab汉"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(fields=st.dictionaries(st.sampled_from(["n", "meta", "record_source", "page"]), JSON))
def test_every_field_of_jsonl_is_kept_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, fields: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "every.jsonl"
    found, notes = facts(path, json.dumps({"text": "x", **fields}))
    assert found == [fields]
    assert (notes.count, notes.notes) == (0, [])


def test_names_that_are_taken_and_ids(tmp_path: Path) -> None:
    rows = [
        {"text": "x", "source": 1, "record_source": 2, "line": [3], "position": {"x": 4}},
        {"text": "x", "_id": 7, "id": "a"},
        {"text": "x", "id": None, "_id": {"$oid": "5f"}},
        {"text": "x", "content": "kept"},
    ]
    found, _ = facts(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    assert found == [
        {"record_source": 2, "record_record_source": 1, "record_line": [3], "record_position": {"x": 4}},
        {"id": "a", "_id": 7},
        {"id": '{"$oid": "5f"}'},
        {"content": "kept"},
    ]


def test_what_a_line_cannot_hold_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    rows = [
        '{"text": "one", "n": 1}',
        '{"text": "x", "n": 1, "n": 2}',
        '{"text": "x", "n": 1e999}',
        '{"text": "x", "n": NaN}',
        '{"text": ',
        '{"n": 1}',
        '{"text": "two", "big": 123456789012345678901234567890}',
    ]
    found, notes = facts(tmp_path / "a.jsonl", "\n".join(rows))
    assert found == [{"n": 1}, {"big": 123456789012345678901234567890}]
    where = f"{tmp_path}/a.jsonl, line"
    assert list(notes.lines()) == [
        f"{where} 2: not valid JSON: the field 'n' is there twice",
        f"{where} 3: not valid JSON: the number 1e999 is more than a float holds",
        f"{where} 4: not valid JSON: NaN is not JSON",
        f"{where} 5: not valid JSON: Expecting value at column 11",
        f"{where} 6: no field 'text' or 'content'; its fields: n",
    ]
    found, notes = facts(tmp_path / "a.jsonl", '{"n": 1}\n' * 1000)
    assert (found, notes.count) == ([], 1000)
    assert len(list(notes.lines())) == 6
    assert list(notes.lines())[-1] == f"{tmp_path}/a.jsonl: 995 more like these"


NUMBERS = ["0", "-1", "1.5", "9223372036854775807", "0.1", "-2.25"]
OTHERS = [
    "007",
    "1.50",
    "1e5",
    "-0",
    "9223372036854775808",
    "+1",
    "1_0",
    "٣",
    "true",
    "x",
    "1,5",
    "00",
    "1.",
    ".5",
]
CELLS = st.sampled_from(["", " ", *NUMBERS, *OTHERS])


def canonical(cell: str) -> int | float | None:
    """The number that a cell is, by another way than the package's: written again it is the cell."""
    try:
        number: int | float = int(cell) if "." not in cell else float(cell)
    except ValueError:
        return None
    if str(number) != cell or not math.isfinite(number) or "e" in cell:
        return None
    return number if abs(number) < 2**63 or number == -(2**63) else None


@settings(max_examples=200, deadline=None)
@given(cells=st.lists(CELLS, min_size=1, max_size=4), delimiter=st.sampled_from([",", ";", "\t"]))
def test_a_column_is_numbers_only_where_all_of_it_is(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], delimiter: str
) -> None:
    path = tmp_path_factory.getbasetemp() / ("every.tsv" if delimiter == "\t" else "every.csv")
    rows = [f'{i}{delimiter}"text"{delimiter}"{cell}"' for i, cell in enumerate(cells)]
    found, notes = facts(path, f"id{delimiter}text{delimiter}n\n" + "\n".join(rows))
    filled = [cell for cell in cells if cell.strip()]
    if filled and all(canonical(cell) is not None for cell in filled):
        expected: list[Any] = [canonical(cell) if cell.strip() else None for cell in cells]
        assert notes.notes == [f"{path}: read as numbers: n"]
    else:
        expected = cells
        assert notes.notes == []
    assert [(one["id"], repr(one["n"])) for one in found] == [
        (str(i), repr(value)) for i, value in enumerate(expected)
    ]


def test_headers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    found, _ = facts(path, "\ufeff,id, text ,title,,\n0,007,one,1984,,\n1,008,two,2001,,\n")
    assert found == [
        {"id": "007", "column_1": 0, "title": "1984"},
        {"id": "008", "column_1": 1, "title": "2001"},
    ]
    for header in ("text,n,n", "text,n,text", "n,text, n"):
        path.write_text(f"{header}\nx,1,2\n")
        with pytest.raises(InputError, match=r"a\.csv, line 1: two columns of one name: (n|text): give them"):
            list(read_documents([path]))
    found, notes = facts(path, "text,n\nx,1\ny\nz,2,3\nw,4\n")
    assert found == [{"n": 1}, {"n": 4}]
    assert [line.partition("a.csv, ")[2] for line in notes.lines()] == [
        "line 3: 1 fields, and the header has 2",
        "line 4: 3 fields, and the header has 2",
    ]
    found, _ = facts(path, "body,n\nx,1\n", text_field="body")
    assert found == [{"n": 1}]
    with pytest.raises(InputError, match=re.escape("a.csv: no column 'other'; its columns: body, n")):
        list(read_documents([path], Reading(text_field="other")))


def test_filters_reach_what_tables_hold(tmp_path: Path) -> None:
    from youtu_st import Encoder
    from youtu_st.corpus import Splitter, Spool, find_files, read_passages, update_index
    from youtu_st.index import VectorIndex

    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.csv").write_text("id,text,n,zip\n1,one,3,01067\n2,two,7,10115\n3,three,,50667\n")
    nested = {"text": "four", "author": {"name": "Ada", "born": 1815}, "list": [{"x": 1}], "tags": ["a", "b"]}
    (tmp_path / "docs" / "b.jsonl").write_text(json.dumps(nested))
    encoder, found = Encoder.shared("minilm"), find_files([tmp_path / "docs"], Gathered())
    with Spool() as spool, VectorIndex.create(tmp_path / "idx", encoder) as index:
        read_passages(found, Splitter(encoder.tokenizer, 50), spool, reading=Reading(notes=Gathered()))
        update_index(index, encoder, found, spool)

        def texts(condition: dict[str, Any]) -> list[str]:
            return sorted(document.text for document in index.get(index.ids(condition)) if document)

        assert texts({"n": {"$gt": 5}}) == ["two"]
        assert texts({"n": None, "id": "3"}) == ["three"]
        assert texts({"zip": "01067"}) == ["one"]
        assert texts({"author.name": "Ada"}) == texts({"author.born": {"$lt": 1900}}) == ["four"]
        assert texts({"tags": "b"}) == ["four"]
        (stored,) = index.get(index.ids({"author.name": "Ada"}))
        assert stored is not None
        assert stored.metadata["list"] == [{"x": 1}]
