"""YoutuRetriever of LangChain: the two stages' documents and scores, in chains and in event loops."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest
from checkpoints import TEXTS
from pydantic import ValidationError
from tiny import TinyEncoder

from langchain_youtu import YoutuReranker, YoutuRetriever, YoutuVectorStore
from youtu_st.errors import FilterError, InputError
from youtu_st.rerank import Reranker
from youtu_st.retriever import Retriever

QUERY = "What is the weather like?"
TOLD = "Find the text with the most digits"


@pytest.fixture(scope="module")
def reranker(reranker_weights) -> Reranker:
    return Reranker.shared("qwen3-reranker-0.6b", checkpoint=reranker_weights)


@pytest.fixture
def store(tmp_path):
    with YoutuVectorStore.create(tmp_path / "index", encoder=TinyEncoder()) as made:
        metadata = [{"n": n, "even": n % 2 == 0} for n in range(len(TEXTS))]
        made.add_texts(TEXTS, metadata, ids=[f"d{n}" for n in range(len(TEXTS))])
        yield made


def same(found, store, reranker, candidates, *, filter=None, instruction=None):
    """Equal to what the index and the reranker say when they are asked one after the other."""
    nearest = store.index.search(QUERY, candidates, filter, instruction=instruction)
    ranked = reranker.rank(QUERY, [hit.text for hit in nearest], k=len(found), instruction=instruction)
    hits = [nearest[one.index] for one in ranked]
    assert [(one.id, one.page_content) for one in found] == [(hit.id, hit.text) for hit in hits]
    scores = [document.metadata["relevance_score"] for document in found]
    np.testing.assert_allclose(scores, [one.score for one in ranked], atol=1e-5)
    rest = [{k: v for k, v in one.metadata.items() if k != "relevance_score"} for one in found]
    assert rest == [hit.metadata for hit in hits]


def test_documents_and_scores_are_those_of_the_two_stages(store, reranker):
    two_stages = Retriever(store.index, reranker, candidates=6)
    found = YoutuRetriever(retriever=two_stages, k=3).invoke(QUERY)
    assert len(found) == 3
    same(found, store, reranker, 6)
    told = YoutuRetriever(retriever=two_stages, filter={"even": True}, instruction=TOLD).invoke(QUERY)
    assert len(told) == 4  # as many as LangChain's own retrievers give
    same(told, store, reranker, 6, filter={"even": True}, instruction=TOLD)
    stored = store.get_by_ids([found[0].id])[0]
    assert "relevance_score" not in stored.metadata


def test_it_gives_what_the_store_and_the_compressor_give(store, reranker):
    nearest = store.as_retriever(search_kwargs={"k": 6}).invoke(QUERY)
    expected = YoutuReranker(reranker=reranker, top_n=3).compress_documents(nearest, QUERY)
    two_stages = Retriever(store.index, reranker, candidates=6)
    assert [one.id for one in YoutuRetriever(retriever=two_stages, k=3).invoke(QUERY)] == [
        one.id for one in expected
    ]


def test_without_a_reranker_scores_are_cosines(store):
    found = YoutuRetriever(retriever=Retriever(store.index), k=2).invoke(QUERY)
    hits = store.index.search(QUERY, 2)
    assert [(one.id, one.metadata["relevance_score"]) for one in found] == [(h.id, h.score) for h in hits]


def test_the_event_loop_is_free(store, reranker, monkeypatch):
    seen, search = [], Retriever.search

    def noting(*arguments, **options):
        seen.append(threading.get_ident())
        return search(*arguments, **options)

    monkeypatch.setattr(Retriever, "search", noting)
    retriever = YoutuRetriever(retriever=Retriever(store.index, reranker, candidates=5), k=2)
    found = asyncio.run(retriever.ainvoke(QUERY))
    same(found, store, reranker, 5)
    assert seen
    assert threading.get_ident() not in seen


def test_mistakes(store, reranker):
    two_stages = Retriever(store.index, reranker)
    for wrong in ({"k": 0}, {"kk": 3}, {"retriever": store}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            YoutuRetriever(**{"retriever": two_stages, **wrong})
    with pytest.raises(InputError, match="blank"):
        YoutuRetriever(retriever=two_stages).invoke(" ")
    with pytest.raises(FilterError):
        YoutuRetriever(retriever=two_stages, filter={"$no": 1}).invoke(QUERY)
