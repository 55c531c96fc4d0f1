"""The beginning of a very long text has the tokens of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from checkpoints import byte_bpe, unigram, word_piece
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer

from youtu_st import Encoder
from youtu_st.errors import TruncationWarning
from youtu_st.modules.reach import CHARACTERS, LEAST, MARGIN, reached
from youtu_st.modules.tokenization import all_ids, prepare, tokenize

TOKENIZERS = {"bpe": byte_bpe(bos=True, eos=True), "wordpiece": word_piece(), "unigram": unigram()}
for each in TOKENIZERS.values():
    prepare(each)
PIECES = [
    "The weather is lovely today. ",
    "今天天气很好",
    "，我们去公园吧。",
    "a",
    " ",
    "\n\n",
    "\u200b",
    "😀",
    "go</s>",
]


def rows(tokenizer, text: str, limit: int | None):
    how = {"boundary": "offsets", "special_tokens": "include"}
    return tokenize(tokenizer, [text], ["Query: "], max_length=limit, **how)[0]


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(TOKENIZERS)),
    pieces=st.lists(st.tuples(st.sampled_from(PIECES), st.integers(1, 9000)), min_size=1, max_size=6),
    limit=st.sampled_from([3, 64, 513]),
)
def test_the_tokens_that_are_read_are_those_of_the_whole(name, pieces, limit) -> None:
    text = "".join(piece * times for piece, times in pieces)[:300_000]
    tokenizer = TOKENIZERS[name]
    row, whole = rows(tokenizer, text, limit), rows(tokenizer, text, None)
    tail = 1 if len(whole) > limit else 0
    assert row.ids.tolist() == [*whole.ids[: limit - tail], *whole.ids[len(whole) - tail :]][:limit]
    assert (
        row.content.tolist() == [*whole.content[: limit - tail], *whole.content[len(whole) - tail :]][:limit]
    )
    assert row.full_length == whole.full_length or not row.is_whole
    assert limit < row.full_length <= whole.full_length or row.is_whole
    if len(text) <= 2 * LEAST:
        assert row.is_whole


@pytest.mark.parametrize("name", ["bpe", "wordpiece"])  # to the tiny unigram all Chinese is one token
@pytest.mark.parametrize("piece", ["The weather is lovely today. ", "今天天气很好"])
def test_a_long_text_is_looked_at_as_far_as_it_is_read(name, piece) -> None:
    """As many characters of five megabytes as of one."""
    looked_at = []

    def ids_of(part: str) -> list[int]:
        looked_at.append(len(part))
        return all_ids(TOKENIZERS[name], [part])[0]

    totals = []
    for size in (1_000_000, 5_000_000):
        looked_at.clear()
        part = reached(ids_of, (piece * size)[:size], 512)
        assert len(all_ids(TOKENIZERS[name], [part])[0]) >= 512 + MARGIN
        totals.append(sum(looked_at))
    assert totals[0] == totals[1] <= 3 * max(LEAST, CHARACTERS * 512)


def test_beginnings_of_few_tokens_are_read_once() -> None:
    """An endless word may be one token, and all of it counts then."""
    for piece in ("a", " ", "\u200b"):
        looked_at = []

        def ids_of(part: str, looked_at: list[int] = looked_at) -> list[int]:
            looked_at.append(len(part))
            return [1]

        text = piece * 1_000_000
        assert reached(ids_of, text, 512) == text
        assert sum(looked_at) <= len(text)


def test_vectors_of_very_long_texts() -> None:
    encoder = Encoder("minilm")
    quiet = Encoder(encoder.model, truncation="ignore")
    stock = Encoder(SentenceTransformer(encoder.model[0].model.name_or_path))
    text = "The weather is lovely today, and the committee met. " * 30_000
    for each in (encoder, stock):
        with pytest.warns(TruncationWarning, match=r"text 0 with over \d+ tokens, the longest has over \d+"):
            long = each.encode_document([text])
        np.testing.assert_allclose(long, quiet.encode_document([text[:1500]]), atol=1e-6)
