"""Asking a chat model: a bounded number of times, with patience, and without a secret in what is told."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from youtu_st.engines.redaction import MASK, Redactor
from youtu_st.training.data.rows import Row
from youtu_st.training.synthesis.answers import AnswerError, content_of, parse_answer
from youtu_st.training.synthesis.journal import Answer, known_texts, longest_answer
from youtu_st.training.synthesis.prompts import Message, Synthesis, messages

NO_ANSWER = "no answer had the right shape"
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
_SECRET = re.compile("key|token|secret|passw", re.IGNORECASE)
_LIKE_A_SECRET = re.compile(r"(?=\S*[A-Za-z])(?=\S*\d)[\w.~+/=*-]{16,}", re.ASCII)


class ChatModel(Protocol):
    """What LangChain's chat models have, as far as it is used here."""

    def invoke(self, input: Any, /) -> Any:
        """A message with a ``content`` for a list of messages."""

    def batch(
        self, inputs: list[Any], /, config: Any = None, *, return_exceptions: bool = False
    ) -> list[Any]:
        """Several of these at once."""


@dataclass
class _Asked:
    """A row that is asked about."""

    row: Row
    refused: list[str] = field(default_factory=list)
    failed: str = ""
    texts: tuple[str, ...] = ()
    calls: int = 0
    tokens: tuple[int, int] | None = None

    def answer(self) -> Answer:
        failed = "" if self.texts else self.failed or NO_ANSWER
        return Answer(self.texts, tuple(self.refused), failed, self.calls, self.tokens)


class Asking:
    """Asks a chat model about rows.

    Args:
        chat: The model.
        synthesis: What it is asked.
        at_once: Rows that it is asked about at a time.
        wait: Waits so many seconds, after the model has failed.
    """

    def __init__(
        self, chat: ChatModel, synthesis: Synthesis, *, at_once: int, wait: Callable[[float], None]
    ) -> None:
        self._chat, self._synthesis, self._at_once, self._wait = chat, synthesis, at_once, wait

    def about(self, rows: Sequence[Row]) -> list[Answer]:
        """An answer for each row, after as many tries as there may be."""
        asked = [_Asked(row) for row in rows]
        pause = _FIRST_WAIT
        for attempt in range(self._synthesis.tries):
            open_ones = [one for one in asked if not one.texts]
            if not open_ones:
                break
            if attempt and any(one.failed for one in open_ones):
                self._wait(pause)
                pause = min(2 * pause, _LONGEST_WAIT)
            wanted = [messages(self._synthesis, one.row, (one.refused or [""])[-1]) for one in open_ones]
            for one, answer in zip(open_ones, self._call(wanted), strict=True):
                self._take(one, answer)
        return [one.answer() for one in asked]

    def _call(self, wanted: list[list[Message]]) -> list[Any]:
        """A message, or the error, for each."""
        if self._at_once == 1:
            return [self._invoke(one) for one in wanted]
        config = {"max_concurrency": self._at_once}
        try:
            answers = self._chat.batch(wanted, config, return_exceptions=True)
        except Exception as error:
            return [error] * len(wanted)
        if len(answers) != len(wanted):  # whose is whose, nobody knows
            return [AnswerError("it was not one for each call")] * len(wanted)
        return answers

    def _invoke(self, wanted: list[Message]) -> Any:
        try:
            return self._chat.invoke(wanted)
        except Exception as error:  # of any library that talks to a model
            return error

    def _take(self, one: _Asked, answer: Any) -> None:
        one.calls += 1
        one.failed = ""
        if isinstance(answer, Exception):
            one.failed = told(answer, self._chat)
            return
        one.tokens = _added(one.tokens, getattr(answer, "usage_metadata", None))
        try:
            one.texts = parse_answer(
                content_of(answer),
                number=self._synthesis.number,
                longest=longest_answer(self._synthesis),
                known=known_texts(one.row),
            )
        except AnswerError as error:
            one.refused.append(str(error))


def told(error: Exception, chat: object = None) -> str:
    """What another library says, in one line, without what looks like a secret or is one.

    Args:
        error: What it raised.
        chat: The model, whose fields may hold secrets.
    """
    try:
        message = Redactor(_secrets(chat))(error)
    except Exception:  # the message of somebody else's class
        message = ""
    kind = type(error).__name__
    return f"{kind}: {_LIKE_A_SECRET.sub(MASK, message)}" if message else kind


def _added(tokens: tuple[int, int] | None, usage: Any) -> tuple[int, int] | None:
    """Tokens read and written, with those that a message tells of."""
    try:
        read, written = int(usage["input_tokens"]), int(usage["output_tokens"])
    except (TypeError, ValueError, KeyError):
        return tokens
    before = tokens or (0, 0)
    return before[0] + read, before[1] + written


def _secrets(chat: object) -> list[str]:
    """Values that must not be told: of the environment, and of the model's own fields."""
    found = [value for name, value in os.environ.items() if _SECRET.search(name)]
    for name, value in getattr(chat, "__dict__", {}).items():
        if hasattr(value, "get_secret_value"):
            found.append(str(value.get_secret_value()))
        elif isinstance(value, str) and _SECRET.search(name):
            found.append(value)
    return [secret for secret in found if len(secret) >= 8]
