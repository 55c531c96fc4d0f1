"""``POST /v1/rerank``, also as ``/v2/rerank`` and ``/rerank``: Cohere's shape."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import numpy as np

from youtu_st.serving.cohere import meta_of
from youtu_st.serving.embeddings import place_in, usage
from youtu_st.serving.faults import wrong
from youtu_st.serving.fields import RerankFields, check_instruction, check_text, documents_of
from youtu_st.serving.names import check_reranker
from youtu_st.serving.output import Pieces, Rows, dumps

if TYPE_CHECKING:
    from youtu_st.serving.call import Call


async def rerank(call: Call) -> Pieces:
    """How well each document answers a query, best first; those of equal score in their own order.

    Raises:
        Fault: For all that keeps them from an answer.
        ClientGone: If the client leaves before there is one.
    """
    call.check_open()
    check_reranker(call.server, None)
    fields = await call.fields(RerankFields)
    server, reranker = call.server, call.server.reranker
    check_reranker(server, fields.model)
    assert reranker is not None  # a name without one is not served
    query = check_text(fields.query, "query")
    texts = documents_of(fields.documents, "documents", server.settings.max_documents)
    taken = reranker.takes_instructions
    check_instruction(fields.instruction, 1, taken=taken)
    if taken and fields.instruction is not None and not fields.instruction.strip():
        raise wrong("instruction", "is blank, which this model takes for nothing: null is its own")
    request, scores = await call.rows(
        reranker.request(query, texts, instruction=fields.instruction if taken else None),
        texts=len(texts),
        where=place_in("documents"),
        cut=server.settings.truncation == "cut",
        remedy="have the server started with --truncation cut",
        limit=reranker.max_length,
    )
    results = ranked(scores, fields.top_n)
    if fields.return_documents:
        results = [{**one, "document": {"text": texts[one["index"]]}} for one in results]
    answer: dict[str, Any] = {"id": uuid.uuid4().hex, "model": server.reranker_name, "results": results}
    answer |= {"usage": usage(request), "meta": meta_of(request, search_units=1)}
    characters = sum(len(texts[one["index"]]) for one in results) if fields.return_documents else 0
    return Pieces(lambda: dumps(answer), characters=characters + 8 * len(results))


def ranked(scores: Rows, most: int | None) -> list[dict[str, Any]]:
    """Positions and scores, best first, stable on ties.

    Args:
        scores: One score for each document.
        most: How many to give. None: all.
    """
    order = np.argsort(-scores, kind="stable")[:most]
    best = zip(order.tolist(), scores[order].tolist(), strict=True)
    return [{"index": index, "relevance_score": score} for index, score in best]
