"""Every vector against an oracle that computes the mean by hand."""

from __future__ import annotations

import random

import numpy as np
import pytest
from checkpoints import HIDDEN, TEXTS
from oracle import Oracle
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

import youtu_st
from youtu_st.modules import mask

QUERY = "Instruction: Given a search query, retrieve passages that answer the question \nQuery:"
SPACED = "Instruction: Classify the topic \nQuery: "
WORDS = ["The ", "weather ", "今天", "天气", "12 ", ":) ", "stadium.\n", "sunny "]
LONG = "".join(random.Random(0).choices(WORDS, k=4000))[:10_000]
CASES = [
    ("youtu", "bpe-bos"),
    ("youtu", "bpe-bos-trimmed"),
    ("qwen2", "bpe"),
    ("qwen2", "bpe-bos-eos"),
    ("bert", "wordpiece"),
]


def pairs() -> list[tuple[str, str]]:
    """Every text after every kind of prompt, mixed."""
    return [(prompt, text) for text in [*TEXTS, LONG] for prompt in (QUERY, SPACED, "", "查询：")]


@pytest.mark.slow
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("architecture", "tokenizer"), CASES)
def test_offsets_match_the_oracle_with_mixed_instructions(
    checkpoint, spec_file, architecture, tokenizer, side
):
    directory = checkpoint(architecture, tokenizer)
    model = youtu_st.load(spec_file(padding_side=side), directory)
    oracle = Oracle(directory)
    prompts, texts = zip(*pairs(), strict=True)
    got = model(model.preprocess(list(texts), prompt=list(prompts)))["sentence_embedding"].numpy(force=True)
    want = [oracle.by_offsets(prompt, text, limit=512) for prompt, text in pairs()]
    np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("architecture", "tokenizer"), CASES)
def test_token_count_matches_the_published_procedure(checkpoint, spec_file, architecture, tokenizer, side):
    directory = checkpoint(architecture, tokenizer)
    model = youtu_st.load(spec_file(padding_side=side, boundary="token_count"), directory)
    oracle = Oracle(directory)
    # Where the instruction swallows the text's only token, the published script divides by zero.
    chosen = [(p, t) for p, t in pairs() if len(oracle.ids(p + t)) > len(oracle.tokenizer(p)["input_ids"])]
    assert len(chosen) > 40
    prompts, texts = zip(*chosen, strict=True)
    got = model(model.preprocess(list(texts), prompt=list(prompts)))["sentence_embedding"].numpy(force=True)
    want = [oracle.by_token_count(prompt, text, limit=512) for prompt, text in chosen]
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_token_count_drops_the_bos_of_documents(checkpoint, spec_file):
    directory = checkpoint("youtu", "bpe-bos")
    model = youtu_st.load(spec_file(boundary="token_count"), directory)
    oracle = Oracle(directory)
    vectors = model.encode_document(["It's so sunny outside!"])
    hidden = oracle.hidden(oracle.ids("It's so sunny outside!"))
    without, kept = hidden[1:].mean(axis=0), hidden.mean(axis=0)
    np.testing.assert_allclose(vectors[0], without / np.linalg.norm(without), atol=1e-5)
    assert vectors[0] @ kept / np.linalg.norm(kept) < 0.999


def test_special_tokens_are_content_where_the_spec_says_so(checkpoint, spec_file):
    directory = checkpoint("bert", "wordpiece")
    oracle = Oracle(directory)
    for rule in ("include", "exclude"):
        model = youtu_st.load(spec_file(special_tokens=rule), directory)
        want = [oracle.by_offsets(QUERY, text, include_special=rule == "include") for text in TEXTS]
        got = model.encode_query(TEXTS, prompt=QUERY)
        np.testing.assert_allclose(got, want, atol=1e-5)


def test_ten_thousand_characters_uncut(checkpoint, spec_file):
    directory = checkpoint("qwen2", "bpe-bos-eos")
    model = youtu_st.load(spec_file(max_length=32768), directory)
    oracle = Oracle(directory)
    assert len(oracle.ids(LONG)) > 512
    np.testing.assert_allclose(
        model.encode_query([LONG], prompt=QUERY)[0], oracle.by_offsets(QUERY, LONG), atol=1e-5
    )


def test_a_straddling_token_is_content(checkpoint, spec_file):
    """The border falls inside a token for these texts; without one the test would show nothing."""
    directory = checkpoint("youtu", "bpe-bos-trimmed")
    oracle = Oracle(directory)
    model = youtu_st.load(spec_file(), directory)
    straddling = 0
    for text in TEXTS:
        ends = oracle.ends(QUERY + text)
        tokens = oracle.tokenizer.convert_ids_to_tokens(oracle.ids(QUERY + text))
        border = next(i for i, end in enumerate(ends) if end is not None and end > len(QUERY))
        straddling += len(QUERY) not in ends
        content = model[0].tokenize_texts([text], QUERY)[0].content
        assert content.tolist() == [False] * border + [True] * (len(ends) - border), tokens
    assert straddling >= 5


