"""What bad input gets: each row of the table, in both shapes, and nothing of a text in any message."""

from __future__ import annotations

import asyncio
import gc
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from serving.in_process import ByHand, client, ready

from youtu_st import Encoder
from youtu_st.errors import NonFiniteError, OutOfMemoryError, QueueFullError, RequestTooLargeError
from youtu_st.rerank import Reranker
from youtu_st.serving.body import Body
from youtu_st.serving.call import Call
from youtu_st.serving.faults import Fault, internal, of_error
from youtu_st.serving.keys import Keys
from youtu_st.serving.server import Server

SECRET = "xylophone"
"""Stands in texts and instructions, and must stand in no message."""
LONG = f"{SECRET} " * 300
WHOLE_PROMPT = f"Instruction: {SECRET} \nQuery:"

EMBEDDINGS: list[tuple[str, Any, int, str | None, str]] = [
    # what is sent instead of, or beside, a good request; the status, the field and a part of the message
    ("no object", [SECRET], 400, None, "the body must be a JSON object"),
    ("nothing", {"input": ..., "model": ...}, 400, "input", "input is missing: the fields are input, model,"),
    ("no model", {"model": ...}, 400, "model", "model is missing"),
    (
        "unknown field",
        {"extra": 1},
        400,
        "extra",
        "'extra' is no field of this request: the fields are input",
    ),
    ("near field", {"dimension": 8}, 400, "dimension", "did you mean 'dimensions'? the fields are"),
    ("a text as field", {f"my {SECRET}": 1}, 400, None, "a field is unknown: the fields are"),
    ("input of another type", {"input": 1.5}, 400, "input", "must be a string or a list of strings"),
    ("input an object", {"input": {SECRET: 1}}, 400, "input", "must be a string or a list of strings"),
    ("one of another type", {"input": [SECRET, None]}, 400, "input[1]", "must be a string"),
    ("a list in a list", {"input": [[SECRET]]}, 400, "input[0]", "must be a string"),
    ("empty list", {"input": []}, 400, "input", "is an empty list"),
    ("model of another type", {"model": 1}, 400, "model", "model must be a string"),
    ("format", {"encoding_format": SECRET}, 400, "encoding_format", "must be 'float' or 'base64'"),
    ("dimensions a string", {"dimensions": "8"}, 400, "dimensions", "must be an integer"),
    ("dimensions a float", {"dimensions": 8.5}, 400, "dimensions", "must be an integer"),
    ("dimensions a boolean", {"dimensions": True}, 400, "dimensions", "must be an integer"),
    ("dimensions none", {"dimensions": 0}, 400, "dimensions", "must be an integer of at least 1"),
    ("dimensions huge", {"dimensions": 10**30}, 400, "dimensions", "must be an integer"),
    ("input_type", {"input_type": "search_query"}, 400, "input_type", "must be 'query' or 'document'"),
    ("truncate", {"truncate": "END"}, 400, "truncate", "must be true or false"),
    ("empty text", {"input": ""}, 400, "input", "input is empty"),
    ("blank text", {"input": [SECRET, " \n\t"]}, 400, "input[1]", "input[1] is blank"),
    ("token ids", {"input": [1, 2, 3]}, 400, "input", "check_embedding_ctx_length=False"),
    ("lists of ids", {"input": [[1, 2], [3]]}, 400, "input", "check_embedding_ctx_length=False"),
    (
        "too long",
        {"input": ["ok", LONG]},
        400,
        "input[1]",
        "and the model reads 96: split it, or set truncate",
    ),
    ("too long alone", {"input": LONG}, 400, "input", "and the model reads 96: split it, or set truncate"),
    (
        "dimensions",
        {"dimensions": 7},
        400,
        "dimensions",
        "must be one of 8, 16, 32, which 'tiny' was trained",
    ),
    ("instruction", {"instruction": 1}, 400, "instruction", "must be a string or null"),
    ("one of them", {"instruction": [1]}, 400, "instruction[0]", "must be a string or null"),
    (
        "two of them",
        {"instruction": ["a", "b"]},
        400,
        "instruction",
        "is a list of 2: one for each of 1 text, or one for all",
    ),
    ("whole prompt", {"instruction": WHOLE_PROMPT}, 400, "instruction", "is a whole prompt"),
    ("no room", {"instruction": LONG}, 400, "instruction", "and the model reads 96: no room for a text"),
    ("another model", {"model": "other"}, 404, "model", "the names are tiny, tiny:query, tiny:document"),
    (
        "another role",
        {"model": "tiny:passage"},
        404,
        "model",
        "the names are tiny, tiny:query, tiny:document",
    ),
    ("no role", {"model": "tiny"}, 400, "input_type", "set input_type to query or document, set model to "),
    ("two roles", {"input_type": "document"}, 400, "input_type", "say one role"),
    (
        "too many texts",
        {"input": ["a"] * 65},
        413,
        "input",
        "input has 65 entries, and a request may have 64",
    ),
    (
        "too many tokens",
        {"input": [f"{SECRET} {i} " * 6 for i in range(64)]},
        413,
        None,
        "than the 4,096 tokens",
    ),
]
COHERE: list[tuple[str, Any, int, str]] = [
    ("no texts", {"texts": ...}, 400, "texts is missing"),
    ("a string", {"texts": SECRET}, 400, "texts must be a list of strings"),
    ("blank", {"texts": [SECRET, ""]}, 400, "texts[1] is empty"),
    ("another role", {"input_type": "classification"}, 400, "must be 'search_query' or 'search_document'"),
    ("OpenAI's role", {"input_type": "query"}, 400, "must be 'search_query' or 'search_document'"),
    ("no role", {"input_type": ...}, 400, "set input_type to search_query or search_document"),
    ("two roles", {"model": "tiny:document"}, 400, "say one role"),
    ("truncate", {"truncate": "START"}, 400, "truncate must be 'NONE' or 'END'"),
    ("types", {"embedding_types": ["float", "int8"]}, 400, "embedding_types[1] must be 'float' or 'base64'"),
    ("length", {"output_dimension": 9}, 400, "output_dimension must be one of 8, 16, 32"),
    ("too long", {"texts": [LONG]}, 400, "split it, or set truncate to END"),
    ("too long, said", {"texts": [LONG], "truncate": "NONE"}, 400, "split it, or set truncate to END"),
    ("images", {"images": []}, 400, "'images' is no field of this request: the fields are texts, model"),
    ("another model", {"model": "other"}, 404, "the names are tiny"),
    ("too many", {"texts": ["a"] * 65}, 413, "texts has 65 entries"),
]
RERANK: list[tuple[str, Any, int, str]] = [
    ("no query", {"query": ...}, 400, "query is missing"),
    ("blank query", {"query": " "}, 400, "query is blank"),
    ("no documents", {"documents": []}, 400, "documents is an empty list"),
    ("a string", {"documents": SECRET}, 400, "documents must be a list"),
    ("a blank one", {"documents": [SECRET, ""]}, 400, "documents[1] is empty"),
    ("a blank one's text", {"documents": [SECRET, {"text": " "}]}, 400, "documents[1].text is blank"),
    ("no text", {"documents": [{}]}, 400, "documents[0] must be a string, or an object with text"),
    ("more", {"documents": [{"text": "a", "title": SECRET}]}, 400, "documents[0] has a field 'title'"),
    ("top_n", {"top_n": 0}, 400, "top_n must be an integer of at least 1"),
    ("unknown", {"max_tokens_per_doc": 9}, 400, "'max_tokens_per_doc' is no field of this request"),
    ("too long", {"documents": ["a", LONG]}, 400, "documents[1] has "),
    ("no room", {"query": LONG}, 400, "query leaves no room for documents[0]"),
    ("blank instruction", {"instruction": ""}, 400, "instruction is blank"),
    ("another model", {"model": "tiny"}, 404, "its name is judge"),
    ("too many", {"documents": ["a"] * 17}, 413, "documents has 17 entries"),
]


