"""What is served is what the library gives: roles, instructions, lengths, both formats, both shapes."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import numpy as np
import pytest
from serving.in_process import client, ready

from youtu_st import Encoder
from youtu_st.rerank import Reranker
from youtu_st.serving.server import Server

TEXTS = ["The weather is lovely today.", "法国首都是哪里？", "ok", "emoji 😀🎉 in the middle"]
TASK = "Classify the topic"


async def ask(server: Server, path: str = "/v1/embeddings", **body: Any) -> dict[str, Any]:
    async with client(server) as http:
        answer = await http.post(path, json={"model": "tiny:query"} | body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def rows(answer: dict[str, Any]) -> np.ndarray:
    each = [one["embedding"] for one in answer["data"]]
    if isinstance(each[0], str):
        return np.stack([np.frombuffer(base64.b64decode(row), dtype="<f4") for row in each])
    return np.array(each, dtype=np.float64)


@pytest.mark.parametrize("form", ["float", "base64"])
@pytest.mark.parametrize("role", ["query", "document"])
async def test_both_formats_are_the_library_s(server: Server, encoder: Encoder, role: str, form: str) -> None:
    expected = getattr(encoder, f"encode_{role}")(TEXTS)
    answer = await ask(server, input=TEXTS, model=f"tiny:{role}", encoding_format=form)
    np.testing.assert_allclose(rows(answer), expected, atol=1e-6, rtol=0)
    assert answer["object"] == "list"
    assert answer["model"] == f"tiny:{role}"
    assert [(one["object"], one["index"]) for one in answer["data"]] == [
        ("embedding", i) for i in range(len(TEXTS))
    ]


async def test_the_default_is_a_list_of_numbers_and_null_is_the_default(server: Server) -> None:
    plain = await ask(server, input="ok")
    assert isinstance(plain["data"][0]["embedding"], list)
    nothing = dict.fromkeys(
        ("encoding_format", "dimensions", "instruction", "truncate", "user", "input_type")
    )
    assert rows(await ask(server, input="ok", **nothing)) == pytest.approx(rows(plain), abs=1e-6)


async def test_base64_is_the_row_s_own_bytes(server: Server) -> None:
    both = await ask(
        server, "/v2/embed", texts=TEXTS, embedding_types=["base64", "float"], input_type="search_query"
    )
    for encoded, numbers in zip(both["embeddings"]["base64"], both["embeddings"]["float"], strict=True):
        assert base64.b64decode(encoded) == np.array(numbers, dtype="<f4").tobytes()


async def test_the_field_and_the_name_say_the_role(server: Server, encoder: Encoder) -> None:
    expected = encoder.encode_document(["ok"])
    for said in (
        {"model": "tiny", "input_type": "document"},
        {"model": "tiny:document"},
        {"model": "tiny:document", "input_type": "document"},
    ):
        np.testing.assert_allclose(rows(await ask(server, input="ok", **said)), expected, atol=1e-6)


async def test_a_default_role_is_the_last_to_be_asked(encoder: Encoder) -> None:
    server = ready(encoder, name="tiny", default_role="document")
    np.testing.assert_allclose(
        rows(await ask(server, input="ok", model="tiny")), encoder.encode_document(["ok"]), atol=1e-6
    )
    np.testing.assert_allclose(
        rows(await ask(server, input="ok", model="tiny:query")), encoder.encode_query(["ok"]), atol=1e-6
    )


async def test_instructions_for_all_and_one_for_each(server: Server, encoder: Encoder) -> None:
    each = [None, "", TASK, "Find answers"]
    answers = await asyncio.gather(
        ask(server, input=TEXTS, instruction=TASK), ask(server, input=TEXTS, instruction=each)
    )
    for answer, instruction in zip(answers, (TASK, each), strict=True):
        expected = encoder.encode_query(TEXTS, instruction=instruction)
        np.testing.assert_allclose(rows(answer), expected, atol=1e-6)
    assert np.abs(rows(answers[0]) - encoder.encode_query(TEXTS)).max() > 1e-3


@pytest.mark.parametrize("size", [8, 16, 32])
async def test_shorter_vectors_are_cut_and_scaled(server: Server, encoder: Encoder, size: int) -> None:
    answer = rows(await ask(server, input=TEXTS, dimensions=size))
    np.testing.assert_allclose(answer, encoder.encode_query(TEXTS, dimensions=size), atol=1e-6)
    cohere = await ask(server, "/v2/embed", texts=TEXTS, output_dimension=size, input_type="search_query")
    np.testing.assert_allclose(cohere["embeddings"]["float"], answer, atol=1e-6)


async def test_usage_counts_the_model_s_own_tokens_with_prompts_and_repeats(
    server: Server, encoder: Encoder
) -> None:
    tokenizer, prompt = encoder.tokenizer, encoder.prompts["query"]
    texts = ["The weather", "ok", "The weather"]
    expected = sum(len(tokenizer(prompt + text)["input_ids"]) for text in texts)
    answer = await ask(server, input=texts)
    assert answer["usage"] == {"prompt_tokens": expected, "total_tokens": expected}
    assert answer["data"][0]["embedding"] == answer["data"][2]["embedding"]


async def test_texts_are_cut_where_the_request_or_the_server_says_so(
    server: Server, encoder: Encoder
) -> None:
    texts = ["ok", "word " * 300, "word " * 300]
    expected = encoder.encode_query(texts)
    answer = await ask(server, input=texts, truncate=True)
    assert answer["usage"]["truncated"] == 2
    np.testing.assert_allclose(rows(answer), expected, atol=1e-6)
    cohere = await ask(server, "/v2/embed", texts=texts, truncate="END", input_type="search_query")
    np.testing.assert_allclose(cohere["embeddings"]["float"], expected, atol=1e-6)
    assert cohere["meta"]["warnings"] == ["2 texts cut to the model's length"]
    cutting = ready(encoder, name="tiny", truncation="cut")
    np.testing.assert_allclose(rows(await ask(cutting, input=texts)), expected, atol=1e-6)
    async with client(cutting) as http:
        refused = {"input": texts, "model": "tiny:query", "truncate": False}
        assert (await http.post("/v1/embeddings", json=refused)).status_code == 400


async def test_cohere_s_shape(server: Server, encoder: Encoder) -> None:
    answer = await ask(server, "/v2/embed", texts=TEXTS, model="tiny", input_type="search_document")
    np.testing.assert_allclose(answer["embeddings"]["float"], encoder.encode_document(TEXTS), atol=1e-6)
    assert answer["texts"] == TEXTS
    assert answer["response_type"] == "embeddings_by_type"
    assert list(answer["embeddings"]) == ["float"]
    assert answer["meta"]["billed_units"]["input_tokens"] == answer["meta"]["tokens"]["input_tokens"] > 0


async def test_mixed_calls_at_once_are_those_of_the_library(server: Server, encoder: Encoder) -> None:
    calls = [
        {"model": "tiny:query"},
        {"model": "tiny:document"},
        {"model": "tiny:query", "instruction": TASK},
        {"model": "tiny:query", "instruction": "", "dimensions": 8},
        {"model": "tiny:document", "dimensions": 16},
    ]
    answers = await asyncio.gather(*(ask(server, input=TEXTS, **call) for call in calls * 4))
    for call, answer in zip(calls * 4, answers, strict=True):
        encode = getattr(encoder, f"encode_{call['model'].partition(':')[2]}")
        how = {name: call[name] for name in ("instruction", "dimensions") if name in call}
        np.testing.assert_allclose(rows(answer), encode(TEXTS, **how), atol=1e-6)


@pytest.mark.parametrize("form", ["float", "base64"])
async def test_a_large_answer_comes_in_pieces_that_are_one_whole(encoder: Encoder, form: str) -> None:
    server = ready(encoder, name="tiny", queue_tokens=1 << 20)
    texts = [f"text {i}" for i in range(1500)]
    answer = await ask(server, input=texts, encoding_format=form)
    assert [one["index"] for one in answer["data"]] == list(range(1500))
    np.testing.assert_allclose(rows(answer), encoder.encode_query(texts), atol=1e-6)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"model": "tiny:query", "input": "text"}),
        (
            "/v2/embed",
            {"model": "tiny", "texts": ["text"], "input_type": "search_query", "embedding_types": ["float"]},
        ),
        ("/v1/rerank", {"model": "judge", "query": "text", "documents": ["text"]}),
    ],
)
async def test_an_answer_names_what_it_is_of(
    server: Server, encoder: Encoder, reranker: Reranker, path: str, body: dict[str, Any]
) -> None:
    async with client(server) as http:
        answer = await http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    served = reranker if "rerank" in path else encoder
    assert answer.headers["X-Model-Fingerprint"] == served.fingerprint
