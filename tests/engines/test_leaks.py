"""A server that repeats a secret finds no listener: not in a message, not behind an error, not in a log."""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import traceback
from urllib.parse import quote

import pytest
from engines.hostile_server import KEY, HostileServer, http, saying
from engines.tencent_server import SECRET_KEY

from youtu_st.engines import OpenAICompatibleEncoder
from youtu_st.engines.redaction import MOST, Redactor
from youtu_st.errors import EngineError

ALL_ESCAPED = {
    "json": lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text),
    "url": lambda text: "".join(f"%{ord(letter):02X}" for letter in text),
}
FORMS = {
    "as it is": str,
    "json": lambda text: json.dumps(text)[1:-1],
    "json with slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "json, all of it": ALL_ESCAPED["json"],
    "url": lambda text: quote(text, safe=""),
    "url, all of it": ALL_ESCAPED["url"],
    "html": html.escape,
    "repr": lambda text: repr(text)[1:-1],
    "bytes": lambda text: repr(text.encode())[2:-1],
    "hex": lambda text: text.encode().hex(),
    "lower case": str.lower,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 of a header": lambda text: base64.b64encode(f"Bearer {text}".encode()).decode(),
    "base64 for urls": lambda text: base64.urlsafe_b64encode(f"{text}/".encode()).decode(),
    "over lines": lambda text: f"{text[:9]}\r\n {text[9:]}",
    "with what is not seen": lambda text: "\u200b".join(text),
    "with colours": lambda text: f"{text[:9]}\x1b{text[9:]}",
}