def changed(good: dict[str, Any], by: Any) -> Any:
    if not isinstance(by, dict):
        return by
    return {name: value for name, value in (good | by).items() if value is not ...}


def openai_error(answer: httpx.Response) -> dict[str, Any]:
    told = answer.json()
    assert list(told) == ["error"]
    assert list(told["error"]) == ["message", "type", "param", "code"]
    assert SECRET not in answer.text
    assert "\n" not in told["error"]["message"]
    return told["error"]


def cohere_message(answer: httpx.Response) -> str:
    told = answer.json()
    assert list(told) == ["message"]
    assert SECRET not in answer.text
    return told["message"]


@pytest.mark.parametrize(
    ("by", "status", "param", "words"), [row[1:] for row in EMBEDDINGS], ids=[row[0] for row in EMBEDDINGS]
)
async def test_embeddings(
    server: Server, by: Any, status: int, param: str | None, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with client(server) as http:
        answer = await http.post("/v1/embeddings", json=changed({"input": SECRET, "model": "tiny:query"}, by))
    assert answer.status_code == status, answer.text
    error = openai_error(answer)
    assert words in error["message"]
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("by", "status", "words"), [row[1:] for row in COHERE], ids=[row[0] for row in COHERE]
)
async def test_cohere(server: Server, by: Any, status: int, words: str) -> None:
    good = {"texts": [SECRET], "model": "tiny", "input_type": "search_query"}
    async with client(server) as http:
        answer = await http.post("/v2/embed", json=changed(good, by))
    assert answer.status_code == status, answer.text
    assert words in cohere_message(answer)


