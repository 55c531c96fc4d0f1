"""What is taken of a chat model's answer: JSON of the shape that was asked for, and nothing else."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from youtu_st.errors import YoutuError, printable

NO_TEXT = "it holds no text"
NOT_JSON = "it is not JSON"
OTHER_SHAPE = "its shape is not the one that was asked for"
TOO_FEW = "it has too few texts"
TOO_MANY = "it has too many texts"
EMPTY = "a text is empty"
TOO_LONG = "a text is too long"
CONTROL = "a text holds control characters"
SOURCE = "a text is that of the row"
TWICE = "a text is there twice"

_FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*)\n[ \t]*```", re.DOTALL | re.IGNORECASE)


class AnswerError(YoutuError, ValueError):
    """An answer is not what was asked for: the message is the reason, without a word of the answer."""


def content_of(message: object) -> str:
    """The text of a chat model's message: its ``content`` is a str, or a list of parts, as LangChain has it.

    Raises:
        AnswerError: If there is none.
    """
    content = getattr(message, "content", None)
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        content = "".join(part for part in parts if isinstance(part, str))
    if not isinstance(content, str) or not content.strip():
        raise AnswerError(NO_TEXT)
    return content


def parse_answer(content: str, *, number: int, longest: int, known: Iterable[str]) -> tuple[str, ...]:
    """The texts of an answer: ``{"texts": ["...", "..."]}``, in a fence of Markdown or not.

    Args:
        content: The answer.
        number: So many texts it must have.
        longest: Characters that each may have.
        known: Texts of the row, which are no new ones.

    Raises:
        AnswerError: If it is anything else.
    """
    fenced = _FENCE.fullmatch(content.strip())
    try:
        value = json.loads(fenced[1] if fenced else content, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise AnswerError(NOT_JSON) from error
    if not isinstance(value, dict) or list(value) != ["texts"] or not isinstance(value["texts"], list):
        raise AnswerError(OTHER_SHAPE)
    return check_texts(value["texts"], number=number, longest=longest, known=known)


def check_texts(values: Sequence[Any], *, number: int, longest: int, known: Iterable[str]) -> tuple[str, ...]:
    """The texts, without white space around them, if they are as :func:`parse_answer` wants them.

    Raises:
        AnswerError: If they are not.
    """
    if not all(isinstance(value, str) for value in values):
        raise AnswerError(OTHER_SHAPE)
    if len(values) != number:
        raise AnswerError(TOO_FEW if len(values) < number else TOO_MANY)
    texts = tuple(value.strip() for value in values)
    sources, seen = set(map(_plain, known)), set[str]()
    for text in texts:
        plain = _plain(text)
        if not any(map(str.isalnum, text)):
            raise AnswerError(EMPTY)
        if len(text) > longest:
            raise AnswerError(TOO_LONG)
        if printable(text, whole=True) != text:
            raise AnswerError(CONTROL)
        if plain in sources:
            raise AnswerError(SOURCE)
        if plain in seen:
            raise AnswerError(TWICE)
        seen.add(plain)
    return texts


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a key that is there twice is no JSON that anybody means."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)


def _plain(text: str) -> str:
    """A text without what makes no other one: case, width of letters, white space, punctuation at its end."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(".?!。 ")
