"""YoutuRetriever of LlamaIndex: the two stages' nodes and scores, in query engines and in event loops."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest
from checkpoints import TEXTS
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import QueryBundle, TextNode
from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters

from llama_index.vector_stores.youtu import YoutuRetriever, YoutuVectorStore
from youtu_st.errors import FilterError, InputError
from youtu_st.rerank import Reranker
from youtu_st.retriever import Retriever

QUERY = "What is the weather like?"
TOLD = "Find the text with the most digits"
EVEN = MetadataFilters(filters=[MetadataFilter(key="even", value=1)])


@pytest.fixture(scope="module")
def reranker(reranker_weights) -> Reranker:
    return Reranker.shared("qwen3-reranker-0.6b", checkpoint=reranker_weights)


@pytest.fixture
def filled(store) -> YoutuVectorStore:
    store.add(
        [
            TextNode(id_=f"n{i}", text=text, metadata={"i": i, "even": (i + 1) % 2})
            for i, text in enumerate(TEXTS)
        ]
    )
    return store


def same(found, store, reranker, candidates, *, filter=None, instruction=None):
    """Equal to what the index and the reranker say when they are asked one after the other."""
    nearest = store.index.search(QUERY, candidates, filter, instruction=instruction)
    ranked = reranker.rank(QUERY, [hit.text for hit in nearest], k=len(found), instruction=instruction)
    assert [one.node.node_id for one in found] == [nearest[one.index].id for one in ranked]
    np.testing.assert_allclose([one.score for one in found], [one.score for one in ranked], atol=1e-5)
    (stored,) = store.get_nodes([found[0].node.node_id])
    assert (found[0].node.text, found[0].node.metadata) == (stored.text, stored.metadata)


def test_nodes_and_scores_are_those_of_the_two_stages(filled, reranker):
    two_stages = Retriever(filled.index, reranker, candidates=6)
    found = YoutuRetriever(two_stages, similarity_top_k=3).retrieve(QUERY)
    assert len(found) == 3
    same(found, filled, reranker, 6)
    told = YoutuRetriever(two_stages, filters=EVEN, instruction=TOLD).retrieve(QueryBundle(QUERY))
    assert len(told) == 2  # as many as LlamaIndex's own retrievers give
    same(told, filled, reranker, 6, filter={"even": 1}, instruction=TOLD)


def test_without_a_reranker_scores_are_cosines(filled):
    found = YoutuRetriever(Retriever(filled.index), similarity_top_k=4).retrieve(QUERY)
    assert [(one.node.node_id, one.score) for one in found] == [
        (hit.id, hit.score) for hit in filled.index.search(QUERY, 4)
    ]


def test_the_event_loop_is_free(filled, reranker, monkeypatch):
    seen, search = [], Retriever.search

    def noting(*arguments, **options):
        seen.append(threading.get_ident())
        return search(*arguments, **options)

    monkeypatch.setattr(Retriever, "search", noting)
    retriever = YoutuRetriever(Retriever(filled.index, reranker, candidates=5))
    found = asyncio.run(retriever.aretrieve(QUERY))
    same(found, filled, reranker, 5)
    assert seen
    assert threading.get_ident() not in seen


def test_a_query_engine_reads_them(filled, reranker):
    manager = CallbackManager([])
    retriever = YoutuRetriever(Retriever(filled.index, reranker), callback_manager=manager)
    assert retriever.callback_manager is manager
    answer = RetrieverQueryEngine.from_args(retriever, llm=MockLLM()).query(QUERY)
    same(answer.source_nodes, filled, reranker, 50)
    assert answer.source_nodes[0].node.text in str(answer)


def test_mistakes(filled, reranker):
    two_stages = Retriever(filled.index, reranker)
    for wrong in (0, True, "3"):
        with pytest.raises(InputError, match=f"similarity_top_k must be an int of at least 1, not {wrong!r}"):
            YoutuRetriever(two_stages, similarity_top_k=wrong)
    unusable = MetadataFilters(filters=[MetadataFilter(key="i", value=None)])
    with pytest.raises(FilterError, match="is_empty"):
        YoutuRetriever(two_stages, filters=unusable)
    with pytest.raises(InputError, match="blank"):
        YoutuRetriever(two_stages).retrieve(" ")


def test_what_is_no_retriever_is_told_when_it_is_given() -> None:
    for given in (object(), "planets.index", None):
        with pytest.raises(InputError, match=r"must be a youtu_st.Retriever, not .*: pass Retriever\(store"):
            YoutuRetriever(given)  # type: ignore[arg-type]  # wrong on purpose
