"""``boundary: prompt_length`` against the host's own classes over the same checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from checkpoints import HIDDEN, TEXTS
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

import youtu_st
from youtu_st import Encoder
from youtu_st.modules.tokenization import TokenizedText

QUERY = "Instruction: Given a search query, retrieve passages that answer the question \nQuery:"
PROMPTS = [QUERY, QUERY + " ", "查询：", "ends with <eos>", ""]
CASES = [
    ("youtu", "bpe", "left"),
    ("youtu", "bpe", "right"),
    ("youtu", "bpe-bos", "left"),
    ("youtu", "bpe-bos", "right"),
    ("qwen2", "bpe-bos-eos", "left"),
    ("qwen2", "bpe-bos-eos", "right"),
    ("qwen3", "bpe-eos", "left"),
    ("qwen3", "bpe-eos", "right"),
    ("bert", "wordpiece", "right"),  # the host would pad on the left, where BERT's positions do not begin
]


def stock(directory: Path, side: str) -> SentenceTransformer:
    """The host's own modules, told to leave prompts out."""
    transformer = Transformer(str(directory))
    transformer.model.config.is_causal = False
    transformer.tokenizer.padding_side = side
    pooling = Pooling(HIDDEN, "mean", include_prompt=False)
    return SentenceTransformer(modules=[transformer, pooling, Normalize()], device="cpu")


def rows(directory: Path, spec: Path, text: str, prompt: str) -> TokenizedText:
    return youtu_st.load(spec, directory)[0].tokenize_texts([text], prompt)[0]


@pytest.mark.parametrize(("architecture", "tokenizer", "side"), CASES)
def test_equals_the_stock_classes(checkpoint, spec_file, architecture, tokenizer, side):
    directory = checkpoint(architecture, tokenizer)
    model = youtu_st.load(spec_file(padding_side=side, boundary="prompt_length"), directory)
    oracle, compared, mixed, wanted = stock(directory, side), 0, [], []
    for prompt in PROMPTS:
        # Where the prompt takes all of a text, the host divides nothing by nearly nothing.
        texts = [text for text in TEXTS if model[0].tokenize_texts([text], prompt)[0].content.any()]
        want = oracle.encode(texts, prompt=prompt, batch_size=len(texts))
        np.testing.assert_allclose(model.encode(texts, prompt=prompt), want, atol=1e-6)
        mixed += [(prompt, text) for text in texts]
        wanted += list(want)
        compared += len(texts)
    assert compared > 4 * len(TEXTS)
    # The host takes one prompt for a batch; here each text may have its own.
    prompts, texts = map(list, zip(*mixed, strict=True))
    got = model(model.preprocess(texts, prompt=prompts))["sentence_embedding"].numpy(force=True)
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_what_it_drops(checkpoint, spec_file):
    """A BOS with the prompt that follows it, and not that of a bare text; an EOS never."""
    directory = checkpoint("qwen2", "bpe-bos-eos")
    spec = spec_file(boundary="prompt_length")
    with_prompt, bare = rows(directory, spec, "12345", "查询："), rows(directory, spec, "12345", "")
    dropped = len(with_prompt) - int(with_prompt.content.sum())
    assert (~with_prompt.content).tolist() == [True] * dropped + [False] * (len(with_prompt) - dropped)
    assert with_prompt.ids[dropped:].tolist() == bare.ids[1:].tolist()
    assert bare.content.all()
    counted = rows(directory, spec_file(boundary="token_count"), "12345", "")
    assert counted.content.tolist() == [False, False, *[True] * (len(counted) - 2)]  # BOS and EOS of nothing


def test_a_prompt_that_takes_all_of_a_text(checkpoint, spec_file):
    """As under the other rules, the mean is that of everything, and an encoder refuses the text."""
    directory = checkpoint("youtu", "bpe-bos")
    model = youtu_st.load(spec_file(boundary="prompt_length"), directory)
    text = next(t for t in TEXTS if not model[0].tokenize_texts([t], QUERY)[0].content.any())
    assert np.isfinite(model.encode([text], prompt=QUERY)).all()
    assert model[0].tokenize_texts([text], QUERY)[0].is_blank


def test_each_boundary_has_a_fingerprint_of_its_own(checkpoint, spec_file):
    directory = checkpoint("youtu", "bpe-bos")
    told = {}
    for boundary in ("offsets", "token_count", "prompt_length"):
        encoder = Encoder(spec_file(boundary=boundary), checkpoint=directory, device="cpu")
        told[boundary] = encoder.identity
        assert boundary in encoder.identity["mask"]
    assert len({one["mask"] for one in told.values()}) == 3
    for one in told.values():
        assert {**one, "mask": ""} == {**told["offsets"], "mask": ""}
