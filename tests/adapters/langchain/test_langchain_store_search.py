"""YoutuVectorStore's searches, against brute force; all of them find the same, asynchronous ones too."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from tiny import TinyEncoder

from langchain_youtu import YoutuEmbeddings, YoutuVectorStore
from langchain_youtu.searches import relevance
from youtu_st.errors import FilterError, InputError
from youtu_st.index import VectorIndex

COUNT = 60
TEXTS = [f"text {i}" for i in range(COUNT)]
QUERY = "text 7"


@pytest.fixture
def encoder() -> TinyEncoder:
    return TinyEncoder()


@pytest.fixture
def store(tmp_path: Path, encoder: TinyEncoder) -> Iterator[YoutuVectorStore]:
    with YoutuVectorStore.create(tmp_path / "index", encoder=encoder) as store:
        store.add_texts(TEXTS, [{"n": i % 3} for i in range(COUNT)], ids=[str(i) for i in range(COUNT)])
        encoder.encoded.clear()
        yield store


@pytest.fixture
def cosines(encoder: TinyEncoder) -> Any:
    rows = TinyEncoder().encode_document(TEXTS).astype(np.float64)
    return rows @ TinyEncoder().encode_query([QUERY])[0]


def nearest(cosines: Any, k: int, n: int | None = None, least: float = -1) -> list[int]:
    """Brute force: positions of the ``k`` greatest cosines of at least ``least``."""
    wanted = [i for i in range(COUNT) if n in (None, i % 3) and cosines[i] >= least]
    return sorted(wanted, key=lambda i: -cosines[i])[:k]


def ids(documents: list[Document]) -> list[int]:
    return [int(one.id or "") for one in documents]


def every_way(store: YoutuVectorStore, k: int, **options: Any) -> Iterator[list[int]]:
    """What each method finds; MMR with relevance alone is a search too."""
    vector = store.embeddings.embed_query(QUERY)
    yield ids(store.similarity_search(QUERY, k, **options))
    yield ids(store.similarity_search(QUERY, k=k, **options))
    yield ids(store.search(QUERY, "similarity", k=k, **options))
    yield ids([one for one, _ in store.similarity_search_with_score(QUERY, k, **options)])
    yield ids([one for one, _ in store.similarity_search_with_relevance_scores(QUERY, k, **options)])
    yield ids(store.similarity_search_by_vector(vector, k, **options))
    yield ids(store.similarity_search_by_vector([3 * x for x in vector], k, **options))
    yield ids(store.max_marginal_relevance_search(QUERY, k, k, 1.0, **options))
    yield ids(store.max_marginal_relevance_search_by_vector(vector, k, lambda_mult=1, **options))
    yield ids(store.search(QUERY, "mmr", k=k, lambda_mult=1, **options))

    async def later() -> list[list[int]]:
        return [
            ids(await store.asimilarity_search(QUERY, k, **options)),
            ids(await store.asearch(QUERY, "similarity", k=k, **options)),
            ids([one for one, _ in await store.asimilarity_search_with_score(QUERY, k, **options)]),
            ids(
                [one for one, _ in await store.asimilarity_search_with_relevance_scores(QUERY, k, **options)]
            ),
            ids(await store.asimilarity_search_by_vector(vector, k, **options)),
            ids(await store.amax_marginal_relevance_search(QUERY, k, k, 1.0, **options)),
            ids(await store.amax_marginal_relevance_search_by_vector(vector, k, lambda_mult=1, **options)),
        ]

    yield from asyncio.run(later())


@pytest.mark.parametrize("k", [1, 5, 99])
def test_every_method_finds_the_nearest_in_order(store: YoutuVectorStore, cosines: Any, k: int) -> None:
    for found in every_way(store, k):
        assert found == nearest(cosines, k)


def test_filter_works_everywhere(store: YoutuVectorStore, cosines: Any) -> None:
    for found in every_way(store, 6, filter={"n": {"$in": [2]}}):
        assert found == nearest(cosines, 6, n=2)
    for found in every_way(store, 6, filter={}):
        assert found == nearest(cosines, 6)


@pytest.mark.parametrize("threshold", [0, 0.4, 0.5, 0.62, 1.0])
def test_a_threshold_is_the_least_relevance_everywhere(
    store: YoutuVectorStore, cosines: Any, threshold: float
) -> None:
    expected = nearest(cosines, 40, least=2 * threshold - 1)
    if threshold == 0.62:
        assert 1 < len(expected) < 40  # it divides the documents
    for found in every_way(store, 40, score_threshold=threshold):
        assert found == expected
    for found in every_way(store, 40, score_threshold=threshold, filter={"n": 1}):
        assert found == nearest(cosines, 40, n=1, least=2 * threshold - 1)
    for found in every_way(store, 40, score_threshold=None):
        assert found == nearest(cosines, 40)


def test_k_is_four_by_default(store: YoutuVectorStore, cosines: Any) -> None:
    assert ids(store.similarity_search(QUERY)) == nearest(cosines, 4)
    assert ids(asyncio.run(store.asimilarity_search(QUERY))) == nearest(cosines, 4)
    assert len(store.max_marginal_relevance_search(QUERY)) == 4


def test_scores_are_cosines_and_relevances_are_half_of_one_more(
    store: YoutuVectorStore, cosines: Any
) -> None:
    expected = [cosines[i] for i in nearest(cosines, COUNT)]
    assert expected[-1] < -0.1  # negative ones too
    scores = [score for _, score in store.similarity_search_with_score(QUERY, COUNT)]
    assert scores == pytest.approx(expected, abs=1e-6)
    relevances = [score for _, score in store.similarity_search_with_relevance_scores(QUERY, COUNT)]
    assert relevances == pytest.approx([(1 + one) / 2 for one in expected], abs=1e-6)
    assert all(type(one) is float for one in [*scores, *relevances])

    async def later() -> tuple[Any, Any]:
        found = await store.asimilarity_search_with_score(QUERY, COUNT)
        related = await store.asimilarity_search_with_relevance_scores(QUERY, COUNT)
        return [score for _, score in found], [score for _, score in related]

    assert asyncio.run(later()) == (scores, relevances)


def test_relevance_stays_within_its_range() -> None:
    assert [relevance(x) for x in (-1.0, 0.0, 0.5, 1.0)] == [0.0, 0.5, 0.75, 1.0]
    assert (relevance(1.0000002), relevance(-1.0000002)) == (1.0, 0.0)


@pytest.mark.parametrize(("k", "fetch_k", "share"), [(5, 20, 0.5), (4, 9, 0.0), (6, 30, 0.8), (8, 3, 0.5)])
def test_mmr_is_langchains(store: YoutuVectorStore, cosines: Any, k: int, fetch_k: int, share: float) -> None:
    rows = TinyEncoder().encode_document(TEXTS).astype(np.float64)
    vector = store.embeddings.embed_query(QUERY)
    near = nearest(cosines, max(k, fetch_k))
    chosen = maximal_marginal_relevance(np.array(vector), rows[near].tolist(), share, k)
    expected = [near[i] for i in chosen]
    assert ids(store.max_marginal_relevance_search(QUERY, k, fetch_k, share)) == expected
    assert ids(store.max_marginal_relevance_search_by_vector(vector, k, fetch_k, share)) == expected
    assert ids(asyncio.run(store.amax_marginal_relevance_search(QUERY, k, fetch_k, share))) == expected


def test_mmr_chooses_among_what_is_relevant_enough(store: YoutuVectorStore, cosines: Any) -> None:
    """Not: chooses, and then drops some."""
    near = nearest(cosines, 20, n=0, least=0)
    assert 3 < len(near) < 20
    rows = TinyEncoder().encode_document(TEXTS).astype(np.float64)[near]
    chosen = maximal_marginal_relevance(np.array(store.embeddings.embed_query(QUERY)), rows.tolist(), 0.0, 5)
    options: dict[str, Any] = {"k": 5, "lambda_mult": 0.0, "filter": {"n": 0}}
    found = store.max_marginal_relevance_search(QUERY, score_threshold=0.5, **options)
    assert ids(found) == [near[i] for i in chosen]
    assert found != store.max_marginal_relevance_search(QUERY, **options)


def test_retrievers(store: YoutuVectorStore, cosines: Any) -> None:
    kinds: list[tuple[str, dict[str, Any], list[int]]] = [
        ("similarity", {"k": 3, "filter": {"n": 0}}, nearest(cosines, 3, n=0)),
        ("similarity", {"k": 50, "score_threshold": 0.6}, nearest(cosines, 50, least=0.2)),
        ("similarity_score_threshold", {"score_threshold": 0.6, "k": 50}, nearest(cosines, 50, least=0.2)),
        ("mmr", {"k": 3, "fetch_k": 9}, ids(store.max_marginal_relevance_search(QUERY, 3, 9))),
    ]
    for kind, options, expected in kinds:
        retriever = store.as_retriever(search_type=kind, search_kwargs=options)
        assert ids(retriever.invoke(QUERY)) == expected
        assert ids(asyncio.run(retriever.ainvoke(QUERY))) == expected
    assert store.as_retriever().tags == ["YoutuVectorStore", "YoutuEmbeddings"]


METHODS: list[Callable[[YoutuVectorStore], Callable[..., Any]]] = [
    lambda store: store.similarity_search,
    lambda store: store.similarity_search_with_score,
    lambda store: store.similarity_search_with_relevance_scores,
    lambda store: store.max_marginal_relevance_search,
    lambda store: lambda *a, **o: asyncio.run(store.asimilarity_search(*a, **o)),
    lambda store: lambda *a, **o: asyncio.run(store.asimilarity_search_with_relevance_scores(*a, **o)),
    lambda store: lambda *a, **o: asyncio.run(store.amax_marginal_relevance_search(*a, **o)),
    lambda store: lambda q, **o: store.similarity_search_by_vector([1.0] * 16, **o),
    lambda store: lambda q, **o: store.max_marginal_relevance_search_by_vector([1.0] * 16, **o),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"score_threshold": 1.5}, InputError, "score_threshold must be a number from 0 to 1, not 1.5"),
        ({"score_threshold": -0.1}, InputError, "score_threshold"),
        ({"score_threshold": "0.5"}, InputError, "score_threshold"),
        ({"filter": {"n": {"$gtee": 1}}}, FilterError, "did you mean"),
        ({"k": 0}, InputError, "k must be an int of at least 1, not 0"),
        ({"where": 1, "top": 2}, TypeError, "'where', 'top': allowed here are filter, score_threshold"),
    ],
)
def test_wrong_arguments_are_refused_before_the_question_is_encoded(
    store: YoutuVectorStore,
    encoder: TinyEncoder,
    method: Callable[[YoutuVectorStore], Callable[..., Any]],
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        method(store)("question", **options)
    assert encoder.encoded == []


def test_wrong_arguments_of_mmr(store: YoutuVectorStore, encoder: TinyEncoder) -> None:
    with pytest.raises(InputError, match="lambda_mult must be a number from 0 to 1, not 2"):
        store.max_marginal_relevance_search("question", lambda_mult=2)
    with pytest.raises(InputError, match="fetch_k must be an int of at least 1, not 0"):
        asyncio.run(store.amax_marginal_relevance_search("question", fetch_k=0))
    assert encoder.encoded == []


def test_the_query_instruction_is_used_and_stored_nowhere(tmp_path: Path, cosines: Any) -> None:
    instructed = YoutuEmbeddings(encoder=TinyEncoder(), query_instruction="other")
    with YoutuVectorStore.create(tmp_path / "index", embedding=instructed) as store:
        store.add_texts(TEXTS, ids=[str(i) for i in range(COUNT)])
        assert store.index.encoder is instructed.encoder
        rows = TinyEncoder().encode_document(TEXTS)
        np.testing.assert_array_equal(store.index.vectors(store.index.ids()), rows)
        expected = (rows @ TinyEncoder().encode_query([QUERY], instruction="other")[0]).tolist()
        ((found, score),) = store.similarity_search_with_score(QUERY, 1)
        assert score == pytest.approx(expected[int(found.id or "")], abs=1e-6)
        assert score != pytest.approx(cosines[int(found.id or "")], abs=1e-4)
        assert (found.page_content, found.metadata) == (QUERY, {})
        ((_, later),) = asyncio.run(store.asimilarity_search_with_score(QUERY, 1))
        assert later == pytest.approx(score, abs=1e-6)
    # Stored documents do not depend on it: with another instruction, or none, it is the same index.
    with YoutuVectorStore(tmp_path / "index", encoder=TinyEncoder()) as store:
        assert store.similarity_search_with_score(QUERY, 1)[0][1] == pytest.approx(cosines.max(), abs=1e-6)


def test_concurrent_searches_share_a_batch_and_leave_the_loop_free(tmp_path: Path) -> None:
    batches: list[int] = []
    go = threading.Event()

    class Slow(TinyEncoder):
        def encode_query(self, texts: Any, **options: Any) -> Any:
            batches.append(len(texts))
            in_time = go.wait(10)
            go.set()  # a loop that is not free fails once, not for every question
            assert in_time
            return super().encode_query(texts, **options)

    def seen(metadata: dict[str, Any]) -> bool:
        threads.add(threading.get_ident())
        return True

    threads: set[int] = set()
    go.set()
    with YoutuVectorStore.create(tmp_path / "index", encoder=Slow()) as store:
        store.add_texts(TEXTS, ids=[str(i) for i in range(COUNT)])
        go.clear()
        batches.clear()

        async def ask() -> list[list[Document]]:
            questions = [asyncio.ensure_future(store.asimilarity_search(t, 1, filter=seen)) for t in TEXTS]
            while not batches:
                await asyncio.sleep(0.01)  # which needs a free loop
            go.set()
            return await asyncio.gather(*questions)

        found = asyncio.run(ask())
    assert [one.page_content for (one,) in found] == TEXTS
    assert batches == [1, COUNT - 1]
    assert len(threads - {threading.main_thread().ident}) >= 1  # the index was searched in others


def test_threads_share_a_store(store: YoutuVectorStore) -> None:
    errors: list[Exception] = []

    def work(number: int) -> None:
        try:
            for i in range(15):
                store.add_texts([f"new {number} {i}"], ids=[f"{number}-{i}"])
                assert store.similarity_search(f"new {number} {i}", k=1)[0].id == f"{number}-{i}"
        except Exception as error:
            errors.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert errors == []
    assert len(store.index) == COUNT + 60


def test_a_retriever_over_an_index_that_grows(tmp_path: Path, encoder: TinyEncoder) -> None:
    with VectorIndex.create(tmp_path / "index", encoder) as writer:
        writer.add(["one"], ["a"])
        retriever = YoutuVectorStore(tmp_path / "index", encoder=TinyEncoder()).as_retriever()
        assert [one.id for one in retriever.invoke("two")] == ["a"]
        writer.add(["two"], ["b"])
        assert [one.id for one in retriever.invoke("two")] == ["b", "a"]
