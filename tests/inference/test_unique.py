"""Repeats: found, encoded once, and given back; and the thread that works one step ahead."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from youtu_st import Encoder
from youtu_st.errors import InputError
from youtu_st.inference.prefetch import prefetch
from youtu_st.inference.unique import Unique

PAIRS = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from(["", "q:"])), max_size=40)


@given(PAIRS, st.integers(0, 100), st.integers(1, 7))
def test_every_text_finds_its_own_again(pairs, first, size):
    texts, prompts = [text for text, _ in pairs], [prompt for _, prompt in pairs]
    unique = Unique.of(texts, prompts, first=first)
    found = list(zip(unique.texts, unique.prompts, strict=True))
    assert len(set(found)) == len(found)
    assert [pairs.index(pair) + first for pair in found] == unique.positions
    assert [pairs.count(pair) for pair in found] == unique.counts
    rows = np.array([[hash(pair)] for pair in found], dtype=np.int64).reshape(-1, 1)
    assert unique.repeat(rows)[:, 0].tolist() == [hash(pair) for pair in pairs]
    blocks = list(unique.blocks(size))
    assert all(len(block) <= size for block in blocks)
    for name in ("texts", "prompts", "positions", "counts"):
        assert [one for block in blocks for one in getattr(block, name)] == getattr(unique, name)


def test_a_stream_is_read_in_blocks_and_positions_go_on():
    blocks = list(Unique.stream(iter(["a", "b", "a", "c", "c"]), "p ", 3))
    assert [(block.texts, block.positions, block.counts) for block in blocks] == [
        (["a", "b"], [0, 1], [2, 1]),
        (["c"], [3], [2]),
    ]
    with pytest.raises(InputError, match="text 4 is empty"):
        list(Unique.stream(["a", "b", "c", "d", ""], "", 3))


def test_equal_texts_go_through_the_network_once(tiny):
    encoder = Encoder(tiny)
    texts = ["one text", "another", "one text", "a third", "another", "one text"]
    vectors = encoder.encode_document(texts)
    alone = Encoder(tiny).encode_document(["one text", "another", "a third"])
    np.testing.assert_allclose(vectors, alone[[0, 1, 0, 2, 1, 0]], atol=1e-6)
    assert (encoder.totals.texts, encoder.totals.encoded_texts) == (6, 3)
    # After different instructions they are different texts.
    encoder.encode_query(["one text"] * 4, instruction=["Find it", None, "Find it", ""])
    assert (encoder.totals.texts, encoder.totals.encoded_texts) == (10, 6)


def test_repeats_count_in_reports_and_positions(tiny):
    encoder = Encoder(tiny, max_length=16, truncation="error")
    long = "a text of many more words than sixteen tokens can hold: " + "more words " * 5
    with pytest.raises(InputError, match="text 2 has"):
        encoder.encode_document(["a", "a", long, "b", long])
    encoder.truncation = "warn"
    with pytest.warns(
        UserWarning, match=r"2 of 5 texts were cut to the model's 16 tokens: the first is text 2 "
    ):
        encoder.encode_document(["a", "a", long, "b", long])


def test_totals_tell_tokens_and_padding(tiny):
    encoder = Encoder(tiny, batch_tokens=10_000)
    texts = ["a", "a text that is rather longer than the first", "b"]
    encoder.encode_document(texts)
    lengths = [len(encoder.tokenizer(text)["input_ids"]) for text in texts]
    totals = encoder.totals
    assert (totals.tokens, totals.padded_tokens, totals.batches) == (sum(lengths), 3 * max(lengths), 1)
    assert totals.padding_waste == pytest.approx(1 - sum(lengths) / (3 * max(lengths)))
    assert Encoder(tiny).totals.padding_waste == 0.0


def test_ahead_prepares_the_next_while_the_last_is_held():
    prepared, reading = [], []

    def items():
        for i in range(4):
            reading.append(threading.current_thread())
            yield i

    def prepare(i):
        prepared.append((i, threading.current_thread()))
        return i * 10

    results = prefetch(items(), prepare)
    assert next(results) == 0
    deadline = time.monotonic() + 10
    while len(prepared) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert [i for i, _ in prepared] == [0, 1]
    assert list(results) == [10, 20, 30]
    assert set(reading) == {threading.main_thread()}  # a user's iterator is read where it belongs
    assert threading.main_thread() not in {thread for _, thread in prepared}
    assert threading.active_count() == 1 or all("prefetch" not in t.name for t in threading.enumerate())


@pytest.mark.parametrize("count", [0, 1])
def test_ahead_starts_no_thread_for_one_item(count):
    assert (
        list(prefetch(range(count), lambda i: threading.current_thread()))
        == [threading.main_thread()] * count
    )


def test_errors_come_when_their_item_would():
    def items():
        yield from (1, 2, 3)
        raise ValueError("cannot read on")

    results = prefetch(items(), lambda i: 6 // (3 - i))
    assert [next(results), next(results)] == [3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
    results = prefetch(items(), lambda i: i)
    assert [next(results) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(ValueError, match="cannot read on"):
        next(results)


def test_a_stream_gives_what_came_before_an_error(tiny):
    encoder = Encoder(tiny)
    vectors = encoder.iter_encode_document(["one", "two", "three", ""], block_size=1)
    got = [next(vectors)[0] for _ in range(3)]
    np.testing.assert_allclose(got, encoder.encode_document(["one", "two", "three"]), atol=1e-6)
    with pytest.raises(InputError, match="text 3 is empty"):
        next(vectors)
