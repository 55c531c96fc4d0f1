"""Whatever is thrown at a route, there is an answer, and it is never that something went wrong in the server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving.in_process import client

from youtu_st.serving.fields import CohereFields, EmbeddingFields, RerankFields
from youtu_st.serving.server import Server

ROUTES = {
    "/v1/embeddings": EmbeddingFields,
    "/v2/embed": CohereFields,
    "/v1/rerank": RerankFields,
    "/v2/rerank": RerankFields,
    "/rerank": RerankFields,
}
GOOD: dict[str, Any] = {
    "input": ["ok"],
    "texts": ["ok"],
    "query": "ok",
    "documents": ["ok", {"text": "a"}],
    "model": "tiny:query",
}
ALLOWED = {200, 400, 404, 413}
COHERE = ("/v2", "/rerank", "/v1/rerank")

characters = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | characters
    | st.sampled_from(
        ["tiny", "tiny:document", "judge", "float", "base64", "query", "search_query", "END", ""]
    )
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(characters | st.just("text"), inner, max_size=4)
    ),
    max_leaves=12,
)


def fields_of(path: str) -> st.SearchStrategy[Any]:
    """Bodies of which some fields are good, some are anything, and some are not there."""
    names = list(ROUTES[path].model_fields)
    good = {name: GOOD[name] for name in names if name in GOOD}
    if path.endswith("rerank"):
        good["model"] = "judge"
    some = st.dictionaries(st.sampled_from(names) | characters, values, max_size=3)
    dropped = st.lists(st.sampled_from(names), max_size=1)
    return st.builds(
        lambda by, without: {name: value for name, value in (good | by).items() if name not in without},
        some,
        dropped,
    )


def answer_of(server: Server, method: str, path: str, raw: bytes) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with client(server) as http:
            return await http.request(method, path, content=raw)

    return asyncio.run(ask())


def check(answer: httpx.Response, path: str) -> None:
    assert answer.status_code in ALLOWED, answer.text
    told = answer.json()
    if answer.status_code != 200:
        assert list(told) == (["message"] if path.startswith(COHERE) else ["error"])


relaxed = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@relaxed
@given(data=st.data())
def test_any_fields(server: Server, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(ROUTES)))
    body = data.draw(fields_of(path) | values)
    check(answer_of(server, "POST", path, json.dumps(body).encode()), path)


@relaxed
@given(path=st.sampled_from(sorted(ROUTES)), raw=st.binary(max_size=60))
def test_any_bytes(server: Server, path: str, raw: bytes) -> None:
    check(answer_of(server, "POST", path, raw), path)


@relaxed
@given(path=st.sampled_from(sorted(ROUTES)), at=st.integers(0, 100), by=st.binary(max_size=4))
def test_a_good_body_with_a_flaw(server: Server, path: str, at: int, by: bytes) -> None:
    names = ROUTES[path].model_fields
    raw = json.dumps({name: value for name, value in GOOD.items() if name in names}).encode()
    check(answer_of(server, "POST", path, raw[:at] + by + raw[at + 1 :]), path)


@relaxed
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    path=st.sampled_from(
        ["/health", "/ready", "/info", "/metrics", "/docs", "/openapi.json", "/v1/models", *ROUTES]
    )
    | st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), max_size=8).map(
        lambda rest: f"/v1/models/{rest}"
    ),
)
def test_any_method_of_any_path(server: Server, method: str, path: str) -> None:
    answer = answer_of(server, method, path.replace("#", "").replace("?", ""), b"")
    assert answer.status_code in {200, 400, 404, 405}
