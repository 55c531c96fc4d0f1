"""Checks on what callers pass, before any work is done, and the report on what had to be cut."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from youtu_st.errors import InputError, TruncationWarning

if TYPE_CHECKING:  # the index checks its texts here too, and loads no torch
    from youtu_st.frontend import Row

Truncation = Literal["warn", "error", "ignore"]


def one_of(what: str, value: object, allowed: Sequence[object]) -> None:
    """Raise unless ``value`` is allowed.

    Raises:
        InputError: Naming the value and all that is allowed.
    """
    if value not in allowed:
        raise InputError(f"{what} must be one of {', '.join(map(str, allowed))}, not {value!r}")


def check_count(what: str, value: object) -> None:
    """Raise unless ``value`` is an int of at least 1.

    Raises:
        InputError: Naming the value.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{what} must be an int of at least 1, not {value!r}")


def check_dimensions(value: object, allowed: Sequence[int], model: str) -> int:
    """The length that vectors are to have, if the model was trained for it.

    Args:
        value: What the caller passed.
        allowed: Lengths that a vector of the model may have, see :func:`youtu_st.spec.lengths`.
        model: The model's name, for the message.

    Raises:
        InputError: Naming the value and all that is allowed.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        some = isinstance(allowed, range) and len(allowed) > 1
        among = f"from {allowed[0]} to {allowed[-1]}" if some else f"one of {', '.join(map(str, allowed))}"
        raise InputError(f"dimensions must be {among}, which {model!r} was trained for, not {value!r}")
    return value


def check_texts(texts: object, *, noun: str = "text", first: int = 0) -> list[str]:
    """The texts as a list, if they are a list of str, none of them blank, all of them valid Unicode.

    Args:
        texts: What the caller passed.
        noun: What to call one of them in messages: ``text`` or ``query``.
        first: Position of the first one in what the caller passed.

    Raises:
        InputError: Naming the position.
    """
    nouns = "queries" if noun == "query" else f"{noun}s"
    if isinstance(texts, str):
        raise InputError(f"{nouns} must be a list of str, not one str: pass [{noun}]")
    if not isinstance(texts, (list, tuple)):
        raise InputError(f"{nouns} must be a list of str, not {type(texts).__name__}")
    checked = list(texts)
    try:  # the usual case at C speed; the loop is for finding the position
        if all(checked) and not any(map(str.isspace, checked)) and all(map(str.isascii, checked)):
            return checked
    except TypeError:
        pass
    for position, text in enumerate(checked, start=first):
        if not isinstance(text, str):
            raise InputError(f"{noun} {position} must be a str, not {type(text).__name__}")
        if not text or text.isspace():
            raise InputError(f"{noun} {position} is {'blank' if text else 'empty'}: it has nothing to encode")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"{noun} {position} holds half a surrogate pair, which is no character"
            ) from error
    return checked


def check_rows(rows: Sequence[Row], positions: Sequence[int]) -> None:
    """Raise if a text left no token of its own: its vector would be that of the prompt.

    Args:
        rows: Tokenised texts.
        positions: Where each of them stands in what the caller passed.

    Raises:
        InputError: Naming the position.
    """
    for position, row in zip(positions, rows, strict=True):
        if row.is_blank:
            raise InputError(f"text {position} is nothing to this model: none of its tokens is content")


class TruncationReport:
    """What was cut in one call, and what the caller wants to happen then.

    Args:
        policy: ``warn``, ``error`` or ``ignore``.
        limit: Tokens that the model reads.
        name: What to call the text at a position.
    """

    def __init__(
        self, policy: Truncation, limit: int | None, name: Callable[[int], str] = "text {}".format
    ) -> None:
        self.policy = policy
        self.limit = limit
        self.name = name
        self.seen = 0
        self.cut = 0
        self.first: tuple[int, int] = (0, 0)
        self.longest = 0

    def add(self, rows: Sequence[Row], positions: Sequence[int], counts: Sequence[int]) -> None:
        """Take note of a block of tokenised texts.

        Args:
            rows: Tokenised texts, each of them once.
            positions: Where each of them stands first in what the caller passed; ascending.
            counts: How often each of them occurs there.

        Raises:
            InputError: Under ``error``, naming the first text that is too long.
        """
        for position, count, row in zip(positions, counts, rows, strict=True):
            if row.full_length > len(row):
                self.first = self.first if self.cut else (position, row.full_length)
                self.cut += count
                self.longest = max(self.longest, row.full_length)
        self.seen += sum(counts)
        if self.cut and self.policy == "error":
            raise InputError(
                f"{self.name(self.first[0])} has {self.first[1]} tokens with its prompt, and the model reads "
                f"{self.limit}; split it, or pass truncation='warn' or 'ignore'"
            )

    def warn(self, *, stacklevel: int) -> None:
        """Under ``warn``, say once what was cut."""
        if self.cut and self.policy == "warn":
            warnings.warn(
                f"{self.cut} of {self.seen} texts were cut to the model's {self.limit} tokens: the first is "
                f"{self.name(self.first[0])} with {self.first[1]} tokens, the longest has {self.longest}",
                TruncationWarning,
                stacklevel=stacklevel + 1,
            )
