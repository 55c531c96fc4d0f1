"""Lines of the log: one a request, in a form for people or for machines; on standard error."""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal, TextIO

import orjson

from youtu_st.errors import printable

if TYPE_CHECKING:
    from youtu_st.serving.metrics import Counted

Form = Literal["text", "json"]
LOGGER = "youtu_st.serving"
_log = logging.getLogger(LOGGER)


def event(what: str, level: int = logging.INFO, /, **fields: object) -> None:
    """Write a line on what has happened.

    Args:
        what: What has happened.
        level: How grave it is.
        **fields: Of which nothing is a text, an instruction or a key.
    """
    _log.log(level, what, extra={"fields": fields})


def request_line(route: str, status: int, request: Counted | None, seconds: float) -> None:
    """Write the line of a request that was answered.

    Args:
        route: As the server declares it, never a path that somebody sent.
        status: Of HTTP.
        request: Its texts, where it came so far.
        seconds: From arrival to answer.
    """
    fields: dict[str, object] = {"route": route, "status": status}
    if request is not None:
        fields |= {
            "texts": request.texts,
            "tokens": request.asked_tokens,
            "waiting_ms": round(1000 * request.waiting, 1),
            "computing_ms": round(1000 * request.computing, 1),
        }
    _log.info("request", extra={"fields": fields | {"ms": round(1000 * seconds, 1)}})


@contextmanager
def lines(form: Form, stream: TextIO | None = None) -> Iterator[None]:
    """Let all loggers, and warnings, write such lines: the server's from INFO on, libraries' from WARNING on.

    Args:
        form: ``text``: words and ``name=value``; ``json``: an object a line.
        stream: None: standard error.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Lines(form))
    root = logging.getLogger()
    handlers, level, shown = root.handlers[:], _log.level, warnings.showwarning
    root.handlers[:] = [handler]
    _log.setLevel(logging.INFO)
    warnings.showwarning = lambda message, *where, **further: event(
        "warning", logging.WARNING, message=" ".join(str(message).split())
    )
    try:
        yield
    finally:
        root.handlers[:] = handlers
        _log.setLevel(level)
        warnings.showwarning = shown
        handler.flush()


class _Lines(logging.Formatter):
    def __init__(self, form: Form) -> None:
        super().__init__()
        self._write: Callable[[str, str, str, Mapping[str, object]], str] = _json if form == "json" else _text

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        fields: dict[str, Any] = dict(getattr(record, "fields", {}))
        # The record's own class may join its lines, and those of a traceback are to stay what they are.
        message = printable(logging.LogRecord.getMessage(record).strip(), whole=True)
        if record.exc_info and (error := record.exc_info[1]) is not None:
            fields["traceback"] = trace(error)
        return self._write(time.replace("+00:00", "Z"), record.levelname.lower(), message, fields)


def trace(error: BaseException) -> str:
    """Where an error comes from, and those that led to it; without their messages, which may hold a text."""
    told = []
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        told.append("".join([*traceback.format_tb(each.__traceback__), type(each).__name__]))
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return printable("\nwhich came of\n".join(told), whole=True)


def _json(time: str, level: str, message: str, fields: Mapping[str, object]) -> str:
    line = {"time": time, "level": level, "event": message, **fields}
    return orjson.dumps(line, default=str).decode()


def _text(time: str, level: str, message: str, fields: Mapping[str, object]) -> str:
    shown = [f"{name}={_value(value)}" for name, value in fields.items() if name != "traceback"]
    line = " ".join([time, level, message, *shown])
    return f"{line}\n{fields['traceback']}" if "traceback" in fields else line


def _value(value: object) -> str:
    text = printable(str(value))
    return f'"{text}"' if " " in text else text
