"""Scheduler: concurrent calls in shared batches give the library's rows, and each its own errors."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import warnings

import numpy as np
import pytest
import torch
from checkpoints import TEXTS, reranker_checkpoint, save_checkpoint, save_spec
from hypothesis import given, settings
from hypothesis import strategies as st

import youtu_st
from youtu_st import Encoder
from youtu_st.errors import (
    InputError,
    NonFiniteError,
    OutOfMemoryError,
    QueueFullError,
    RequestTooLargeError,
    TruncationWarning,
)
from youtu_st.inference.scheduler import Scheduler
from youtu_st.rerank import Reranker

LONG = [f"{text} number {i}" for i in range(20) for text in TEXTS]


@pytest.fixture(scope="module")
def encoder(tiny):
    return Encoder(tiny, truncation="ignore", unknown="ignore")


class Gate(torch.nn.Module):
    """A last module that lets a batch through when it is told to."""

    def __init__(self):
        super().__init__()
        self.runs, self.go_on, self.sizes = threading.Event(), threading.Event(), []

    def forward(self, features):
        self.sizes.append(len(features["sentence_embedding"]))
        self.runs.set()
        assert self.go_on.wait(20)
        return features


@pytest.fixture
def gated(tiny):
    """``gated(batch_tokens)``: an encoder of its own, and the gate that its batches wait at."""
    gate = Gate()

    def make(batch_tokens=256):
        model = youtu_st.load(tiny)
        model.append(gate)
        return Encoder(model, truncation="ignore", unknown="ignore", batch_tokens=batch_tokens), gate

    yield make
    gate.go_on.set()


async def settle():
    """Let tasks read their texts and hand them over."""
    for _ in range(40):
        await asyncio.sleep(0.005)


def test_roles_instructions_and_dimensions_in_one_batch_are_the_librarys(tmp_path):
    directory = save_checkpoint(tmp_path / "weights", "qwen3", "bpe")
    for changes in ({}, {"attention": "causal", "pooling": "last_token", "padding_side": "left"}):
        path = save_spec(
            tmp_path / "mixed.yaml",
            prompts={"query": "Q: ", "document": "D: "},
            template="Instruct: {instruction}\nQuery: ",
            matryoshka_dimensions=[8, 16],
            **changes,
        )
        encoder = Encoder(path, checkpoint=directory, unknown="ignore", batch_tokens=4096)
        told = [None, "", "Classify the topic", "Find what is like it"]
        calls = [
            (role, text, instruction, size)
            for i, text in enumerate(TEXTS * 2)
            for role, instruction, size in [
                (("query", "document")[i % 2], told[i % 4], (None, 8, 16)[i % 3]),
            ]
        ]

        async def run(encoder=encoder, calls=calls):
            before = encoder.totals.batches
            blocker = asyncio.create_task(encoder.aencode_query(LONG[:50]))
            rows = await asyncio.gather(
                *(
                    getattr(encoder, f"aencode_{role}")([text], instruction=instruction, dimensions=size)
                    for role, text, instruction, size in calls
                )
            )
            await blocker
            return rows, encoder.totals.batches - before

        rows, ran = asyncio.run(run())
        assert ran < len(calls)
        for (role, text, instruction, size), row in zip(calls, rows, strict=True):
            encode = encoder.encode_query if role == "query" else encoder.encode_document
            np.testing.assert_allclose(
                row, encode([text], instruction=instruction, dimensions=size), atol=1e-6
            )


async def test_those_that_wait_share_a_batch_whatever_their_role_and_nothing_waits_for_company(gated):
    encoder, gate = gated(4096)
    first = asyncio.create_task(encoder.aencode_query(["one"]))
    await asyncio.to_thread(gate.runs.wait, 20)  # it started by itself
    others = [
        asyncio.create_task((encoder.aencode_query if i % 2 else encoder.aencode_document)([f"text {i}"]))
        for i in range(6)
    ]
    await settle()
    gate.go_on.set()
    await asyncio.gather(first, *others)
    assert gate.sizes == [1, 6]


async def test_a_question_goes_into_the_next_batch_of_a_corpus(gated):
    encoder, gate = gated()
    corpus = asyncio.create_task(encoder.aencode_document(LONG))
    await asyncio.to_thread(gate.runs.wait, 20)
    question = asyncio.create_task(encoder.aencode_query(["a question"]))
    await settle()
    before = encoder.totals.batches
    gate.go_on.set()
    await question
    assert encoder.totals.batches - before <= 3  # the one under way, its own, and one begun meanwhile
    assert not corpus.done()
    np.testing.assert_allclose(await corpus, encoder.encode_document(LONG), atol=1e-6)


async def test_a_call_that_is_given_up_costs_nothing_more(gated):
    encoder, gate = gated()
    first = asyncio.create_task(encoder.aencode_query(["one"]))
    await asyncio.to_thread(gate.runs.wait, 20)
    waiting = [asyncio.create_task(encoder.aencode_query([f"text {i}"])) for i in range(50)]
    await settle()
    assert encoder.scheduler.queued_requests == 50
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert (encoder.scheduler.queued_tokens, encoder.scheduler.queued_requests) == (0, 0)
    gate.go_on.set()
    await first
    last = await encoder.aencode_query(["last"])
    assert encoder.totals.encoded_texts == 2
    np.testing.assert_allclose(last, encoder.encode_query(["last"]), atol=1e-6)


async def test_a_corpus_that_is_given_up_in_the_middle_stops_there(gated):
    encoder, gate = gated()
    corpus = asyncio.create_task(encoder.aencode_document(LONG))
    await asyncio.to_thread(gate.runs.wait, 20)
    corpus.cancel()
    await asyncio.gather(corpus, return_exceptions=True)
    gate.go_on.set()
    await encoder.aencode_query(["last"])
    assert encoder.totals.encoded_texts < len(LONG) / 4


async def test_bounded_by_tokens_one_rule_for_a_text_and_a_list(gated):
    encoder, gate = gated()
    scheduler = Scheduler(queue_tokens=200)

    async def run(texts):
        return await scheduler.run(await scheduler.read(encoder.request("document", texts)))

    first = asyncio.create_task(run(["one"]))
    await asyncio.to_thread(gate.runs.wait, 20)
    tasks = []
    for i in range(100):
        tasks.append(asyncio.create_task(run([f"text number {i}"] if i % 2 else [f"text {i}", f"other {i}"])))
        await asyncio.sleep(0.01)
    while sum(task.done() for task in tasks) <= 50:  # the others wait, or are being read
        await asyncio.sleep(0.01)
    assert 0 < scheduler.queued_tokens <= 200
    with pytest.raises(RequestTooLargeError) as found:
        await run(LONG)
    assert found.value.limit == 200
    gate.go_on.set()
    await first
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert 50 < len(refused) < 100
    assert {type(error) for error in refused} == {QueueFullError}
    assert min(error.retry_after for error in refused) >= 1
    assert scheduler.queued_tokens == 0
    assert scheduler.retry_after() == 1.0


async def test_what_is_being_read_counts_as_waiting():
    scheduler, go_on = Scheduler(queue_tokens=100), threading.Event()

    def steps():
        go_on.wait(20)
        yield 30
        raise InputError("no more")

    first = asyncio.create_task(scheduler.read(steps(), at_least=60))
    await asyncio.sleep(0.05)
    with pytest.raises(QueueFullError, match=r"^50 tokens .*: 60 of at most 100 wait already$"):
        await scheduler.read(steps(), at_least=50)
    go_on.set()
    with pytest.raises(InputError):
        await first
    with pytest.raises(InputError):  # and no more after that
        await scheduler.read(steps(), at_least=50)
    with pytest.raises(RequestTooLargeError, match="a request of 101 tokens"):
        await scheduler.read(iter([40, 101]))


async def test_large_requests_are_read_beside_all_others():
    scheduler, begun, go_on = Scheduler(), threading.Event(), threading.Event()

    def steps():
        begun.set()
        assert go_on.wait(20)
        raise InputError("read to its end")
        yield

    def short():
        raise InputError("read meanwhile")
        yield

    large = asyncio.create_task(scheduler.read(steps(), large=True))
    await asyncio.to_thread(begun.wait, 20)
    with pytest.raises(InputError, match="meanwhile"):
        await scheduler.read(short())
    assert not large.done()
    go_on.set()
    with pytest.raises(InputError, match="to its end"):
        await large


class Broken(torch.nn.Module):
    """A network that gives NaN for a text of seven tokens, and has no memory for a batch of many."""

    def __init__(self, most=None):
        super().__init__()
        self.most = most

    def forward(self, features):
        if self.most and features["attention_mask"].numel() > self.most:
            raise MemoryError("out of memory")
        vectors = features["sentence_embedding"].clone()
        vectors[features["attention_mask"].sum(dim=1) == 7] = float("nan")
        return {**features, "sentence_embedding": vectors}


def broken(tiny, **settings):
    model = youtu_st.load(tiny)
    model.append(Broken(**settings))
    return Encoder(model, unknown="ignore", truncation="ignore")


def seven(encoder):
    """A text of seven tokens."""
    texts = ("a " * n for n in range(1, 30))
    return next(text for text in texts if len(encoder.tokenizer(text)["input_ids"]) == 7)


async def test_a_text_that_breaks_fails_its_own_request(tiny):
    encoder = broken(tiny)
    bad = seven(encoder)
    good = [f"a longer text, the one of number {i}, to be sure" for i in range(31)]
    texts = [*good[:10], bad, *good[10:]]
    found = await asyncio.gather(*(encoder.aencode_document([t]) for t in texts), return_exceptions=True)
    assert isinstance(found[10], NonFiniteError)
    assert str(found[10]).startswith("text 0 gave a vector that is not finite")
    rest = np.concatenate([row for i, row in enumerate(found) if i != 10])
    np.testing.assert_allclose(rest, encoder.encode_document(good), atol=1e-6)
    with pytest.raises(NonFiniteError, match=r"^text 3 gave"):
        await encoder.aencode_document([*good[:3], bad])


async def test_no_memory_for_a_batch_halves_it(tiny, caplog):
    encoder = broken(tiny, most=100)
    rows = await asyncio.gather(*(encoder.aencode_document([text]) for text in LONG))
    assert encoder.batch_tokens < 256
    assert "out of memory in a batch of" in caplog.text
    np.testing.assert_allclose(np.concatenate(rows), encoder.encode_document(LONG), atol=1e-6)


async def test_no_memory_for_one_text_is_its_callers(tiny):
    encoder = broken(tiny, most=40)
    small, large = LONG[:12], "word " * 60
    calls = [encoder.aencode_document([text]) for text in [*small, large]]
    *rows, error = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(error, OutOfMemoryError)
    np.testing.assert_allclose(np.concatenate(rows), encoder.encode_document(small), atol=1e-6)


async def test_an_embedding_model_and_a_reranker_in_one_scheduler(encoder, tmp_path):
    spec = "qwen3-reranker-0.6b"
    reranker = Reranker(spec, checkpoint=reranker_checkpoint(tmp_path), unknown="ignore")
    lanes = []

    class Watch:
        def batch(self, lane, texts, tokens, padded_tokens, seconds):
            lanes.append(lane)

    scheduler = Scheduler(watch=Watch())

    async def run(steps):
        return await scheduler.run(await scheduler.read(steps))

    corpus = run(encoder.request("document", LONG))
    scores = [run(reranker.request("weather", TEXTS * 2, instruction=told)) for told in (None, "Judge")]
    rows, *scores = await asyncio.gather(corpus, *scores)
    np.testing.assert_allclose(rows, encoder.encode_document(LONG), atol=1e-6)
    pairs = [("weather", text) for text in TEXTS * 2]
    np.testing.assert_allclose(scores[0], reranker.score(pairs), atol=1e-6)
    np.testing.assert_allclose(scores[1], reranker.score(pairs, instruction="Judge"), atol=1e-6)
    assert set(lanes) == {encoder.model_name, spec}


async def test_a_text_without_an_end_keeps_no_question_waiting():
    encoder = Encoder("minilm", truncation="ignore", unknown="ignore")
    await encoder.aencode_query(["first"])
    endless = asyncio.create_task(encoder.aencode_document(["a" * 2_000_000]))
    await asyncio.sleep(0.05)  # it is being read
    await encoder.aencode_query(["a question"])
    assert not endless.done()
    assert encoder.totals.encoded_texts == 2
    await endless


@pytest.mark.parametrize("text", ["", "  ", 7])
async def test_errors_of_reading_are_the_librarys(encoder, text):
    with pytest.raises(InputError) as expected:
        encoder.encode_query(["fine", text])
    with pytest.raises(InputError) as found:
        await encoder.aencode_query(["fine", text])
    assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("texts", ["one str", None, 7, b"bytes"])
async def test_what_is_no_list_is_refused_as_by_the_library(encoder, texts):
    with pytest.raises(InputError) as expected:
        encoder.encode_query(texts)
    with pytest.raises(InputError) as found:
        await encoder.aencode_query(texts)
    assert str(found.value) == str(expected.value)


async def test_an_empty_call(encoder):
    assert (await encoder.aencode_query([])).shape == (0, encoder.dimension)


async def test_what_was_noticed_is_said_once_by_the_callers_thread(tiny):
    encoder = Encoder(tiny, max_length=12, unknown="ignore")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await encoder.aencode_document([*TEXTS, "word " * 50])
    (warning,) = [one for one in caught if one.category is TruncationWarning]
    assert "were cut to the model's 12 tokens" in str(warning.message)
    assert warning.filename == __file__


@settings(max_examples=25, deadline=None)
@given(calls=st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=12), min_size=1, max_size=12))
def test_every_call_gets_its_own_rows(encoder, calls):
    texts = [f"{'word ' * (i % 7)}number {i}" for i in range(31)]
    rows = dict(zip(texts, encoder.encode_document(texts), strict=True))

    async def run():
        return await asyncio.gather(*(encoder.aencode_document([texts[i] for i in call]) for call in calls))

    for call, found in zip(calls, asyncio.run(run()), strict=True):
        np.testing.assert_allclose(found, [rows[texts[i]] for i in call], atol=1e-6)


def test_its_threads_end_with_it(tiny):
    encoder = Encoder(tiny, unknown="ignore")
    asyncio.run(encoder.aencode_query(["text"]))
    names = ("youtu-st-scheduler", "youtu-st-reader")
    scheduler = encoder.scheduler
    mine = [*scheduler._workers._threads, *scheduler._readers._threads]
    assert {thread.name.rsplit("_", 1)[0] for thread in mine} == set(names)
    del encoder, scheduler
    gc.collect()
    for thread in mine:
        thread.join(10)
        assert not thread.is_alive()


async def test_figures_of_a_request_and_of_its_batches(encoder):
    seen = []

    class Watch:
        def batch(self, lane, texts, tokens, padded_tokens, seconds):
            seen.append((lane, texts, tokens, padded_tokens))
            assert seconds > 0

    scheduler = Scheduler(watch=Watch())
    request = await scheduler.read(encoder.request("document", ["one two", "one two", "three"]))
    lengths = [len(row) for row in encoder._runner.preprocessor.tokenize(["one two", "three"], ["", ""])]
    assert (request.texts, request.encoded_texts) == (3, 2)
    assert (request.tokens, request.asked_tokens) == (sum(lengths), lengths[0] + sum(lengths))
    began = time.perf_counter()
    await scheduler.run(request)
    assert 0 < request.computing < time.perf_counter() - began
    assert request.reading > 0
    assert sum(texts for _, texts, _, _ in seen) == 2
    assert sum(tokens for _, _, tokens, _ in seen) == request.tokens
    assert request.cut == []