@pytest.mark.parametrize(
    ("by", "status", "words"), [row[1:] for row in RERANK], ids=[row[0] for row in RERANK]
)
async def test_rerank(server: Server, by: Any, status: int, words: str) -> None:
    async with client(server) as http:
        answer = await http.post("/v2/rerank", json=changed({"query": SECRET, "documents": [SECRET]}, by))
    assert answer.status_code == status, answer.text
    assert words in cohere_message(answer)


@pytest.mark.parametrize(
    ("raw", "param", "words"),
    [
        (b"", None, "the body is no JSON"),
        (b"{", None, "the body is no JSON"),
        (b'{"input": "xylophone \xff"}', None, "the body is no JSON"),
        (b'{"input": "xylophone \\ud800"}', None, "the body is no JSON"),
        (b"[" * 100_000, None, "is nested too deeply"),
        (b'{"input":' * 5_000, None, "is nested too deeply"),
        (b'{"user": "a", "user": %b}' % (b"[" * 1000 + b"]" * 1000), None, "is nested too deeply"),
        (b'{"input": "xylophone", "dimensions": NaN}', "dimensions", "dimensions holds NaN"),
        (b'{"input": ["xylophone", -Infinity]}', "input", "input holds NaN"),
        (b'{"input": "xylophone", "dimensions": 1e999}', "dimensions", "dimensions holds NaN"),
        (b'{"input": "xylophone", "input": "b", "model": "tiny:query"}', "input", "input stands twice"),
        (b'{"input": "a", "inp\\u0075t": "xylophone"}', "input", "input stands twice"),
        (
            b'{"input": "a", "dimensions": 8, "model": "b", "dimensions": 16}',
            "dimensions",
            "dimensions stands",
        ),
    ],
)
async def test_no_json(server: Server, raw: bytes, param: str | None, words: str) -> None:
    async with client(server) as http:
        answer = await http.post("/v1/embeddings", content=raw)
    assert answer.status_code == 400, answer.text
    error = openai_error(answer)
    assert words in error["message"]
    assert error["param"] == param


async def test_a_name_that_stands_in_a_text_too_is_no_name_twice(server: Server) -> None:
    texts = ["model", 'say "model": "input"', '{"input": 1, "input": 2}']
    async with client(server) as http:
        answer = await http.post("/v1/embeddings", json={"input": texts, "model": "tiny:query"})
    assert answer.status_code == 200


async def test_a_document_that_says_its_text_twice(server: Server) -> None:
    raw = b'{"query": "a", "documents": [{"text": "a", "text": "b"}]}'
    async with client(server) as http:
        answer = await http.post("/rerank", content=raw)
    assert answer.status_code == 400
    assert "text stands twice" in cohere_message(answer)


@pytest.mark.parametrize(
    ("seconds", "status"),
    [
        ("0", 400),
        ("-1", 400),
        ("nan", 400),
        ("inf", 400),
        ("soon", 400),
        ("", 400),
        ("1e-9", 504),
        ("30", 200),
    ],
)
async def test_the_client_s_own_deadline(server: Server, seconds: str, status: int) -> None:
    before = server.metrics.registry.get_sample_value(
        "youtu_st_requests_dropped_total", {"reason": "deadline"}
    )
    async with client(server, headers={"X-Request-Timeout": seconds}) as http:
        answer = await http.post("/v1/embeddings", json={"input": "a", "model": "tiny:query"})
    assert answer.status_code == status
    if status == 400:
        assert openai_error(answer)["param"] == "X-Request-Timeout"
    if status == 504:
        assert openai_error(answer)["type"] == "timeout_error"
        after = server.metrics.registry.get_sample_value(
            "youtu_st_requests_dropped_total", {"reason": "deadline"}
        )
        assert after == (before or 0) + 1


async def test_a_model_that_takes_no_instruction(minilm: Server) -> None:
    good = {"input": ["a", "b"], "model": "minilm"}
    async with client(minilm) as http:
        for instruction in ("Find answers", [None, "Find answers"]):
            answer = await http.post("/v1/embeddings", json=good | {"instruction": instruction})
            assert answer.status_code == 400
            error = openai_error(answer)
            assert error["param"] == "instruction"
            assert "takes none" in error["message"]
        for nothing in ("", None, ["", None]):
            answer = await http.post("/v1/embeddings", json=good | {"instruction": nothing})
            assert answer.status_code == 200


