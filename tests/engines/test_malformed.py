"""Whatever a server answers is vectors, or one EngineError on one line."""

from __future__ import annotations

import base64
import json
import re
import struct

import numpy as np
import pytest
from engines.hostile_server import HostileServer, http, saying

from youtu_st.errors import EngineError, YoutuError

GOOD = [1.0] + [0.5] * 31
HUGE = "9" * 400


def raw(kind, text):
    """The answer with one row, whose vector is the JSON ``text``."""
    return kind.body(["VECTOR"]).replace(b'"VECTOR"', text.encode())


def packed(data):
    return base64.b64encode(data).decode()


ONES = struct.pack("<32f", *[1.0] * 32)
NAN = b"\xff" * 128


def vector(text):
    return lambda kind: raw(kind, f"[{text}, {', '.join(['0.5'] * 31)}]")


def index(text):
    def body(kind):
        name = b'"index"' if kind.name == "openai" else b'"Index"'
        return kind.body([GOOD, GOOD]).replace(name + b": 0", name + b": " + text.encode())

    return body


def data(value):
    """The answer with something else where the list of rows is."""
    return lambda kind: json.dumps(
        {"data": value} if kind.name == "openai" else {"Response": {"Data": value}}
    ).encode()


WRONG = "something else than|sent no list of embeddings"
ONE = {
    "an int of 400 digits": (vector(HUGE), WRONG),
    "an int of 9999 digits": (vector("9" * 9999), WRONG),
    "a negative one": (vector(f"-{HUGE}"), WRONG),
    "NaN": (vector("NaN"), "not finite or zero for text 0"),
    "Infinity": (vector("-Infinity"), "not finite or zero for text 0"),
    "1e999": (vector("1e999"), "not finite or zero for text 0"),
    "1e300": (vector("1e300"), "not finite or zero for text 0"),
    "null": (vector("null"), "not finite or zero for text 0"),
    "a number in a string": (vector('"1.0"'), WRONG),
    "true": (vector("true"), WRONG),
    "a list for a number": (vector("[1.0]"), WRONG),
    "an object for a number": (vector("{}"), WRONG),
    "an object for a vector": (lambda kind: raw(kind, '{"0": 1.0}'), WRONG),
    "a number for a vector": (lambda kind: raw(kind, "1.0"), WRONG),
    "null for a vector": (lambda kind: raw(kind, "null"), WRONG),
    "true for a vector": (lambda kind: raw(kind, "true"), WRONG),
    "no numbers": (lambda kind: raw(kind, "[]"), "vectors of 0 dimensions, and tiny has 32"),
    "a table for a vector": (lambda kind: raw(kind, json.dumps([GOOD] * 3)), WRONG),
    "no base64": (lambda kind: raw(kind, '"&&&&"'), WRONG),
    "base64 and more": (lambda kind: raw(kind, f'"{packed(ONES)}&&&&"'), WRONG),
    "base64 cut off": (lambda kind: raw(kind, f'"{packed(ONES)[:-1]}"'), WRONG),
    "base64 of 3 bytes": (lambda kind: raw(kind, '"AAAA"'), WRONG),
    "base64 of float64": (
        lambda kind: raw(kind, f'"{packed(struct.pack("<32d", *GOOD))}"'),
        "vectors of 64 dimensions, and tiny has 32",
    ),
    "base64 of NaN": (
        lambda kind: raw(kind, f'"{packed(NAN)}"'),
        "not finite or zero for text 0",
    ),
    "letters that are no ASCII": (lambda kind: raw(kind, '"ÄÖÜß"'), WRONG),
    "half a surrogate": (lambda kind: raw(kind, r'"\ud800"'), WRONG),
    "an object for the list": (data({"0": GOOD}), WRONG),
    "a string for the list": (data("vectors"), WRONG),
    "null for the list": (data(None), WRONG),
    "numbers for the rows": (data([1, 2]), WRONG),
    "lists for the rows": (data([[GOOD]]), WRONG),
    "rows of nothing": (data([{}]), WRONG),
    "no rows": (data([]), "sent 0 vectors for 1 texts"),
    "100,000 lists": (lambda kind: b"[" * 100_000, WRONG),
    "100,000 objects": (lambda kind: b'{"a":' * 100_000, WRONG),
    "200 lists": (lambda kind: raw(kind, "[" * 200 + "]" * 200), WRONG),
    "nothing": (lambda kind: b"", "something else than .*: nothing$"),
    "spaces": (lambda kind: b" \n ", WRONG),
    "a page": (lambda kind: b"<!doctype html>\n<title>Sign in</title>", "something else than .*Sign in"),
    "bytes": (lambda kind: bytes(range(256)), WRONG),
    "no UTF-8": (lambda kind: kind.body([GOOD]) + b'"\xff', WRONG),
    "UTF-16 of a list": (lambda kind: "[]".encode("utf-16"), WRONG),
    "only null": (lambda kind: b"null", WRONG),
    "a number": (lambda kind: b"1e999", WRONG),
    "an int without end": (lambda kind: b"9" * 99_999, WRONG),
    "two answers": (lambda kind: kind.body([GOOD]) * 2, WRONG),
    "half an answer": (lambda kind: kind.body([GOOD])[:-9], WRONG),
    "what a terminal obeys": (lambda kind: b"\x1b]0;title\x07\x1b[2J \xe2\x80\xaetxet\xc2\x9b", WRONG),
    "an error": (lambda kind: b'{"error": "x"}', WRONG),
    "null inside": (lambda kind: b'{"Response": null, "data": null}', WRONG),
    "an error that is none": (lambda kind: b'{"Response": {"Error": [1]}}', WRONG),
}


