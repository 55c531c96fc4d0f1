"""A child that is forked from a process that encodes, as a preforking server's, encodes too.

Every test that would hang without care was seen to hang.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import checkpoints
import numpy as np
import pytest
import torch
from checkpoints import TEXTS
from forked import SECONDS, busy, in_child
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

from langchain_youtu import YoutuEmbeddings
from youtu_st import Encoder
from youtu_st.frameworks.calls import CallLane
from youtu_st.inference.prefetch import prefetch
from youtu_st.inference.scheduler import Scheduler
from youtu_st.rerank import Reranker

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]

LONG = [f"{text} {'and so on ' * 20}{i}" for i in range(6) for text in TEXTS]
MOMENTS = 20


@pytest.fixture(autouse=True)
def two_threads():
    """What a user has, and what a child cannot: with one thread nothing of OpenMP would hang."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def minilm() -> Encoder:
    """Large enough for several threads to work on a batch."""
    return Encoder("minilm")


@pytest.fixture(scope="module")
def stock(checkpoint) -> Encoder:
    """A model that tokenises itself, with padding and truncation set on its tokenizer for each call."""
    transformer = Transformer(str(checkpoint("bert", "wordpiece")))
    transformer.max_seq_length = 24
    model = SentenceTransformer(
        modules=[transformer, Pooling(transformer.get_embedding_dimension())], device="cpu"
    )
    return Encoder(model, truncation="ignore")


@pytest.fixture(scope="module", params=["template", "stock"])
def reranker(request, tmp_path_factory) -> Reranker:
    directory = tmp_path_factory.mktemp("reranker")
    if request.param == "template":
        made = checkpoints.reranker_checkpoint(directory)
        return Reranker("qwen3-reranker-0.6b", checkpoint=made, truncation="ignore")
    made = checkpoints.cross_encoder_checkpoint(directory)
    return Reranker(CrossEncoder(str(made), device="cpu", max_length=24), truncation="ignore")


def same(rows, expected) -> None:
    np.testing.assert_allclose(rows, expected, atol=1e-6, rtol=0)


def at_moments(work, moments: int = MOMENTS) -> list:
    """What ``work`` gives in children that are forked at any moment."""
    random.seed(7)
    answers = []
    for _ in range(moments):
        time.sleep(random.random() * 0.03)
        answers.append(in_child(work))
    return answers


@pytest.mark.slow
def test_after_the_parent_has_encoded(minilm):
    """Its OpenMP threads are not the child's."""
    queries, documents = minilm.encode_query(LONG[:12]), minilm.encode_document(LONG[:12])
    assert torch.get_num_threads() == 2

    def work():
        return minilm.encode_query(LONG[:12]), minilm.encode_document(LONG[:12]), torch.get_num_threads()

    in_first, in_second, threads = in_child(work)
    same(in_first, queries)
    same(in_second, documents)
    assert threads == 1
    grandchild, _, _ = in_child(lambda: in_child(work))
    same(grandchild, queries)
    assert torch.get_num_threads() == 2
    same(minilm.encode_query(LONG[:12]), queries)


@pytest.mark.slow
def test_in_any_thread_of_the_child(minilm):
    """A preforking server may have several in each worker."""
    expected = minilm.encode_document(LONG[:12])

    def work():
        with ThreadPoolExecutor(3) as threads:
            return list(threads.map(minilm.encode_document, [LONG[:12]] * 3))

    for rows in in_child(work):
        same(rows, expected)


def test_before_the_parent_has_encoded(tiny):
    encoder = Encoder(tiny)
    rows = in_child(lambda: encoder.encode_document(TEXTS))
    same(rows, encoder.encode_document(TEXTS))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["minilm", "tiny", "stock"])
def test_while_threads_of_the_parent_encode(kind, tiny, request):
    encoder = Encoder(tiny) if kind == "tiny" else request.getfixturevalue(kind)
    expected = encoder.encode_document(TEXTS)
    works = [
        lambda: encoder.encode_document(LONG),
        lambda: encoder.encode_query(TEXTS, show_progress=True),
        lambda: list(encoder.iter_encode_document(LONG, block_size=5)),
    ]
    with busy(*works):
        for rows in at_moments(lambda: encoder.encode_document(TEXTS)):
            same(rows, expected)
    same(encoder.encode_document(TEXTS), expected)


@pytest.mark.slow
def test_while_threads_of_the_parent_end(tiny):
    """A thread that has computed takes a lock of MKL's as it ends."""
    encoder = Encoder(tiny)
    expected = encoder.encode_document(TEXTS)

    def a_thread():
        thread = threading.Thread(target=encoder.encode_document, args=(TEXTS[:1],))
        thread.start()
        thread.join()

    with busy(*[a_thread] * 3):
        for rows in at_moments(lambda: encoder.encode_document(TEXTS), moments=3 * MOMENTS):
            same(rows, expected)


@pytest.mark.slow
def test_through_an_event_loop(tiny):
    """The child's calls do not wait for a thread of the parent's, and the parent's are answered there."""
    embeddings = YoutuEmbeddings(encoder=Encoder(tiny))
    expected = np.array(embeddings.embed_documents(TEXTS))

    async def child():
        rows = await asyncio.gather(*(embeddings.aembed_documents([text]) for text in TEXTS))
        return np.concatenate(rows)

    async def parent():
        rows = []
        for _ in range(MOMENTS):
            waiting = [asyncio.ensure_future(embeddings.aembed_documents([text])) for text in TEXTS * 5]
            await asyncio.sleep(random.random() * 0.01)
            rows.append(in_child(lambda: asyncio.run(child())))
            answers = await asyncio.wait_for(asyncio.gather(*waiting), SECONDS)
            same(np.concatenate(answers), np.tile(expected, (5, 1)))
        return rows

    for rows in asyncio.run(parent()):
        same(rows, expected)


