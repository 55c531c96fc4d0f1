"""YoutuRerank: the reranker's order and scores on copies of the nodes, with the stock class's arguments."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import pickle

import numpy as np
import pytest
from checkpoints import TEXTS, cross_encoder_checkpoint
from llama_index.core import VectorStoreIndex
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor import SentenceTransformerRerank
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import IndexNode, MetadataMode, NodeWithScore, QueryBundle, TextNode

from llama_index.embeddings.youtu import YoutuEmbedding
from llama_index.postprocessor.youtu import YoutuRerank
from youtu_st.errors import InputError
from youtu_st.rerank import Reranker

QUERY = "What is the weather like?"
TOLD = "Find the text with the most digits"


@pytest.fixture(scope="module")
def reranker(reranker_weights) -> Reranker:
    return Reranker.shared("qwen3-reranker-0.6b", checkpoint=reranker_weights)


@pytest.fixture
def rerank(reranker) -> YoutuRerank:
    return YoutuRerank(top_n=None, reranker=reranker)


def nodes(texts=TEXTS):
    return [
        NodeWithScore(
            node=TextNode(id_=f"n{i}", text=text, metadata={"i": i, "tags": [{"n": i}]}), score=0.5 - i / 100
        )
        for i, text in enumerate(texts)
    ]


def expected(reranker, texts=TEXTS, query=QUERY, instruction=None):
    """Positions, best first, and all scores, from the scores of single pairs."""
    scores = np.array([reranker.score([(query, text)], instruction=instruction)[0] for text in texts])
    return np.argsort(-scores, kind="stable").tolist(), scores


def same(found, reranker, **how):
    order, scores = expected(reranker, **how)
    assert [one.node.metadata["i"] for one in found] == order[: len(found)]
    np.testing.assert_allclose([one.score for one in found], scores[order[: len(found)]], atol=1e-5)


def test_it_has_the_stock_classs_arguments():
    stock = list(inspect.signature(SentenceTransformerRerank.__init__).parameters)
    assert list(inspect.signature(YoutuRerank.__init__).parameters)[: len(stock)] == stock
    assert set(SentenceTransformerRerank.model_fields) <= set(YoutuRerank.model_fields)
    assert issubclass(YoutuRerank, BaseNodePostprocessor)


def test_order_scores_and_texts_are_the_rerankers(rerank, reranker):
    found = rerank.postprocess_nodes(nodes(), query_str=QUERY)
    same(found, reranker)
    assert [one.text for one in found] == [TEXTS[one.node.metadata["i"]] for one in found]
    assert [one.score for one in found] == [one.score for one in reranker.rank(QUERY, TEXTS)]
    bundle = QueryBundle(QUERY, custom_embedding_strs=["something else"])
    assert rerank.postprocess_nodes(nodes(), query_bundle=bundle) == found
    assert len({one.score for one in found}) == len(TEXTS)  # an order that means something


def test_what_was_handed_in_stays_as_it_was(reranker):
    given = nodes()
    before = copy.deepcopy(given)
    rerank = YoutuRerank(top_n=None, reranker=reranker, keep_retrieval_score=True)
    for one in rerank.postprocess_nodes(given, query_str=QUERY):
        one.node.metadata["tags"][0]["n"] = "changed"
        one.node.excluded_llm_metadata_keys.append("changed")
    assert given == before


def test_the_retrieval_score_is_kept_where_it_is_wanted(rerank, reranker):
    kept = YoutuRerank(99, reranker=reranker, keep_retrieval_score=True)
    found = kept.postprocess_nodes(nodes(), query_str=QUERY)
    assert [one.node.metadata["retrieval_score"] for one in found] == [
        0.5 - one.node.metadata["i"] / 100 for one in found
    ]
    same(found, reranker)
    assert not any(
        "retrieval_score" in one.metadata for one in rerank.postprocess_nodes(nodes(), None, QUERY)
    )


@pytest.mark.parametrize("top_n", [None, 1, 3, 12, 99])
def test_top_n(reranker, top_n):
    found = YoutuRerank(top_n, reranker=reranker).postprocess_nodes(nodes(), query_str=QUERY)
    assert len(found) == min(top_n or 12, 12)
    same(found, reranker)


def test_two_by_default_as_in_the_stock_class_and_nothing_from_nothing(reranker):
    rerank = YoutuRerank(reranker=reranker)
    assert len(rerank.postprocess_nodes(nodes(), query_str=QUERY)) == 2
    assert rerank.postprocess_nodes([], query_str=QUERY) == []


@pytest.mark.parametrize("top_n", [0, -1, True, "3"])
def test_a_top_n_that_is_none(reranker, top_n):
    message = f"top_n must be an int of at least 1, or None for all, not {top_n!r}"
    with pytest.raises(InputError, match=message):
        YoutuRerank(top_n, reranker=reranker)
    rerank = YoutuRerank(reranker=reranker)
    rerank.top_n = top_n
    with pytest.raises(InputError, match=message):
        rerank.postprocess_nodes(nodes(), query_str=QUERY)


def test_an_instruction_reaches_the_model(rerank, reranker):
    told = YoutuRerank(None, reranker=reranker, instruction=TOLD)
    found = told.postprocess_nodes(nodes(), query_str=QUERY)
    same(found, reranker, instruction=TOLD)
    plain = rerank.postprocess_nodes(nodes(), query_str=QUERY)
    scores = [{one.node_id: one.score for one in way} for way in (found, plain)]
    assert max(abs(scores[0][key] - scores[1][key]) for key in scores[0]) > 1e-3


def test_metadata_is_scored_only_where_it_is_wanted(rerank, reranker):
    given = nodes()
    given[0].node.excluded_embed_metadata_keys = ["tags"]
    whole = [one.node.get_content(MetadataMode.EMBED) for one in given]
    assert whole[0] == f"i: 0\n\n{TEXTS[0]}"
    pasted = YoutuRerank(None, reranker=reranker, embed_metadata=True)
    same(pasted.postprocess_nodes(given, query_str=QUERY), reranker, texts=whole)
    same(rerank.postprocess_nodes(given, query_str=QUERY), reranker, texts=TEXTS)


def test_a_missing_question_and_a_blank_text_are_named(rerank):
    with pytest.raises(InputError, match="no question to rank nodes by: pass query_str or query_bundle"):
        rerank.postprocess_nodes(nodes())
    with pytest.raises(InputError, match="document 1 is blank"):
        rerank.postprocess_nodes(nodes(["a", " "]), query_str=QUERY)


def test_what_an_index_node_stands_for_is_not_copied(rerank):
    engine = object.__new__(type("Engine", (), {"__deepcopy__": None}))  # cannot be copied
    given = [NodeWithScore(node=IndexNode(text="a", index_id="x", obj=engine, metadata={"m": [1]}))]
    (found,) = rerank.postprocess_nodes(given, query_str=QUERY)
    assert found.node.obj is engine
    assert found.node is not given[0].node
    assert found.metadata["m"] is not given[0].metadata["m"]


# -- how it is made ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"devise": "cpu"}, "'devise' is not taken here: did you mean 'device'"),
        ({"reranker": 5}, "reranker must be a Reranker, not int"),
    ],
)
def test_wrong_arguments_are_errors_at_once(arguments, message):
    with pytest.raises(InputError, match=message):
        YoutuRerank(**arguments)


def test_a_reranker_that_is_loaded_takes_no_settings(reranker):
    for arguments in ({"device": "cpu"}, {"model": "x"}, {"trust_remote_code": True}, {"dtype": "float32"}):
        with pytest.raises(InputError, match=f"{next(iter(arguments))}: for a model to be loaded"):
            YoutuRerank(reranker=reranker, **arguments)


def test_written_as_json_and_made_again(reranker, reranker_weights):
    rerank = YoutuRerank(
        3, checkpoint=str(reranker_weights), keep_retrieval_score=True, instruction=TOLD, embed_metadata=True
    )
    data = json.loads(rerank.to_json())
    assert data == {
        "class_name": "YoutuRerank",
        "top_n": 3,
        "model": "qwen3-reranker-0.6b",
        "device": None,
        "keep_retrieval_score": True,
        "trust_remote_code": False,
        "instruction": TOLD,
        "embed_metadata": True,
        "model_kwargs": {"checkpoint": str(reranker_weights)},
    }
    again = YoutuRerank.from_dict(data)
    assert again.reranker is reranker
    assert again.to_dict() == rerank.to_dict()
    assert YoutuRerank.from_dict(data, top_n=1).top_n == 1


def test_a_token_is_not_shown(reranker_weights):
    rerank = YoutuRerank(checkpoint=reranker_weights, hub={"token": "hf_secret"})
    assert "hf_secret" not in f"{rerank} {rerank!r}"


def test_pickled_and_copied_without_weights(reranker):
    rerank = YoutuRerank(
        None, reranker=reranker, callback_manager=CallbackManager([LlamaDebugHandler(False)])
    )
    data = pickle.dumps(rerank)
    assert len(data) < 5000
    for other in (pickle.loads(data), copy.deepcopy(rerank), rerank.model_copy(deep=True)):
        assert other.reranker is reranker
        same(other.postprocess_nodes(nodes(), query_str=QUERY), reranker)


def test_unpickled_with_the_settings_of_the_reranker_that_was_given(tmp_path):
    short = Reranker.shared(cross_encoder_checkpoint(tmp_path), max_length=64)
    assert pickle.loads(pickle.dumps(YoutuRerank(reranker=short))).reranker is short


# -- in LlamaIndex -----------------------------------------------------------------------------------------


def test_events_tell_what_was_ranked(reranker):
    class Keeping(BaseEventHandler):
        seen: list = []

        def handle(self, event, **kwargs):
            self.seen.append(event)

    debug, handler = LlamaDebugHandler(print_trace_on_end=False), Keeping()
    rerank = YoutuRerank(3, reranker=reranker, callback_manager=CallbackManager([debug]))
    root = get_dispatcher()
    root.add_event_handler(handler)
    try:
        found = rerank.postprocess_nodes(nodes(), query_str=QUERY)
    finally:
        root.event_handlers.remove(handler)
    start, end = (e for e in handler.seen if isinstance(e, ReRankStartEvent | ReRankEndEvent))
    assert (start.query.query_str, start.top_n, start.model_name) == (QUERY, 3, "qwen3-reranker-0.6b")
    assert [one.node_id for one in start.nodes] == [f"n{i}" for i in range(12)]
    assert end.nodes == found
    ((begun, ended),) = debug.get_event_pairs(CBEventType.RERANKING)
    assert begun.payload[EventPayload.TOP_K] == 3
    assert begun.payload[EventPayload.QUERY_STR] == QUERY
    assert ended.payload[EventPayload.NODES] == found


async def test_16_questions_at_once_are_16_questions_in_turn(rerank):
    questions = [f"question {i}" for i in range(16)]
    given = nodes()
    at_once = await asyncio.gather(*(rerank.apostprocess_nodes(given, query_str=each) for each in questions))
    in_turn = [rerank.postprocess_nodes(given, query_str=each) for each in questions]
    assert [[o.node_id for o in found] for found in at_once] == [[o.node_id for o in f] for f in in_turn]
    scores = [[[one.score for one in found] for found in way] for way in (at_once, in_turn)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)


def test_in_a_query_engine(store, encoder, reranker):
    store.add([one.node for one in nodes()])
    index = VectorStoreIndex.from_vector_store(store, embed_model=YoutuEmbedding(encoder=encoder))
    retriever = index.as_retriever(similarity_top_k=6)
    candidates = retriever.retrieve(QUERY)
    order, scores = expected(reranker, [one.text for one in candidates])
    engine = RetrieverQueryEngine.from_args(
        retriever, llm=MockLLM(), node_postprocessors=[YoutuRerank(4, reranker=reranker)]
    )
    for response in (engine.query(QUERY), asyncio.run(engine.aquery(QUERY))):
        assert [one.node_id for one in response.source_nodes] == [candidates[i].node_id for i in order[:4]]
        np.testing.assert_allclose([o.score for o in response.source_nodes], scores[order[:4]], atol=1e-5)
    assert order != list(range(6))  # it did change the order