def plain(text):
    """Every way of reading ``text`` that a person might try."""
    text = str(text)
    yield text
    yield re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)
    yield html.unescape(text)
    yield "".join(letter for letter in text if letter.isprintable() and letter != " ")
    yield re.sub(r"%([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), text)
    yield text.replace("\\\\", "\\").replace('\\"', '"').replace("\\/", "/")


def holds(text, secret):
    looked = "\n".join(plain(text)).lower()
    data = secret.encode()
    wanted = {secret.lower(), data.hex()}
    wanted |= {base64.b64encode(bytes(i) + data).decode()[4 : 4 * (len(data) // 3)].lower() for i in range(3)}
    return any(form in looked for form in wanted)


def reachable(error):
    """What hangs on an error: its text, those behind it, their attributes, and the locals of their frames."""
    seen, left = set(), [error]
    while left:
        one = left.pop()
        if id(one) in seen or isinstance(one, str | bytes | int | float | type(None)):
            continue
        seen.add(id(one))
        yield from (str(one), repr(one), repr(one.args), repr(vars(one)))
        left += [one.__cause__, one.__context__]
        for value in vars(one).values():
            yield repr(value)
            yield from (
                repr(getattr(value, name, None)) for name in ("headers", "text", "content", "request")
            )
            yield repr(dict(getattr(value, "headers", None) or {}))
        for frame, _ in traceback.walk_tb(one.__traceback__):
            if "/tests/" not in frame.f_code.co_filename:
                for value in frame.f_locals.values():
                    yield repr(value)
                    if type(value).__module__.partition(".")[0] != "youtu_st":
                        yield repr(getattr(value, "__dict__", None))


def answers(text):
    """All places of an answer that reach a person."""
    told = json.dumps({"error": {"message": f"no: {text}"}}).encode()
    api = json.dumps(
        {"Response": {"Error": {"Code": f"A.{text}", "Message": text}, "RequestId": text}}
    ).encode()
    raw = text.encode()
    line = re.sub(r"[^\x20-\x7e]", "", text)
    yield from (
        http(raw, f"{status} {line}") for status in ("400 Bad", "401 No", "403 No", "404 No", "500 No")
    )
    yield from (
        http(told, status) for status in ("400 Bad", "401 No", "403 No", "404 No", "429 No", "500 No")
    )
    yield from (http(raw), http(told), http(api), http(api, Content_Type="text/plain"), http(b"<p>" + raw))
    yield http(json.dumps({"data": [{"index": text, "embedding": text}]}).encode())
    yield http(json.dumps({"data": [{"index": 0, "embedding": [text] * 32}]}).encode())
    yield http(json.dumps({"Response": {"Data": [{"Index": text, "Embedding": text}]}}).encode())
    yield http(json.dumps({"Response": {"DeprecatedWarning": text, "Data": text}}).encode())
    yield http(raw, Content_Encoding=line)
    yield http(raw, Content_Length=f"3{line}")
    yield http(raw, "307 Moved", Location=f"/v1/{line}")
    yield http(raw, "307 Moved", Location=f"ftp://{line}@127.0.0.1/")
    yield http(raw, "307 Moved", Location=f"http://{line}:70000/")
    yield http(raw, "500 No", X_Request_Id=line, Retry_After=line)
    yield http(raw, "200 OK", X_Request_Id=line, Set_Cookie=f"a={line}")
    yield line.encode() + b"\r\n\r\n"
    yield b"HTTP/1.1 " + line.encode() + b"\r\n\r\n"
    yield b"HTTP/1.1 200 OK\r\n" + line.encode() + b"\r\n\r\n"


OURS = ("youtu_st", "openai", "httpx", "httpx2", "tencentcloud_sdk_common")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_what_hangs_on_an_error_holds_no_secret(kind, bare, form, caplog):
    caplog.set_level(logging.DEBUG)
    texts = [form(secret) for secret in kind.secrets] + ["padding " * 20 + form(kind.secrets[0])]
    # All places for a secret as it is; and for what is made of it, one that is read as text, one as JSON.
    step = 1 if form is str else 8
    replies = [reply for text in texts for reply in list(answers(text))[::step]]
    with HostileServer(saying(*replies)) as server:
        engine = kind.connect(server.address, bare, max_attempts=1, timeout=5)
        for reply in replies:
            with pytest.raises(EngineError) as caught:
                engine.encode_query(["a"])
            for secret in kind.secrets:
                leaks = [text for text in reachable(caught.value) if holds(text, secret)]
                assert not leaks, (reply, leaks[0][:2000])
            assert "\n" not in str(caught.value)
            assert str(caught.value).isprintable()
            assert len(str(caught.value)) < 700
    logged = [record.getMessage() for record in caplog.records if record.name.partition(".")[0] in OURS]
    assert logged
    assert not [text for text in logged for secret in kind.secrets if holds(text, secret)]


def test_status_and_reason_stay(kind, bare):
    told = json.dumps({"error": {"message": f"the key {KEY} may not do that"}}).encode()
    with HostileServer(saying(http(told, "403 Forbidden"))) as server:
        engine = kind.connect(server.address, bare, max_attempts=1)
        with pytest.raises(EngineError, match="403.*the key") as caught:
            engine.encode_query(["a"])
    if kind.name == "openai":
        assert "the key *** may not do that" in str(caught.value)


def test_retries_do_not_collect_secrets(kind, bare):
    told = http(kind.secrets[0].encode(), "500 No")
    with HostileServer(saying(told)) as server:
        engine = kind.connect(server.address, bare, max_attempts=3)
        with pytest.raises(EngineError) as caught:
            engine.encode_query(["a"])
    assert len(server.requests) == 3
    assert not [text for text in reachable(caught.value) if holds(text, kind.secrets[0])]


def test_a_refused_batch_is_halved_without_a_trace(kind, bare):
    with HostileServer(saying(http(kind.secrets[0].encode(), "413 Too Large"))) as server:
        engine = kind.connect(server.address, bare, max_attempts=1)
        with pytest.raises(EngineError, match="413") as caught:
            engine.encode_query(["a", "b", "c"])
    assert not [text for text in reachable(caught.value) if holds(text, kind.secrets[0])]


def test_a_key_that_no_header_can_hold(bare):
    engine = OpenAICompatibleEncoder("http://127.0.0.1:9/v1", "served", spec=bare, api_key="schlüssel\n")
    with pytest.raises(EngineError) as caught:
        engine.encode_query(["a"])
    assert not [text for text in reachable(caught.value) if "schlüssel" in text]


def test_what_is_shown_of_a_text():
    assert Redactor([])("  a\n\tb\x1b[31m\x07 \u202ec\u200b\ud800好 ") == "a b[31m c好"
    assert Redactor([None, ""])(b"\xff a") == "� a"
    assert len(Redactor([SECRET_KEY])("x" * 10**6)) == MOST
    assert Redactor(["sekret"])("100%25 of a sekret, and S e k r e t") == "100%25 of a ***, and ***"
    assert Redactor(["a.c"])("abc a.c") == "abc ***"
    assert Redactor(["long", "longer"])("longer long") == "*** ***"