async def test_no_role_is_needed_where_both_are_read_alike(minilm: Server) -> None:
    async with client(minilm) as http:
        answer = await http.post("/v1/embeddings", json={"input": "a", "model": "minilm"})
    assert answer.status_code == 200


async def test_no_reranker(minilm: Server) -> None:
    async with client(minilm) as http:
        answer = await http.post("/v1/rerank", content=b"anything")
    assert answer.status_code == 404
    assert "--reranker NAME" in cohere_message(answer)


@pytest.fixture(scope="module")
def minilm() -> Server:
    return ready(Encoder("minilm", truncation="ignore", unknown="ignore"), name="minilm")


@pytest.mark.parametrize("path", ["/", "/v1/nothing", "/v1/embeddings/", "/nothing?key=xylophone"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_no_such_path(server: Server, path: str, method: str) -> None:
    async with client(server) as http:
        answer = await http.request(method, path)
        assert answer.status_code == 404
        openai_error(answer)
        answer = await http.request(method, f"/v2{path}")
        assert answer.status_code == 404
        cohere_message(answer)


async def test_no_such_method(server: Server) -> None:
    async with client(server) as http:
        answer = await http.get("/v1/embeddings")
        assert answer.status_code == 405
        assert answer.headers["allow"] == "POST"
        openai_error(answer)
        cohere_message(await http.put("/rerank"))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "right"},
        {"Authorization": "Basic right"},
        {"X-API-Key": "wrong"},
        {"Authorization": "Bearer ké".encode("latin-1").decode("latin-1")},
    ],
)
async def test_no_key_or_a_wrong_one(encoder: Encoder, headers: dict[str, str]) -> None:
    server = ready(encoder, name="tiny", keys=Keys(["right"]))
    body = {"input": SECRET, "model": "tiny:query"}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    async with client(server) as http:
        answers = [await http.post("/v1/embeddings", json=body, headers=raw)]
        answers += [
            await http.get(path, headers=raw) for path in ("/info", "/metrics", "/docs", "/openapi.json")
        ]
        answers += [await http.get("/v1/models", headers=raw)]
        for answer in answers:
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert openai_error(answer)["type"] == "authentication_error"
        assert len({answer.text for answer in answers}) == 1
        cohere_message(await http.post("/v2/embed", json={}, headers=raw))
        assert [(await http.get(path)).status_code for path in ("/health", "/ready")] == [200, 200]


@pytest.mark.parametrize(
    "header",
    [
        {"Authorization": "Bearer right"},
        {"X-API-Key": "right"},
        {"X-API-Key": "right", "Authorization": "Basic of-a-proxy"},
    ],
)
async def test_a_key(encoder: Encoder, header: dict[str, str]) -> None:
    server = ready(encoder, name="tiny", keys=Keys(["other", "right"]))
    async with client(server, headers=header) as http:
        answer = await http.post("/v1/embeddings", json={"input": "a", "model": "tiny:query"})
    assert answer.status_code == 200


@pytest.mark.parametrize(("state", "words"), [("starting", "is loading"), ("closing", "is shutting down")])
async def test_not_ready(encoder: Encoder, state: Any, words: str) -> None:
    server = ready(encoder, name="tiny")
    server.state = state
    async with client(server) as http:
        for path in ("/v1/embeddings", "/v2/embed", "/v1/rerank"):
            answer = await http.post(path, json={})
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) >= 1
            assert words in answer.text
        assert (await http.get("/ready")).status_code == 503
        assert (await http.get("/health")).status_code == 200


