"""The log: a line a request, for people or machines; faults with a trace and without anybody's text."""

from __future__ import annotations

import io
import json
import logging
import re
import warnings

import pytest
from test_serve_metrics import Texts

from youtu_st.serving import log

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def written(form: log.Form, *what: object) -> str:
    stream = io.StringIO()
    with log.lines(form, stream):
        for each in what:
            each()  # type: ignore[operator]
    return stream.getvalue()


def test_a_request_is_one_line_of_words() -> None:
    line = written("text", lambda: log.request_line("/v1/embeddings", 200, Texts(), 0.25))
    assert re.fullmatch(
        f"{TIME} info request route=/v1/embeddings status=200 texts=5 tokens=50 waiting_ms=20.0 "
        r"computing_ms=200.0 ms=250.0\n",
        line,
    )


def test_a_request_is_one_object() -> None:
    out = written(
        "json",
        lambda: log.request_line("/v1/embeddings", 200, Texts(), 0.25),
        lambda: log.request_line("/v2/embed", 401, None, 0.0004),
    )
    first, second = map(json.loads, out.splitlines())
    assert re.fullmatch(TIME, first.pop("time"))
    assert first == {
        "level": "info",
        "event": "request",
        "route": "/v1/embeddings",
        "status": 200,
        "texts": 5,
        "tokens": 50,
        "waiting_ms": 20.0,
        "computing_ms": 200.0,
        "ms": 250.0,
    }
    assert (second["status"], second["ms"]) == (401, 0.4)
    assert "texts" not in second


SECRET = "the patient's name"


def fail() -> None:
    try:
        try:
            {}[SECRET]
        except KeyError as error:
            raise ValueError(f"no \x1b[31mvector for {SECRET!r}") from error
    except ValueError:
        logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", exc_info=True)


def test_a_fault_has_its_trace_and_no_message_that_may_hold_a_text() -> None:
    text = written("text", fail)
    assert "Exception in ASGI application" in text
    assert "test_serve_log.py" in text
    # And what that came of, where this runs while another error is handled.
    first, second, *_ = text.split("\nwhich came of\n")
    assert first.endswith("ValueError")
    assert second.rstrip("\n").endswith("KeyError")
    assert SECRET not in text
    (line,) = written("json", fail).splitlines()
    assert json.loads(line)["traceback"].split("\nwhich came of\n")[1].endswith("KeyError")
    assert SECRET not in line


def test_libraries_write_such_lines_too_and_nothing_below_a_warning() -> None:
    def speak() -> None:
        logging.getLogger("some.library").info("unheard")
        logging.getLogger("some.library").warning("line one\x1b[2J\nevil \u202e")
        warnings.warn("odd\nthing", UserWarning, stacklevel=1)

    first, second = map(json.loads, written("json", speak).splitlines())
    assert (first["level"], first["event"]) == ("warning", "line one\\x1b[2J\nevil \\u202e")
    assert (second["level"], second["event"], second["message"]) == ("warning", "warning", "odd thing")


def test_a_value_with_spaces_is_quoted() -> None:
    line = written("text", lambda: log.event("listening", url="http://[::1]:80", name="my model"))
    assert line.endswith('info listening url=http://[::1]:80 name="my model"\n')


def test_afterwards_all_is_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    before = logging.getLogger().handlers[:], warnings.showwarning, logging.getLogger(log.LOGGER).level
    written("text", lambda: None)
    after = logging.getLogger().handlers[:], warnings.showwarning, logging.getLogger(log.LOGGER).level
    assert before == after
