"""YoutuReranker: the reranker's order and scores on copies of the documents, behind any retriever."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import pickle

import numpy as np
import pytest
from checkpoints import TEXTS
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import ValidationError
from tiny import TinyEncoder

from langchain_youtu import YoutuReranker, YoutuVectorStore
from llama_index.postprocessor.youtu import YoutuRerank
from youtu_st.errors import InputError, UnknownModelError
from youtu_st.rerank import Reranker

QUERY = "What is the weather like?"
TOLD = "Find the text with the most digits"


@pytest.fixture(scope="module")
def reranker(reranker_weights) -> Reranker:
    return Reranker.shared("qwen3-reranker-0.6b", checkpoint=reranker_weights)


@pytest.fixture
def compressor(reranker_weights) -> YoutuReranker:
    return YoutuReranker(checkpoint=reranker_weights, top_n=None)


def documents(texts=TEXTS):
    return [Document(text, id=f"d{i}", metadata={"i": i, "tags": [{"n": i}]}) for i, text in enumerate(texts)]


def expected(reranker, texts=TEXTS, query=QUERY, instruction=None):
    """Positions, best first, and all scores, from the scores of single pairs."""
    scores = np.array([reranker.score([(query, text)], instruction=instruction)[0] for text in texts])
    return np.argsort(-scores, kind="stable").tolist(), scores


def same(found, reranker, **how):
    order, scores = expected(reranker, **how)
    assert [document.metadata["i"] for document in found] == order[: len(found)]
    np.testing.assert_allclose(
        [document.metadata["relevance_score"] for document in found], scores[order[: len(found)]], atol=1e-5
    )


def test_order_scores_and_ids_are_the_rerankers(compressor, reranker):
    found = compressor.compress_documents(documents(), QUERY)
    same(found, reranker)
    assert len(found) == len(TEXTS)
    assert [document.id for document in found] == [f"d{document.metadata['i']}" for document in found]
    assert [document.page_content for document in found] == [TEXTS[d.metadata["i"]] for d in found]
    assert {type(document.metadata["relevance_score"]) for document in found} == {float}
    ranked = reranker.rank(QUERY, TEXTS)
    assert [document.metadata["relevance_score"] for document in found] == [one.score for one in ranked]
    assert len({one.score for one in ranked}) == len(TEXTS)  # an order that means something


def test_what_was_handed_in_stays_as_it_was(compressor):
    given = documents()
    before = copy.deepcopy(given)
    for document in compressor.compress_documents(tuple(given), QUERY):
        document.metadata["tags"][0]["n"] = "changed"
        document.page_content = "changed"
    assert given == before
    assert not any("relevance_score" in document.metadata for document in given)


@pytest.mark.parametrize("top_n", [None, 1, 3, 12, 99])
def test_top_n(reranker, top_n):
    compressor = YoutuReranker(reranker=reranker, top_n=top_n)
    found = compressor.compress_documents(documents(), QUERY)
    assert len(found) == min(top_n or 12, 12)
    same(found, reranker)


def test_three_by_default_and_nothing_from_nothing(reranker):
    compressor = YoutuReranker(reranker=reranker)
    assert len(compressor.compress_documents(documents(), QUERY)) == 3
    assert compressor.compress_documents([], QUERY) == []


@pytest.mark.parametrize("top_n", [0, -1])
def test_a_top_n_that_is_none(reranker, top_n):
    message = f"top_n must be an int of at least 1, or None for all, not {top_n}"
    with pytest.raises(InputError, match=message):
        YoutuReranker(reranker=reranker, top_n=top_n)
    compressor = YoutuReranker(reranker=reranker)
    compressor.top_n = top_n
    with pytest.raises(InputError, match=message):
        compressor.compress_documents(documents(), QUERY)


def test_equal_texts_keep_the_order_they_came_in(compressor):
    found = compressor.compress_documents(documents(["ok", "a", "ok", "a", "ok"]), QUERY)
    order = [document.metadata["i"] for document in found]
    assert order in ([0, 2, 4, 1, 3], [1, 3, 0, 2, 4])


def test_an_instruction_reaches_the_model(reranker):
    told = YoutuReranker(reranker=reranker, top_n=None, instruction=TOLD)
    found = told.compress_documents(documents(), QUERY)
    same(found, reranker, instruction=TOLD)
    plain = YoutuReranker(reranker=reranker, top_n=None).compress_documents(documents(), QUERY)
    scores = [{d.id: d.metadata["relevance_score"] for d in one} for one in (found, plain)]
    assert max(abs(scores[0][key] - scores[1][key]) for key in scores[0]) > 1e-3


def test_blank_texts_and_questions_are_named(compressor):
    with pytest.raises(InputError, match="document 1 is blank"):
        compressor.compress_documents(documents(["a", " "]), QUERY)
    with pytest.raises(InputError, match="query"):
        compressor.compress_documents(documents(), " ")


# -- how it is made ----------------------------------------------------------------------------------------


def test_adapters_of_both_frameworks_share_one_model(reranker, reranker_weights):
    settings = {"checkpoint": reranker_weights}
    made = [
        YoutuReranker(model="qwen3-reranker-0.6b", **settings),
        YoutuReranker(model_kwargs=settings, top_n=None),
        YoutuRerank(model_kwargs=settings),
        YoutuRerank(model="qwen3-reranker-0.6b", **settings),
    ]
    assert {id(one.reranker) for one in made} == {id(reranker)}
    assert {one.model for one in made} == {reranker.model_name}


def test_settings_reach_the_reranker(reranker, reranker_weights):
    short = YoutuReranker(checkpoint=reranker_weights, model_kwargs={"max_length": 300})
    assert short.reranker is not reranker
    assert short.reranker.max_length == 300


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"devise": "cpu"}, InputError, "'devise' is not taken here: did you mean 'device'"),
        ({"model": "qwen3-reranker"}, UnknownModelError, "Did you mean 'qwen3-reranker-"),
        ({"instruction": 5}, ValidationError, "instruction"),
        ({"reranker": "qwen3-reranker-0.6b"}, InputError, "reranker must be a Reranker, not str"),
    ],
)
def test_wrong_arguments_are_errors_at_once(arguments, error, message):
    with pytest.raises(error, match=message):
        YoutuReranker(**arguments)


def test_a_reranker_that_is_loaded_takes_no_settings(reranker):
    with pytest.raises(
        InputError, match="device: for a model to be loaded, and this one is; pass it to Reranker"
    ):
        YoutuReranker(reranker=reranker, device="cpu")
    with pytest.raises(InputError, match="model, device: for a model to be loaded"):
        YoutuReranker(reranker=reranker, model="qwen3-reranker-0.6b", model_kwargs={"device": "cpu"})
    with pytest.raises(InputError, match=r"pass Reranker\(model\)"):
        YoutuReranker(reranker=reranker.model)


def test_a_token_is_not_shown(reranker_weights):
    compressor = YoutuReranker(checkpoint=reranker_weights, hub={"token": "hf_secret"})
    assert "hf_secret" not in f"{compressor} {compressor!r}"


def test_dumped_and_made_again(reranker_weights, reranker):
    compressor = YoutuReranker(checkpoint=str(reranker_weights), top_n=5, instruction=TOLD)
    dumped = compressor.model_dump()
    assert json.loads(json.dumps(dumped)) == dumped
    assert dumped == {
        "model": "qwen3-reranker-0.6b",
        "top_n": 5,
        "instruction": TOLD,
        "model_kwargs": {"checkpoint": str(reranker_weights)},
    }
    again = YoutuReranker(**dumped)
    assert again.reranker is reranker
    assert again.model_dump() == dumped


def test_pickled_and_copied_without_weights(compressor, reranker):
    data = pickle.dumps(compressor)
    assert len(data) < 3000
    changed = compressor.model_copy(update={"top_n": 2})
    assert len(changed.compress_documents(documents(), QUERY)) == 2
    for other in (pickle.loads(data), copy.deepcopy(compressor), compressor.model_copy(deep=True)):
        assert other.reranker is reranker
        same(other.compress_documents(documents(), QUERY), reranker)


# -- in LangChain ------------------------------------------------------------------------------------------


def test_it_is_a_document_compressor(compressor):
    assert isinstance(compressor, BaseDocumentCompressor)
    for name in ("compress_documents", "acompress_documents"):
        mine, theirs = getattr(YoutuReranker, name), getattr(BaseDocumentCompressor, name)
        assert inspect.signature(mine).parameters.keys() == inspect.signature(theirs).parameters.keys()


async def test_16_questions_at_once_are_16_questions_in_turn(compressor):
    questions = [f"question {i}" for i in range(16)]
    given = documents()
    at_once = await asyncio.gather(*(compressor.acompress_documents(given, each) for each in questions))
    in_turn = [compressor.compress_documents(given, each) for each in questions]
    assert [[d.id for d in found] for found in at_once] == [[d.id for d in found] for found in in_turn]
    scores = [[[d.metadata["relevance_score"] for d in f] for f in way] for way in (at_once, in_turn)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)


def test_behind_a_vector_store(tmp_path, reranker):
    with YoutuVectorStore.create(tmp_path / "index", encoder=TinyEncoder()) as store:
        store.add_documents(documents())
        nearest = store.as_retriever(search_kwargs={"k": 6})
        retriever = ContextualCompressionRetriever(
            base_compressor=YoutuReranker(reranker=reranker, top_n=4), base_retriever=nearest
        )
        candidates = nearest.invoke(QUERY)
        order, scores = expected(reranker, [document.page_content for document in candidates])
        for found in (retriever.invoke(QUERY), asyncio.run(retriever.ainvoke(QUERY))):
            assert [document.id for document in found] == [candidates[i].id for i in order[:4]]
            np.testing.assert_allclose(
                [document.metadata["relevance_score"] for document in found], scores[order[:4]], atol=1e-5
            )
        assert order != list(range(6))  # it did change the order
