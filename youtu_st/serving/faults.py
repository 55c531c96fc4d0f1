"""Fault: what a client is told instead of an answer, in one sentence that holds nothing of its texts."""

from __future__ import annotations

import logging
import math
import re
import uuid
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from youtu_st.errors import (
    InputError,
    NonFiniteError,
    OutOfMemoryError,
    QueueFullError,
    RequestTooLargeError,
    YoutuError,
    counted,
    did_you_mean,
    in_one_line,
)
from youtu_st.serving.log import event, trace

_TYPES = {
    401: "authentication_error",
    408: "timeout_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
    504: "timeout_error",
}
_CODES = {
    400: "invalid_value",
    401: "invalid_api_key",
    404: "not_found",
    405: "method_not_allowed",
    408: "body_timeout",
    413: "too_large",
    429: "queue_full",
    500: "internal_error",
    503: "unavailable",
    504: "deadline_exceeded",
}
_PLAIN_NAME = re.compile(r"[A-Za-z_][\w.-]{0,63}", re.ASCII)
_POSITION = re.compile(r"(?:text|document) (\d+) ")
_TOKENS = re.compile(r"(\d+) tokens and the model reads (\d+)")

Where = Callable[[int], str]
"""What the client calls the text at a position: ``input[3]``."""


class Fault(YoutuError):
    """An answer other than 200.

    Args:
        status: Of HTTP.
        message: One sentence: what was wrong, where, what would be right.
        param: The field that is at fault.
        code: For programs; None: the usual one of the status.
        retry_after: Seconds after which the same request may be answered.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code or _CODES.get(status, "error")
        self.retry_after = None if retry_after is None else max(1, math.ceil(retry_after))

    @property
    def type(self) -> str:
        """The kind of error, in OpenAI's words."""
        return _TYPES.get(self.status, "invalid_request_error")

    def shape(self, *, cohere: bool) -> dict[str, Any]:
        """What is sent: in Cohere's shape, or in OpenAI's."""
        if cohere:
            return {"message": self.message}
        told = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": told}

    @property
    def headers(self) -> dict[str, str]:
        """Headers that go with it."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return headers | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})


class ClientGone(Exception):
    """The client has closed the connection: nothing is to be answered."""


def wrong(param: str, what: str, *, code: str | None = None) -> Fault:
    """400: a field, and what is wrong with it."""
    return Fault(400, f"{param} {what}", param=param, code=code)


def plain_name(name: object) -> str | None:
    """A name that a client has made up, if it may be repeated to it: not where it could be a text."""
    return name if isinstance(name, str) and _PLAIN_NAME.fullmatch(name) else None


def of_fields(error: ValidationError, known: list[str]) -> Fault:
    """400 for a body whose fields are not what they may be: the first mistake.

    Args:
        error: What pydantic found.
        known: The fields that there are.
    """
    found = error.errors(include_url=False, include_input=False)
    # A name that is mistyped is missing too, under its right name.
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    there_are = f"the fields are {', '.join(known)}"
    if not first["loc"]:
        return Fault(400, f"the body must be a JSON object: {there_are}")
    param = _path(first["loc"])
    if first["type"] == "extra_forbidden":
        name = plain_name(first["loc"][0])
        near = did_you_mean(name, known) if name else ""
        said = f"{name!r} is no field of this request" if name else "a field is unknown"
        return Fault(400, f"{said}: {near}{there_are}", param=name, code="unknown_field")
    if first["type"] == "missing":
        return Fault(400, f"{param} is missing: {there_are}", param=param, code="missing_field")
    return wrong(param, _must(first["type"], first.get("ctx", {})))


def _path(parts: tuple[int | str, ...]) -> str:
    return str(parts[0]) + "".join(f"[{part}]" for part in parts[1:] if isinstance(part, int))


def _must(kind: str, context: dict[str, Any]) -> str:
    if kind == "literal_error":
        return f"must be {context['expected']}"
    if kind == "greater_than_equal":
        return f"must be an integer of at least {context['ge']}"
    said = {
        "string_type": "a string",
        "bool_type": "true or false",
        "int_type": "an integer",
        "int_from_float": "an integer",
        "list_type": "a list",
    }
    return f"must be {said[kind]}" if kind in said else "is not of the type that it must have"


def of_error(error: Exception, where: Where) -> Fault:
    """What a client is told of something that was raised on the way to its answer.

    Args:
        error: The library's, or anybody's.
        where: What the client calls the text at a position.
    """
    if isinstance(error, QueueFullError):
        message = "the queue is full: send the request again after the seconds of Retry-After"
        return Fault(429, message, retry_after=error.retry_after)
    if isinstance(error, RequestTooLargeError):
        return Fault(
            413,
            f"the request has more than the {counted(error.limit, 'token')} that the whole queue holds: send "
            "fewer texts at once",
            code="too_many_tokens",
        )
    if isinstance(error, InputError):
        return _of_input(error, where)
    place = _place(error, where)
    if isinstance(error, NonFiniteError):
        return internal(error, f"the model gave no finite numbers for {place or 'a text'}", place)
    if isinstance(error, OutOfMemoryError):
        return internal(error, f"{place or 'a text'} needs more memory than there is beside the model", place)
    return internal(error)


def _of_input(error: InputError, where: Where) -> Fault:
    """The library's refusal of a text or an instruction, in words that are true of HTTP.

    Its own name arguments of Python, and one of them repeats the instruction.
    """
    message, place = str(error), _place(error, where)
    if place is not None:
        if "is nothing to this model" in message:
            return wrong(place, "is nothing to this model, which has no tokens for it", code="empty_text")
        if "has no room" in message:
            return wrong("query", f"leaves no room for {place} beside it: shorten it", code="too_long")
        if "vocabulary can read" in message:
            return wrong(place, "is in a script that the model's vocabulary cannot read")
        return wrong(place, "cannot be read by this model")
    if "is a whole prompt" in message:
        return wrong("instruction", "is a whole prompt, with the model's template in it: send the task alone")
    if "takes no instructions" in message:
        return wrong("instruction", "is not for this model, which takes none: leave it out")
    room = _TOKENS.search(message)
    if room and "instruction" in message:
        what = f"has {room[1]} tokens with its template, and the model reads {room[2]}: no room for a text"
        return wrong("instruction", what)
    return Fault(400, "the request is not one that this model can answer")


def _place(error: Exception, where: Where) -> str | None:
    found = _POSITION.search(str(error))
    return where(int(found[1])) if found else None


def internal(
    error: BaseException, what: str = "something went wrong in the server", param: str | None = None
) -> Fault:
    """500 with a number, under which the log has the error, and where it was raised."""
    number = uuid.uuid4().hex[:12]
    event("fault", logging.ERROR, number=number, error=_described(error), traceback=trace(error))
    return Fault(500, f"{what}: the server's log has it under number {number}", param=param)


def _described(error: BaseException) -> str:
    """The kind of an error, and its message where that cannot hold a text: those of values often do."""
    kind = type(error).__name__
    told = isinstance(error, RuntimeError | MemoryError | OSError | ArithmeticError)
    return in_one_line(kind, error) if told else kind