async def test_a_full_queue(encoder: Encoder) -> None:
    server = ready(encoder, name="tiny", queue_tokens=400)
    body = {"input": [f"text {i}" for i in range(12)], "model": "tiny:query"}
    async with client(server) as http:
        answers = await asyncio.gather(*(http.post("/v1/embeddings", json=body) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {200, 429}
    for answer in answers:
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) >= 1
            assert openai_error(answer)["type"] == "rate_limit_error"


async def test_a_larger_request_than_the_queue(encoder: Encoder, reranker: Reranker) -> None:
    server = ready(encoder, reranker, name="tiny", queue_tokens=300)
    many = [f"text {i} of some words" for i in range(60)]
    async with client(server) as http:
        answer = await http.post("/v1/embeddings", json={"input": many, "model": "tiny:query"})
        assert answer.status_code == 413
        assert "300 tokens" in openai_error(answer)["message"]
        answer = await http.post("/rerank", json={"query": "a", "documents": many[:12]})
        assert answer.status_code == 413
        assert "300 tokens" in cohere_message(answer)


async def test_a_fault_of_ours_has_a_number_that_the_log_has_too(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = ready(encoder, name="tiny")

    async def broken(*_: object, **__: object) -> None:
        raise KeyError(SECRET)

    monkeypatch.setattr(server.scheduler, "read", broken)
    async with client(server) as http:
        answer = await http.post("/v1/embeddings", json={"input": SECRET, "model": "tiny:query"})
    assert answer.status_code == 500
    error = openai_error(answer)
    number = error["message"].split()[-1]
    (record,) = caplog.records
    assert (record.fields["number"], record.fields["error"]) == (number, "KeyError")
    assert "in broken" in record.fields["traceback"]
    assert SECRET not in f"{caplog.text} {record.__dict__}"
    assert "Traceback" not in answer.text


def test_what_the_library_raises_is_told_in_words_of_http(caplog: pytest.LogCaptureFixture) -> None:
    def told(error: Exception) -> Fault:
        return of_error(error, "texts[{}]".format)

    full = QueueFullError(10, 20, 25)
    full.retry_after = 2.1
    assert (told(full).status, told(full).retry_after) == (429, 3)
    assert (told(RequestTooLargeError(50, 25)).status, told(RequestTooLargeError(50, 25)).code) == (
        413,
        "too_many_tokens",
    )
    broken = told(NonFiniteError("text 3 gave a vector that is not finite"))
    assert (broken.status, broken.param) == (500, "texts[3]")
    assert "texts[3]" in broken.message
    large = told(OutOfMemoryError("document 7 with its 9000 tokens is more than the memory of cpu holds"))
    assert (large.status, large.param) == (500, "texts[7]")
    assert len(caplog.records) == 2
    assert internal(ValueError(SECRET)).message != internal(ValueError(SECRET)).message


async def test_a_text_that_breaks_fails_alone(tiny: Path) -> None:
    """One network that gives NaN for one text: 31 answers, and one 500."""
    encoder = Encoder(tiny, truncation="ignore", unknown="ignore")
    network = encoder.model[0].auto_model
    (marked,) = encoder.tokenizer("😀", add_special_tokens=False)["input_ids"][-1:]

    embedding = network.get_input_embeddings()
    embedding.weight.data[marked] = float("nan")
    server = ready(encoder, name="tiny")
    texts = [f"text {i}" for i in range(31)]
    async with client(server) as http:
        answers = await asyncio.gather(
            *(http.post("/v1/embeddings", json={"input": t, "model": "tiny:query"}) for t in [*texts, "😀"])
        )
    assert [answer.status_code for answer in answers] == [200] * 31 + [500]
    error = openai_error(answers[-1])
    assert error["param"] == "input"
    expected = encoder.encode_query(texts)
    served = [answer.json()["data"][0]["embedding"] for answer in answers[:31]]
    np.testing.assert_allclose(served, expected, atol=1e-6)


async def test_refusals_are_counted_by_their_code(encoder: Encoder) -> None:
    server = ready(encoder, name="tiny", keys=Keys(["right"]), max_body=500, max_texts=2)
    right = {"Authorization": "Bearer right"}
    async with client(server) as http:
        await http.get("/info")
        for texts in (["a"] * 3, ["a" * 600]):
            await http.post("/v1/embeddings", json={"input": texts, "model": "tiny:query"}, headers=right)
        server.close()
        await http.post("/v1/embeddings", json={}, headers=right)
        await http.get("/ready")
    counted = {
        sample.labels["reason"]: sample.value
        for family in server.metrics.registry.collect()
        for sample in family.samples
        if sample.name == "youtu_st_requests_refused_total"
    }
    assert counted == {"invalid_api_key": 1, "too_many_texts": 1, "body_too_large": 1, "closing": 1}


async def test_refused_requests_leave_nothing_for_the_collector(server: Server) -> None:
    """Under a flood of refusals memory must not grow until the collector comes."""
    bodies = [{"input": LONG, "model": "tiny:query"}, {"input": [], "model": "tiny:query"}]
    for body in bodies:
        raw = json.dumps(body).encode()
        await ByHand(server, content_length=str(len(raw))).body(raw).run()  # what is made once, is
        gc.collect()
        gc.disable()
        try:
            request = ByHand(server, content_length=str(len(raw))).body(raw)
            await request.run()
            assert request.status == 400
            del request
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            left = [type(one).__name__ for one in gc.garbage if isinstance(one, BaseException | Call | Body)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
        assert left == []
