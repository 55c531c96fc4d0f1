"""One pipeline: lists and streams alike, a batch planned once, names that are the caller's."""

from __future__ import annotations

import numpy as np
import pytest
from checkpoints import TEXTS
from hypothesis import given, settings
from hypothesis import strategies as st

from youtu_st import Encoder
from youtu_st.errors import InputError
from youtu_st.inference import batches, pipeline


@pytest.fixture(scope="module")
def encoder(tiny) -> Encoder:
    return Encoder(tiny, batch_tokens=64)


@given(
    texts=st.lists(st.sampled_from(TEXTS), max_size=30),
    block=st.integers(1, 8),
    size=st.integers(1, 40),
)
@settings(max_examples=25, deadline=None)
def test_a_list_is_all_blocks_of_its_stream(encoder, texts, block, size):
    """However a list is cut into blocks, and a stream into its own, each text has the vector it has alone."""
    before = pipeline.LIST_BLOCK
    pipeline.LIST_BLOCK = block
    try:
        listed = encoder.encode_document(texts)
    finally:
        pipeline.LIST_BLOCK = before
    streamed = list(encoder.iter_encode_document(texts, block_size=size))
    assert [len(part) for part in streamed] == [len(texts[i : i + size]) for i in range(0, len(texts), size)]
    alone = {text: encoder.encode_document([text])[0] for text in set(texts)}
    want = np.array([alone[text] for text in texts]).reshape(len(texts), encoder.dimension)
    np.testing.assert_allclose(listed, want, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([want[:0], *streamed]), want, atol=1e-5)


def test_equal_texts_of_a_long_list_go_once_though_they_stand_in_different_blocks(tiny, monkeypatch):
    monkeypatch.setattr(pipeline, "LIST_BLOCK", 3)
    encoder = Encoder(tiny)
    encoder.encode_document(TEXTS * 5)
    assert (encoder.totals.texts, encoder.totals.encoded_texts) == (5 * len(TEXTS), len(TEXTS))


def test_a_batch_is_planned_once(tiny, monkeypatch):
    plans = []
    plan = batches.plan
    monkeypatch.setattr(batches, "plan", lambda *told: plans.append(told) or plan(*told))
    encoder = Encoder(tiny, batch_tokens=40)
    encoder.encode_document(TEXTS)
    assert len(plans) == 1
    assert encoder.totals.batches > 3


def test_positions_in_messages_are_the_callers(tiny, monkeypatch):
    monkeypatch.setattr(pipeline, "LIST_BLOCK", 2)
    encoder = Encoder(tiny, truncation="error", max_length=40)
    texts = ["a", "b", "a", "c", "long " * 80, "b", "long " * 80]
    with pytest.raises(InputError, match=r"^text 4 has \d+ tokens with its prompt"):
        encoder.encode_document(texts)
    with pytest.raises(InputError, match=r"^text 4 has \d+ tokens with its prompt"):
        list(encoder.iter_encode_document(texts, block_size=3))
