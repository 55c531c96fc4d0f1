"""Files of JSON: records with their lines, or one text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import files
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from youtu_st.corpus import Gathered
from youtu_st.errors import InputError

RECORDS = [{"text": "one", "title": "T", "id": 3, "n": {"a": [1]}}, {"text": "two"}, {"content": "three"}]
TOLD = [
    ("T\n\none", {"line": 2, "id": "3", "title": "T", "n": {"a": [1]}}),
    ("two", {"line": 3}),
    ("three", {"line": 4}),
]


def lines(values: list[Any], before: str = "[", after: str = "]") -> str:
    return before + "\n" + ",\n".join(json.dumps(value) for value in values) + "\n" + after


def told(tmp_path: Path, content: str, **how: Any) -> list[tuple[str, dict[str, Any]]]:
    (tmp_path / "a.json").write_text(content)
    return files.told(tmp_path / "a.json", **how)


def test_an_array_is_records(tmp_path: Path) -> None:
    assert told(tmp_path, lines(RECORDS)) == TOLD
    assert told(tmp_path, '["one", "two"]') == [("one", {"line": 1}), ("two", {"line": 1})]


def test_an_object_with_one_array_of_records(tmp_path: Path) -> None:
    assert told(tmp_path, lines(RECORDS, '{"version": [1, 2], "data": [', '], "more": {}}')) == TOLD
    two = '{"a": [{"text": "x"}], "b": [{"text": "y"}]}'
    assert told(tmp_path, two) == [(two, {"line": 1})]


def test_an_object_with_a_text_is_a_record(tmp_path: Path) -> None:
    content = '\n{"text": "one", "tags": ["x", "y"], "title": "T"}'
    assert told(tmp_path, content) == [("T\n\none", {"line": 2, "tags": ["x", "y"], "title": "T"})]


@pytest.mark.parametrize("content", ['{"name": "p", "tags": ["a"]}', "[1, 2]", '"a text"', "3.5", '[["a"]]'])
def test_anything_else_is_a_text(tmp_path: Path, content: str) -> None:
    assert told(tmp_path, content) == [(content, {"line": 1})]


@pytest.mark.parametrize("content", ["", " \n"])
def test_nothing_is_nothing(tmp_path: Path, content: str) -> None:
    assert told(tmp_path, content) == []


def test_objects_without_the_field_are_a_text_and_noted(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"body": "x"}]')
    notes = Gathered()
    assert [one.text for one in files.read(tmp_path / "a.json", notes)] == ['[{"body": "x"}]']
    assert notes.notes == ["a.json: read as one text: no record in it has a field 'text' or 'content'"]
    assert [one.text for one in files.read(tmp_path / "a.json", text_field="body")] == ["x"]


def test_what_is_wrong_with_a_record_leaves_it_out(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(lines([*RECORDS, {"no": 1}, 7, {"text": 5}]))
    notes = Gathered()
    assert [one.text for one in files.read(tmp_path / "a.json", notes)] == ["one", "two", "three"]
    assert list(notes.lines()) == [
        "a.json, line 5, record 4: no field 'text' or 'content'; its fields: no",
        "a.json, line 6, record 5: must be an object or a string, as others here are",
        "a.json, line 7, record 6: field 'text' must be a string, not int",
    ]


@pytest.mark.parametrize(
    "content",
    [
        *(
            '[{"text": "x"}',
            '[{"text": "x"},]',
            "[1 2]",
            '{"a" 1}',
            '{"a": 1,}',
            "{'a': 1}",
            "[1]x",
            "{",
            "// c",
            "[NaN]",
        ),
        *(
            '{"a": 1, "a": 2}',
            "[" * 100_000,
            '{"a":' * 100_000,
            "[1e999]",
            '[{"text": "x", "text": "y"}]',
            "1" * 5000,
        ),
        '{"a": "\x01"}',
    ],
)
def test_what_is_no_json_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=r"a\.json(, line 1)?: not valid JSON: ") as caught:
        files.read(tmp_path / "a.json")
    assert len(str(caught.value).splitlines()) == 1


def test_an_error_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[\n{"text": "x"},\n{"text": }\n]')
    with pytest.raises(InputError, match=r"a\.json, line 3: not valid JSON: Expecting value at column 10"):
        files.read(tmp_path / "a.json")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "a", "b", "title"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(JSON, st.sampled_from([None, 1, "\t"]))
def test_any_json_is_read_as_python_reads_it(
    tmp_path_factory: pytest.TempPathFactory, value: Any, indent: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    content = json.dumps(value, indent=indent)
    path.write_text(content)
    notes = Gathered()
    found = files.read(path, notes)
    if isinstance(value, list) and any(isinstance(one, dict) and "text" in one for one in value):
        wanted = [
            one
            for one in value
            if isinstance(one, str) or (isinstance(one, dict) and isinstance(one.get("text"), str))
        ]
        texts = [one if isinstance(one, str) else one["text"] for one in wanted]
        titles = [
            "" if isinstance(one, str) or not isinstance(one.get("title"), str) else one["title"]
            for one in wanted
        ]
        shown = [text if text.strip() else title for text, title in zip(texts, titles, strict=True)]
        assert [one.text for one in found] == [one for one in shown if one.strip()]
    elif not isinstance(value, list | dict):
        assert [one.text for one in found] == [content]
