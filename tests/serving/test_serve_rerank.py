"""Scores over HTTP are the reranker's."""

from __future__ import annotations

from typing import Any

import pytest
from serving.in_process import client

from youtu_st.rerank import Reranker
from youtu_st.serving.server import Server

QUERY = "Which planet is red?"
DOCUMENTS = ["Mars is red.", "Venus is hot.", "Paris is a city.", "Mars is red.", "今天天气很好"]


async def ask(server: Server, path: str = "/v1/rerank", **body: Any) -> dict[str, Any]:
    async with client(server) as http:
        answer = await http.post(path, json={"query": QUERY, "documents": DOCUMENTS} | body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
async def test_order_and_scores_are_the_reranker_s(server: Server, reranker: Reranker, path: str) -> None:
    expected = reranker.rank(QUERY, DOCUMENTS)
    results = (await ask(server, path, model="judge"))["results"]
    assert [one["index"] for one in results] == [one.index for one in expected]
    assert [one["relevance_score"] for one in results] == pytest.approx(
        [one.score for one in expected], abs=1e-6
    )
    assert all(set(one) == {"index", "relevance_score"} for one in results)


async def test_equal_scores_keep_their_order(server: Server) -> None:
    results = (await ask(server, documents=["same", "other", "same", "same"]))["results"]
    assert [one["index"] for one in results if one["index"] != 1] == [0, 2, 3]


async def test_the_best_few_with_their_documents(server: Server, reranker: Reranker) -> None:
    expected = reranker.rank(QUERY, DOCUMENTS, k=2)
    asked = [*DOCUMENTS[:2], *({"text": text} for text in DOCUMENTS[2:])]
    results = (await ask(server, documents=asked, top_n=2, return_documents=True))["results"]
    assert [one["document"] for one in results] == [{"text": one.document} for one in expected]
    assert len((await ask(server, top_n=100))["results"]) == len(DOCUMENTS)


async def test_an_instruction(server: Server, reranker: Reranker) -> None:
    for instruction in ("Find planets", None):
        expected = reranker.rank(QUERY, DOCUMENTS, instruction=instruction)
        results = (await ask(server, instruction=instruction))["results"]
        assert [one["index"] for one in results] == [one.index for one in expected]
        assert [one["relevance_score"] for one in results] == pytest.approx(
            [one.score for one in expected], abs=1e-6
        )


async def test_usage(server: Server) -> None:
    answer = await ask(server)
    assert answer["usage"]["total_tokens"] == answer["meta"]["tokens"]["input_tokens"] > 0
    assert answer["meta"]["billed_units"]["search_units"] == 1
    assert answer["model"] == "judge"
