"""By words, and by words and meaning together: in searches, and in LangChain's retrievers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from pydantic import ValidationError
from tiny import TinyEncoder

from langchain_youtu import YoutuEmbeddings, YoutuRetriever, YoutuVectorStore
from youtu_st.errors import FilterError, InputError, VectorIndexError
from youtu_st.retriever import Retriever

TEXTS = [
    "The Rhine flows north.",
    "Mars is the red planet.",
    "红色的火星很冷。",
    "Rivers and planets.",
    "Red wine",
]
IDS = ["rhine", "mars", "mars-zh", "both", "wine"]
RECORDS = [{"n": i, "lang": "zh" if "zh" in id else "en"} for i, id in enumerate(IDS)]
QUESTION = "red planet"


class Counting(YoutuEmbeddings):
    """Counts the questions that it is asked."""

    def embed_query(self, text: str) -> list[float]:
        ASKED.append(text)
        return super().embed_query(text)

    async def aembed_query(self, text: str) -> list[float]:
        ASKED.append(text)
        return await super().aembed_query(text)


ASKED: list[str] = []


@pytest.fixture
def store(tmp_path: Path) -> Iterator[YoutuVectorStore]:
    ASKED.clear()
    embedding: Embeddings = Counting(encoder=TinyEncoder(), query_instruction="asked by the store")
    with YoutuVectorStore.from_texts(TEXTS, embedding, RECORDS, IDS, path=tmp_path / "index") as store:
        yield store


def ids(found: Any) -> list[str | None]:
    return [one.id for one in found]


def test_by_words_nothing_is_encoded(store: YoutuVectorStore) -> None:
    expected = [hit.id for hit in store.index.search(QUESTION, 4, mode="lexical")]
    assert set(expected) >= {"mars", "wine"}
    assert expected[0] == "mars"
    retriever = store.as_retriever(search_type="lexical", search_kwargs={"k": 4})
    for found in (
        store.search(QUESTION, "lexical", k=4),
        asyncio.run(store.asearch(QUESTION, "lexical", k=4)),
        store.similarity_search(QUESTION, mode="lexical"),
        retriever.invoke(QUESTION),
        asyncio.run(retriever.ainvoke(QUESTION)),
    ):
        assert ids(found) == expected
    assert ids(store.search("火星", "lexical")) == ["mars-zh"]
    assert ASKED == []
    scores = [score for _, score in store.similarity_search_with_score(QUESTION, mode="lexical")]
    assert scores == [hit.score for hit in store.index.search(QUESTION, 4, mode="lexical")]


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("fusion", ["rrf", "weighted_sum"])
def test_both_with_the_stores_own_vector_of_the_question(
    store: YoutuVectorStore, weight: float, fusion: Any
) -> None:
    vector = store.embeddings.embed_query(QUESTION)
    ASKED.clear()
    how: dict[str, Any] = {"k": 5, "weight": weight, "fusion": fusion}
    hits = store.index.search(vector, mode="hybrid", words=QUESTION, **how)
    expected = [hit.id for hit in hits]
    retriever = store.as_retriever(search_type="hybrid", search_kwargs=how)
    for found in (
        store.search(QUESTION, "hybrid", **how),
        asyncio.run(store.asearch(QUESTION, "hybrid", **how)),
        retriever.invoke(QUESTION),
        asyncio.run(retriever.ainvoke(QUESTION)),
    ):
        assert ids(found) == expected
    assert ASKED == [QUESTION] * 4
    scored = store.similarity_search_with_score(QUESTION, mode="hybrid", **how)
    assert [score for _, score in scored] == [hit.score for hit in hits]
    dense = store.similarity_search(QUESTION, 5)
    if weight == 1:
        assert expected == ids(dense)


@pytest.mark.parametrize("mode", ["hybrid", "lexical"])
@pytest.mark.parametrize(
    ("filter", "left"),
    [
        ({"lang": "en"}, {"rhine", "mars", "both", "wine"}),
        ({"n": [1, 3]}, {"mars", "both"}),
        ({"$contains": "Red"}, {"wine"}),
        (lambda metadata: metadata["n"] > 1, {"mars-zh", "both", "wine"}),
        (lambda metadata: False, set()),
    ],
    ids=range(5),
)
def test_filters(store: YoutuVectorStore, mode: Any, filter: Any, left: set[str]) -> None:
    all_of = [hit.id for hit in store.index.search(QUESTION, 5, mode=mode, ids=left)]
    assert set(ids(store.search(QUESTION, mode, k=5, filter=filter))) == set(all_of)
    retriever = store.as_retriever(search_type=mode, search_kwargs={"k": 5, "filter": filter})
    assert set(ids(retriever.invoke(QUESTION))) == set(all_of)
    assert mode == "lexical" or set(all_of) == left


def test_retrievers_are_langchains_own_but_for_these_types(store: YoutuVectorStore) -> None:
    for search_type in ("similarity", "mmr", "hybrid", "lexical"):
        retriever = store.as_retriever(search_type=search_type, tags=["mine"])
        assert retriever.search_type == search_type
        assert retriever.vectorstore is store
        assert {"mine", "YoutuVectorStore"} & set(retriever.tags or ())
        assert retriever.invoke(QUESTION)
        assert retriever.invoke(QUESTION, k=1) == retriever.invoke(QUESTION)[:1]
    with pytest.raises(ValueError, match="not allowed"):
        store.as_retriever(search_type="words")
    with pytest.raises(ValueError, match="words"):
        store.search(QUESTION, "words")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "words"}, "mode must be one of dense, lexical, hybrid"),
        ({"mode": "hybrid", "weight": 2}, "weight must be"),
        ({"mode": "hybrid", "fusion": "sum"}, "fusion must be one of rrf, weighted_sum"),
        ({"mode": "lexical", "score_threshold": 0.5}, r"score_threshold is a relevance, .*leave it out"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_encoded(
    store: YoutuVectorStore, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        store.similarity_search(QUESTION, **options)
    with pytest.raises(InputError, match=message):
        asyncio.run(store.asimilarity_search(QUESTION, **options))
    assert ASKED == []


def test_where_there_is_no_question_there_are_no_words(store: YoutuVectorStore) -> None:
    with pytest.raises(
        TypeError, match="unknown keyword 'modes': allowed here are filter, score_threshold, mode"
    ):
        store.similarity_search(QUESTION, modes="hybrid")
    with pytest.raises(FilterError):
        store.search(QUESTION, "lexical", filter={"$x": 1})


VECTOR = [1.0] * 16
RELEVANCE = (
    r"relevance is \(1 \+ cosine\) / 2, and a search by words ranks by something else: similarity_search_with"
)
NO_WORDS = "words are looked for, and a vector has none: similarity_search takes the question"
VARIETY = "maximal marginal relevance goes by cosines alone: similarity_search finds by words"
THRESHOLD = {"search_type": "similarity_score_threshold", "score_threshold": 0.1}
BY_MEANING: dict[str, tuple[str, Callable[..., Any]]] = {
    "relevance": (
        RELEVANCE,
        lambda store, **mode: store.similarity_search_with_relevance_scores(QUESTION, **mode),
    ),
    "search": (RELEVANCE, lambda store, **mode: store.search(QUESTION, **THRESHOLD, **mode)),
    "retriever": (
        RELEVANCE,
        lambda store, **mode: store.as_retriever(
            search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.1, **mode}
        ).invoke(QUESTION),
    ),
    "vector": (NO_WORDS, lambda store, **mode: store.similarity_search_by_vector(VECTOR, **mode)),
    "scores": (NO_WORDS, lambda store, **mode: store.similarity_search_with_score_by_vector(VECTOR, **mode)),
    "mmr": (VARIETY, lambda store, **mode: store.max_marginal_relevance_search(QUESTION, **mode)),
    "search mmr": (VARIETY, lambda store, **mode: store.search(QUESTION, "mmr", **mode)),
    "mmr vector": (
        VARIETY,
        lambda store, **mode: store.max_marginal_relevance_search_by_vector(VECTOR, **mode),
    ),
    "mmr scores": (
        VARIETY,
        lambda store, **mode: store.max_marginal_relevance_search_with_score_by_vector(VECTOR, **mode),
    ),
    "arelevance": (
        RELEVANCE,
        lambda store, **mode: asyncio.run(store.asimilarity_search_with_relevance_scores(QUESTION, **mode)),
    ),
    "asearch": (RELEVANCE, lambda store, **mode: asyncio.run(store.asearch(QUESTION, **THRESHOLD, **mode))),
    "aretriever": (
        VARIETY,
        lambda store, **mode: asyncio.run(
            store.as_retriever(search_type="mmr", search_kwargs=mode).ainvoke(QUESTION)
        ),
    ),
    "avector": (
        NO_WORDS,
        lambda store, **mode: asyncio.run(store.asimilarity_search_by_vector(VECTOR, **mode)),
    ),
    "ascores": (
        NO_WORDS,
        lambda store, **mode: asyncio.run(store.asimilarity_search_with_score_by_vector(VECTOR, **mode)),
    ),
    "ammr": (
        VARIETY,
        lambda store, **mode: asyncio.run(store.amax_marginal_relevance_search(QUESTION, **mode)),
    ),
    "ammr vector": (
        VARIETY,
        lambda store, **mode: asyncio.run(store.amax_marginal_relevance_search_by_vector(VECTOR, **mode)),
    ),
}


@pytest.mark.parametrize("door", BY_MEANING)
def test_what_goes_by_cosines_says_why_it_has_no_words(store: YoutuVectorStore, door: str) -> None:
    reason, call = BY_MEANING[door]
    for mode in ("hybrid", "lexical"):
        with pytest.raises(InputError, match=f'^mode="{mode}" cannot be had here: {reason}') as caught:
            call(store, mode=mode)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="mode must be one of dense, lexical, hybrid"):
        call(store, mode="words")
    assert ASKED == []
    assert call(store, mode="dense", weight=0.5) == call(store)  # what these do anyhow


@pytest.mark.parametrize("search_type", ["hybrid", "lexical"])
def test_a_type_and_a_mode_are_one(store: YoutuVectorStore, search_type: str) -> None:
    found = store.search(QUESTION, search_type)
    assert store.search(QUESTION, search_type, mode=search_type) == found
    retriever = store.as_retriever(search_type=search_type, search_kwargs={"mode": search_type})
    assert retriever.invoke(QUESTION) == found == asyncio.run(retriever.ainvoke(QUESTION))
    message = f"search_type='{search_type}' and mode='dense' are two modes: give one of them"
    with pytest.raises(InputError, match=message):
        store.search(QUESTION, search_type, mode="dense")
    with pytest.raises(InputError, match=message):
        asyncio.run(store.asearch(QUESTION, search_type, mode="dense"))
    with pytest.raises(InputError, match=message):
        store.as_retriever(search_type=search_type, search_kwargs={"mode": "dense"}).invoke(QUESTION)


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_the_retriever_of_two_stages(store: YoutuVectorStore, mode: Any) -> None:
    encoder: Any = store.index.encoder
    encoder.encoded.clear()
    retriever = YoutuRetriever(retriever=Retriever(store.index), k=3, mode=mode, weight=0.2)
    for found in (retriever.invoke(QUESTION), asyncio.run(retriever.ainvoke(QUESTION))):
        hits = store.index.search(QUESTION, 3, mode=mode, weight=0.2)
        assert ids(found) == [hit.id for hit in hits]
        assert [one.metadata["relevance_score"] for one in found] == [hit.score for hit in hits]
    assert bool(encoder.encoded) == (mode == "hybrid")
    for wrong in ({"mode": "words"}, {"weight": 1.5}):
        with pytest.raises(ValidationError):
            YoutuRetriever(retriever=Retriever(store.index), **wrong)


def test_an_index_without_words_says_so(tmp_path: Path) -> None:
    made = YoutuVectorStore.create(tmp_path / "plain", encoder=TinyEncoder(), lexical=False)
    with made as store:
        store.add_texts(TEXTS)
        for search_type in ("lexical", "hybrid"):
            with pytest.raises(VectorIndexError, match="it has no words"):
                store.search(QUESTION, search_type)
        store.save_local(tmp_path / "copy")
        with YoutuVectorStore.load_local(tmp_path / "copy", store.embeddings) as copy:
            assert not copy.index.manifest.lexical
            assert len(copy.similarity_search(QUESTION, 9)) == 5