def error_of(kind, bare, body, texts=("a",), **headers):
    with HostileServer(saying(http(body, **headers))) as server:
        engine = kind.connect(server.address, bare, max_attempts=1)
        with pytest.raises(Exception) as caught:
            engine.encode_query(list(texts))
    message = str(caught.value)
    assert type(caught.value) is EngineError
    assert isinstance(caught.value, YoutuError)
    assert message.startswith((f"http://{server.address} ", "text 0: "))
    assert message.isprintable()
    assert len(message) < 500
    return message


@pytest.mark.parametrize(("body", "message"), ONE.values(), ids=ONE)
def test_one_text(kind, bare, body, message):
    found = error_of(kind, bare, body(kind))
    assert re.search(message, found), found


POSITIONS = {
    "twice": ("1", r"are for the texts \[1, 1\]"),
    "negative": ("-1", r"are for the texts \[-1, 1\]"),
    "too large": ("2", r"are for the texts \[2, 1\]"),
    "huge": (HUGE, r"are for the texts \[a huge int, 1\]"),
    "true": ("true", r"are for the texts \[a bool, 1\]"),
    "false": ("false", r"are for the texts \[a bool, 1\]"),
    "a float": ("0.0", r"are for the texts \[a float, 1\]"),
    "NaN": ("NaN", r"are for the texts \[a float, 1\]"),
    "a string": (r'"\u001b[2J0"', r"are for the texts \[a str, 1\]"),
    "a list": ("[0]", r"are for the texts \[a list, 1\]"),
    "null": ("null", r"are for the texts \[None, 1\]"),
}


@pytest.mark.parametrize(("position", "message"), POSITIONS.values(), ids=POSITIONS)
def test_positions(kind, bare, position, message):
    found = error_of(kind, bare, index(position)(kind), texts=("a", "b"))
    assert re.search(message, found), found


STATUS = [
    "200 OK",
    "400 Bad",
    "401 No",
    "404 No",
    "422 No",
    "500 Oops",
    "302 Found",
    "204 None",
    "299 X",
    "999 X",
]


@pytest.mark.parametrize("status", STATUS)
@pytest.mark.parametrize(
    "body", [b"[" * 70_000, b'{"a":' * 20_000, b"\xff\xfe" * 9, b"", b"\x1b[2J" * 999, b"9" * 9999]
)
def test_any_status_with_any_body(kind, bare, status, body):
    error_of(kind, bare, b"" if status.startswith("204") else body, Content_Type="", status=status)


@pytest.mark.parametrize(
    "charset", ["undefined", "idna", "rot13", "utf-7", "\x00", "x" * 999, "unicode_escape"]
)
def test_any_charset(kind, bare, charset):
    error_of(kind, bare, b"\\u00", status="400 Bad", Content_Type=f"text/html; charset={charset}")


RETRY_AFTER = [
    "nan",
    "-1",
    "1e-400",
    "9" * 400,
    "Wed, 99 Foo 9999 99:99:99",
    "Wed, 21 Oct 99999999999 07:28:00 GMT",
]


@pytest.mark.parametrize("after", RETRY_AFTER)
def test_any_pause(kind, bare, after):
    error_of(kind, bare, b"", status="503 Later", Retry_After=after)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"\x16\x03\x01",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a:b\r\n" * 40_000 + b"\r\n",
    ],
)
def test_what_is_no_http(kind, bare, head):
    with HostileServer(lambda connection, _: connection.sendall(head)) as server:
        engine = kind.connect(server.address, bare, max_attempts=1)
        with pytest.raises(EngineError, match="cannot be reached") as caught:
            engine.encode_query(["a"])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_what_may_be_is_taken(kind, bare):
    lines = base64.encodebytes(struct.pack("<32f", *GOOD)).decode()
    mixed = [lines, GOOD, [1, *GOOD[1:]]]
    with HostileServer(saying(http(kind.body(mixed)))) as server:
        got = kind.connect(server.address, bare).encode_raw(["a", "b", "c"], "query")
    np.testing.assert_array_equal(got, [GOOD] * 3)
