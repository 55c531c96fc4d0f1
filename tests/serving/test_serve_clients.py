"""Clients as their users have them, over a real connection: each gets the library's vectors."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import cohere
import httpx
import numpy as np
import openai
import pytest
from langchain_openai import OpenAIEmbeddings
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from serving.in_process import ready
from serving.over_loopback import served

from youtu_st import Encoder
from youtu_st.rerank import Reranker
from youtu_st.serving.keys import Keys

TEXTS = [
    "Which planet is known as the Red Planet?",
    "Mars, known for its reddish appearance, is often called so.",
    "ends with a line break\n",
    "混合 Chinese and English",
]
KEY = "a-key-of-some-length"
ROLES = ["query", "document"]
SETTINGS = {"truncation": "ignore", "unknown": "ignore"}


@pytest.fixture(scope="module", params=["minilm", "tiny"])
def model(request: pytest.FixtureRequest, encoder: Encoder) -> Encoder:
    """The real MiniLM with two prompts, and a tiny Youtu that leaves its instruction out."""
    if request.param == "tiny":
        return encoder
    return Encoder("minilm", prompts={"query": "query: ", "document": "passage: "}, **SETTINGS)


@pytest.fixture(scope="module")
def url(model: Encoder, reranker: Reranker) -> Iterator[str]:
    with served(ready(model, reranker, name="served", keys=Keys([KEY]))) as address:
        yield address


def expected(model: Encoder, role: str, texts: list[str] = TEXTS, **how: Any) -> np.ndarray:
    return getattr(model, f"encode_{role}")(texts, **how)


def same(rows: Any, vectors: np.ndarray) -> None:
    np.testing.assert_allclose(np.asarray(rows), vectors, atol=1e-6, rtol=0)


@pytest.fixture
def openai_client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("form", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}])
@pytest.mark.parametrize("role", ROLES)
def test_openai(openai_client: openai.OpenAI, model: Encoder, role: str, form: dict[str, str]) -> None:
    answer = openai_client.embeddings.create(input=TEXTS, model=f"served:{role}", **form)
    rows: list[Any] = [one.embedding for one in answer.data]
    if "base64" in form.values():
        rows = [np.frombuffer(base64.b64decode(row), dtype="<f4") for row in rows]
    same(rows, expected(model, role))
    assert answer.usage.total_tokens > len(TEXTS)
    assert answer.model == f"served:{role}"


def test_openai_with_one_string_and_a_field_of_ours(openai_client: openai.OpenAI, model: Encoder) -> None:
    answer = openai_client.embeddings.create(
        input=TEXTS[0], model="served", extra_body={"input_type": "document"}
    )
    same([answer.data[0].embedding], expected(model, "document", TEXTS[:1]))


def test_openai_s_errors(openai_client: openai.OpenAI, url: str) -> None:
    create = openai_client.embeddings.create
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False") as ids:
        create(input=[[1, 2, 3]], model="served:query")
    assert (ids.value.param, ids.value.code) == ("input", "token_ids")
    with pytest.raises(openai.BadRequestError, match="served:query"):
        create(input=TEXTS, model="served")
    with pytest.raises(openai.NotFoundError, match="the names are served, served:query, served:document"):
        create(input=TEXTS, model="text-embedding-3-small")
    with pytest.raises(openai.BadRequestError, match="must be one of .*, which 'served' was trained for"):
        create(input=TEXTS, model="served:query", dimensions=7)
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{url}/v1", api_key="wrong", max_retries=0).embeddings.create(
            input=TEXTS, model="served:query"
        )


def test_openai_lists_the_models(openai_client: openai.OpenAI) -> None:
    names = [one.id for one in openai_client.models.list()]
    assert names == ["served", "served:query", "served:document", "judge"]
    assert openai_client.models.retrieve("served:query").id == "served:query"


@pytest.mark.parametrize("role", ROLES)
async def test_langchain(url: str, model: Encoder, role: str) -> None:
    embeddings = OpenAIEmbeddings(
        model=f"served:{role}", base_url=f"{url}/v1", api_key=KEY, check_embedding_ctx_length=False
    )
    same(embeddings.embed_documents(TEXTS), expected(model, role))
    same([embeddings.embed_query(text) for text in TEXTS], expected(model, role))
    same(await embeddings.aembed_documents(TEXTS), expected(model, role))


@pytest.mark.parametrize("role", ROLES)
async def test_llama_index(url: str, model: Encoder, role: str) -> None:
    embedding = OpenAILikeEmbedding(model_name=f"served:{role}", api_base=f"{url}/v1", api_key=KEY)
    # It replaces line breaks before it sends anything.
    texts = [text.replace("\n", " ") for text in TEXTS]
    same(embedding.get_text_embedding_batch(TEXTS), expected(model, role, texts))
    same([embedding.get_query_embedding(text) for text in TEXTS], expected(model, role, texts))
    same(await embedding.aget_text_embedding_batch(TEXTS), expected(model, role, texts))


@pytest.fixture
def cohere_client(url: str) -> cohere.ClientV2:
    return cohere.ClientV2(api_key=KEY, base_url=url)


@pytest.mark.parametrize("role", ROLES)
def test_cohere(cohere_client: cohere.ClientV2, model: Encoder, role: str) -> None:
    answer = cohere_client.embed(
        model="served", texts=TEXTS, input_type=f"search_{role}", embedding_types=["float", "base64"]
    )
    same(answer.embeddings.float_, expected(model, role))
    rows = [np.frombuffer(base64.b64decode(row), dtype="<f4") for row in answer.embeddings.base64 or []]
    same(rows, expected(model, role))
    assert answer.texts == TEXTS
    assert answer.response_type == "embeddings_by_type"
    assert answer.meta is not None
    assert answer.meta.billed_units is not None
    assert (answer.meta.billed_units.input_tokens or 0) > len(TEXTS)


def test_cohere_s_errors(cohere_client: cohere.ClientV2) -> None:
    with pytest.raises(cohere.BadRequestError) as refused:
        cohere_client.embed(model="served", texts=TEXTS, input_type="classification")
    assert "must be 'search_query' or 'search_document'" in refused.value.body["message"]
    with pytest.raises(cohere.NotFoundError):
        cohere_client.embed(model="embed-v4.0", texts=TEXTS, input_type="search_query")


def test_cohere_reranks(cohere_client: cohere.ClientV2, reranker: Reranker) -> None:
    answer = cohere_client.rerank(model="judge", query=TEXTS[0], documents=TEXTS[1:], top_n=2)
    best = reranker.rank(TEXTS[0], TEXTS[1:], k=2)
    assert [one.index for one in answer.results] == [one.index for one in best]
    assert [one.relevance_score for one in answer.results] == pytest.approx(
        [one.score for one in best], abs=1e-6
    )


@pytest.mark.slow
def test_a_large_body_and_a_large_answer_over_one_connection(url: str, model: Encoder) -> None:
    texts = [f"text {i}" for i in range(300)]
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as http:
        for form in ("float", "base64"):
            body = {"input": texts, "model": "served:query", "encoding_format": form}
            answer = http.post("/v1/embeddings", json=body)
            rows = [one["embedding"] for one in answer.json()["data"]]
            if form == "base64":
                rows = [np.frombuffer(base64.b64decode(row), dtype="<f4") for row in rows]
            same(rows, expected(model, "query", texts))
        refused = http.post("/v1/embeddings", json={"input": ["x" * 70_000_000], "model": "served:query"})
        assert refused.status_code == 413
