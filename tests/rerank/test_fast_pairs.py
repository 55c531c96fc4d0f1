"""Pairs by ``tokenizer.json`` alone are the pairs that sentence-transformers makes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from checkpoints import TOKENIZERS, cross_encoder_checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import CrossEncoder

from youtu_st.modules.reader import FastReader
from youtu_st.modules.readers import reader_for
from youtu_st.modules.texts import Texts
from youtu_st.rerank.fast_pairs import FastPairs
from youtu_st.rerank.stock import StockPairs
from youtu_st.spec.model import ModuleSettings

LETTERS = "aB :?\n\t.[]<>/s|国é😀"
PARTS = st.one_of(st.text(LETTERS, max_size=40), st.sampled_from(["[SEP]", "</s>", "<s> a", "word " * 60]))
TEXT = st.lists(PARTS, max_size=4).map(lambda parts: "a" + "".join(parts))


@lru_cache
def cross_encoder(tokenizer: str) -> Any:
    directory = Path(mkdtemp())
    cross_encoder_checkpoint(directory)
    model = CrossEncoder(str(directory), device="cpu")
    model[0].processor = TOKENIZERS[tokenizer]()
    return model


@settings(max_examples=150, deadline=None)
@given(
    pairs=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4),
    tokenizer=st.sampled_from(["wordpiece", "unigram", "bpe-bos-eos"]),
    limit=st.one_of(st.just(4096), st.integers(6, 90)),
    sides=st.tuples(st.sampled_from(["left", "right"]), st.sampled_from(["left", "right"])),
    prompt=st.sampled_from(["", "Query: "]),
)
def test_tokens_lengths_and_batches_are_the_hosts(
    pairs: Any, tokenizer: str, limit: int, sides: Any, prompt: str
) -> None:
    model = cross_encoder(tokenizer)
    model.max_seq_length = limit
    model.tokenizer.truncation_side, model.tokenizer.padding_side = sides
    model.prompts, model.default_prompt_name = {"q": prompt}, "q"
    theirs = StockPairs(model)
    read = reader_for(model.tokenizer)
    assert isinstance(read, FastReader)
    facts = read.facts.now().model_dump(mode="json")
    reader = FastReader.from_json(read.backend_tokenizer.to_str().encode(), facts)
    texts = Texts.of(ModuleSettings(), reader, limit, padding_side=sides[1])
    ours = FastPairs(texts, reader, prompt)
    queries, documents = [query for query, _ in pairs], [document for _, document in pairs]
    expected, found = theirs.tokenize(documents, queries), ours.tokenize(documents, queries)
    for there, here in zip(expected, found, strict=True):
        assert (len(there), there.full_length, there.is_whole) == (len(here), here.full_length, here.is_whole)
        assert abs(there.unknown - here.unknown) < 1e-9
    wanted, given_here = theirs.collate(expected, ""), ours.collate(found, "")
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        assert (name in wanted) == (name in given_here)
        if name in wanted:
            np.testing.assert_array_equal(given_here[name], wanted[name].numpy())