def test_requests_that_wait_are_the_parents():
    """The one that runs, and those behind it, are answered once: there."""
    encoded, go = [], threading.Event()

    def encode(role, texts, instruction):
        assert go.wait(SECONDS)
        encoded.extend(texts)
        return np.array([[float(text)] for text in texts])

    lane, scheduler = CallLane(encode, 1), Scheduler()

    def run(text):
        return scheduler.run(lane.request("query", [text], None))

    def child():
        go.set()
        return asyncio.run(run("3")).tolist(), encoded

    async def parent():
        waiting = [asyncio.ensure_future(run(text)) for text in "12"]
        await asyncio.sleep(0.05)
        answer = in_child(child)
        go.set()
        return answer, [row.tolist() for row in await asyncio.wait_for(asyncio.gather(*waiting), SECONDS)]

    assert asyncio.run(parent()) == (([[3.0]], ["3"]), [[[1.0]], [[2.0]]])
    assert encoded == ["1", "2"]


@pytest.mark.slow
def test_two_devices(tiny):
    encoder = Encoder(tiny, device=["cpu", "cpu"], batch_tokens=64)
    expected = encoder.encode_document(TEXTS)
    same(in_child(lambda: encoder.encode_document(TEXTS)), expected)
    with busy(lambda: encoder.encode_document(LONG), lambda: encoder.encode_query(LONG)):
        for rows in at_moments(lambda: encoder.encode_document(TEXTS)):
            same(rows, expected)
    same(encoder.encode_document(TEXTS), expected)


@pytest.mark.slow
def test_a_reranker(reranker):
    expected = reranker.score([("weather", text) for text in TEXTS])

    def work():
        return reranker.score([("weather", text) for text in TEXTS])

    with busy(lambda: reranker.score([("lovely", text) for text in LONG])):
        for scores in at_moments(work):
            same(scores, expected)
    same(work(), expected)


@pytest.mark.slow
def test_while_a_thread_of_the_parent_loads(tiny):
    """The child has neither the object nor the thread that was making it: it makes its own."""
    expected = Encoder(tiny).encode_document(TEXTS)
    for length in range(100, 100 + MOMENTS):
        load = partial(Encoder.shared, tiny, max_length=length)
        thread = threading.Thread(target=load)
        thread.start()
        time.sleep(random.random() * 0.05)
        rows = in_child(lambda load=load: load().encode_document(TEXTS))
        thread.join(SECONDS)
        assert not thread.is_alive()
        same(rows, expected)
        same(load().encode_document(TEXTS), expected)


def _encode(texts):
    return SHARED[0].encode_document(texts)


SHARED: list[Encoder] = []


@pytest.mark.slow
def test_a_pool_of_multiprocessing(minilm):
    SHARED[:] = [minilm]
    expected = minilm.encode_document(LONG)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        parts = pool.map_async(_encode, [LONG[:30], LONG[30:]]).get(SECONDS)
        same(np.concatenate(parts), expected)
        pool.close()
        pool.join()


@pytest.mark.slow
def test_an_adapter(minilm):
    embeddings = YoutuEmbeddings(encoder=minilm)
    documents, query = embeddings.embed_documents(LONG), embeddings.embed_query("weather")

    def work():
        asynchronously = asyncio.run(embeddings.aembed_query("weather"))
        return embeddings.embed_documents(LONG), embeddings.embed_query("weather"), asynchronously

    in_first, in_second, asynchronously = in_child(work)
    same(in_first, documents)
    same(in_second, query)
    same(asynchronously, query)


def test_a_stream_goes_on_in_the_child_and_in_the_parent(tiny):
    encoder = Encoder(tiny)
    expected = encoder.encode_document(LONG)
    stream = encoder.iter_encode_document(LONG, block_size=5)
    begun = [next(stream), next(stream)]
    same(np.concatenate([*begun, *in_child(lambda: list(stream))]), expected)
    same(np.concatenate([*begun, *stream]), expected)


def test_prefetching_does_not_wait_for_the_parents_thread():
    go = threading.Event()

    def prepare(item: int) -> int:
        assert item == 0 or go.wait(SECONDS)
        return item * item

    squares = prefetch(range(5), prepare)
    assert next(squares) == 0

    def child() -> list[int]:
        go.set()
        return list(squares)

    assert in_child(child) == [1, 4, 9, 16]
    go.set()
    assert list(squares) == [1, 4, 9, 16]


def test_faiss_computes_in_one_thread(minilm):
    """Its OpenMP is another than torch's, and waits for the parent's threads likewise."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    try:
        vectors = np.random.default_rng(0).standard_normal((20_000, 64)).astype(np.float32)
        index = faiss.IndexFlatIP(64)
        index.add(vectors)
        _, expected = index.search(vectors[:500], 3)
        found, threads = in_child(lambda: (index.search(vectors[:500], 3)[1], faiss.omp_get_max_threads()))
        assert threads == 1
        np.testing.assert_array_equal(found, expected)
        assert faiss.omp_get_max_threads() == 2
    finally:
        faiss.omp_set_num_threads(before)


def test_tokenizers_that_are_told_to_be_parallel(minilm, monkeypatch):
    """In a child, what the variable asks for hangs."""
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    expected = minilm.encode_document(LONG)
    rows, told = in_child(lambda: (minilm.encode_document(LONG), os.environ["TOKENIZERS_PARALLELISM"]))
    same(rows, expected)
    assert (told, os.environ["TOKENIZERS_PARALLELISM"]) == ("false", "true")