@pytest.mark.parametrize("side", ["left", "right"])
def test_truncation_equals_the_tokenizers_own(checkpoint, spec_file, side):
    directory = checkpoint("qwen2", "bpe-bos-eos")
    model = youtu_st.load(spec_file(padding_side=side), directory)
    fresh = Oracle(directory).tokenizer
    for limit in (8, 40, 64):
        rows = model[0].tokenize_texts([*TEXTS, LONG], QUERY, max_length=limit)
        full = [QUERY + text for text in [*TEXTS, LONG]]
        want = fresh(full, truncation=True, max_length=limit)["input_ids"]
        assert [row.ids.tolist() for row in rows] == want
        assert [row.full_length for row in rows] == [len(ids) for ids in fresh(full)["input_ids"]]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("architecture", "tokenizer"), [("youtu", "bpe-bos"), ("qwen2", "bpe-bos-eos")])
def test_batch_invariance(checkpoint, spec_file, architecture, tokenizer, side):
    model = youtu_st.load(spec_file(padding_side=side), checkpoint(architecture, tokenizer))
    longer = [LONG[i : i + 200 + 3 * i] for i in range(63)]
    for text in TEXTS:
        alone = model.encode_query([text])
        np.testing.assert_allclose(model.encode_query([text, longer[0]])[:1], alone, atol=1e-5)
        np.testing.assert_allclose(model.encode_query([text, *longer], batch_size=64)[:1], alone, atol=1e-5)


def test_empty_query_is_the_mean_over_everything_attended(checkpoint, spec_file):
    """The reference gives NaN here."""
    directory = checkpoint("youtu", "bpe-bos")
    model = youtu_st.load(spec_file(), directory)
    oracle = Oracle(directory)
    hidden = oracle.hidden(oracle.ids(QUERY)).mean(axis=0)
    got = model.encode_query(["", "longer, so that the empty one is padded"], prompt=QUERY)
    np.testing.assert_allclose(got[0], hidden / np.linalg.norm(hidden), atol=1e-5)


def test_features_are_left_as_they_are_and_attention_covers_the_instruction(checkpoint, spec_file):
    model = youtu_st.load(spec_file(), checkpoint("youtu", "bpe-bos"))
    features = model.preprocess(TEXTS, prompt=QUERY)
    before = {name: value.clone() for name, value in features.items() if hasattr(value, "clone")}
    model(features)
    assert set(features) == {*before, "modality"}
    assert all((features[name] == value).all() for name, value in before.items())
    lengths = [len(row) for row in model[0].tokenize_texts(TEXTS, QUERY)]
    assert features["attention_mask"].sum(dim=1).tolist() == lengths
    assert (features["content_mask"].sum(dim=1) < features["attention_mask"].sum(dim=1)).all()


def test_pure_rules():
    ends = np.array([0, 3, 7, 9, 0])
    special = np.array([True, False, False, False, True])
    assert mask.by_offsets(ends, special, 5, include_special=False).tolist() == [0, 0, 1, 1, 0]
    assert mask.by_offsets(ends, special, 5, include_special=True).tolist() == [1, 0, 1, 1, 1]
    assert mask.by_offsets(ends, special, 9, include_special=False).tolist() == [0, 0, 0, 0, 0]
    assert mask.by_token_count(4, 1).tolist() == [0, 1, 1, 1]
    assert mask.by_token_count(2, 5).tolist() == [0, 0]


def test_the_stock_pooling_gives_other_vectors(checkpoint, spec_file):
    """What docs/why.md says of ``include_prompt=False``: it counts the tokens of the prompt alone."""
    directory = checkpoint("youtu", "bpe-bos")
    transformer = Transformer(str(directory))
    transformer.model.config.is_causal = False
    stock = SentenceTransformer(
        modules=[transformer, Pooling(HIDDEN, "mean", include_prompt=False), Normalize()],
        prompts={"query": QUERY, "document": ""},
        device="cpu",
    )
    ours = youtu_st.load(spec_file(prompts={"query": QUERY, "document": ""}), directory)
    reference = youtu_st.load(spec_file(boundary="token_count"), directory)

    def cosines(left, right):
        return (left * right).sum(axis=1)

    joined = ["\nstarts on a new line", ":)", "ok"]  # the tokenizer joins these to the end of the prompt
    assert (cosines(stock.encode_query(joined), ours.encode_query(joined)) < 0.99).all()
    apart = ["12345 and 67"]  # and not this one
    np.testing.assert_allclose(stock.encode_query(apart), ours.encode_query(apart), atol=1e-5)
    # With a document prompt of "" it keeps the BOS that the published script drops.
    assert (cosines(stock.encode_document(TEXTS), reference.encode_document(TEXTS)) < 0.999).all()
