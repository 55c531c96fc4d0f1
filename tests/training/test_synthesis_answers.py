"""What is taken of an answer, and what is refused for which reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from youtu_st.training.synthesis import answers
from youtu_st.training.synthesis.answers import AnswerError, content_of, parse_answer

HOW = {"number": 2, "longest": 40, "known": ["When does it leave?", "At noon."]}


@pytest.mark.parametrize(
    "content",
    [
        '{"texts": ["one", "two"]}',
        '\n {"texts": [" one", "two\\n"]}  ',
        '```json\n{"texts": ["one", "two"]}\n```',
        '```\n{"texts": ["one", "two"]}\n```\n',
    ],
)
def test_what_was_asked_for(content: str) -> None:
    assert parse_answer(content, **HOW) == ("one", "two")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("Sure! Here they are: one, two", answers.NOT_JSON),
        ('Sure! {"texts": ["one", "two"]}', answers.NOT_JSON),
        ('{"texts": ["one", "two"]} and more', answers.NOT_JSON),
        ('{"texts": ["one", "two"], "texts": ["three", "four"]}', answers.NOT_JSON),
        ("[" * 100_000, answers.NOT_JSON),
        ("", answers.NOT_JSON),
        ('["one", "two"]', answers.OTHER_SHAPE),
        ('{"Texts": ["one", "two"]}', answers.OTHER_SHAPE),
        ('{"texts": ["one", "two"], "note": ""}', answers.OTHER_SHAPE),
        ('{"texts": "one"}', answers.OTHER_SHAPE),
        ('{"texts": ["one", 2]}', answers.OTHER_SHAPE),
        ('{"texts": ["one", null]}', answers.OTHER_SHAPE),
        ('{"texts": ["one"]}', answers.TOO_FEW),
        ('{"texts": []}', answers.TOO_FEW),
        ('{"texts": ["one", "two", "three"]}', answers.TOO_MANY),
        ('{"texts": ["one", ""]}', answers.EMPTY),
        ('{"texts": ["one", " \\n "]}', answers.EMPTY),
        ('{"texts": ["one", "..."]}', answers.EMPTY),
        (json.dumps({"texts": ["one", "x" * 41]}), answers.TOO_LONG),
        ('{"texts": ["one", "two\\u001b[31m"]}', answers.CONTROL),
        ('{"texts": ["one", "two\\u0000"]}', answers.CONTROL),
        ('{"texts": ["one", "two\\u202e"]}', answers.CONTROL),
        ('{"texts": ["one", "two\\ud800"]}', answers.CONTROL),
        ('{"texts": ["one", "when  does it leave"]}', answers.SOURCE),
        ('{"texts": ["one", "ＡＴ noon"]}', answers.SOURCE),
        ('{"texts": ["one", "One."]}', answers.TWICE),
    ],
)
def test_what_was_not_asked_for(content: str, reason: str) -> None:
    with pytest.raises(AnswerError) as told:
        parse_answer(content, **HOW)
    assert str(told.value) == reason  # not a word of the answer


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_whatever_is_taken_is_what_was_answered(values: list[str]) -> None:
    """Other texts than those of the answer never come out, and none that a terminal would obey."""
    try:
        found = parse_answer(json.dumps({"texts": values}), number=2, longest=40, known=())
    except AnswerError:
        return
    assert list(found) == [value.strip() for value in values]
    assert not any(ord(letter) < 32 and letter not in "\n\t" for text in found for letter in text)


def test_contents_of_messages() -> None:
    assert content_of(AIMessage("one")) == "one"
    parts = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "o"}, "ne"]
    assert content_of(AIMessage(parts)) == "one"
    for message in (AIMessage(""), AIMessage([]), AIMessage([{"type": "image"}]), "one", None):
        with pytest.raises(AnswerError, match=answers.NO_TEXT):
            content_of(message)
