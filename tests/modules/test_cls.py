"""Pooling ``cls``: each text's own first token, by transformers alone."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from checkpoints import HIDDEN, TEXTS
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import AutoModel, AutoTokenizer

import youtu_st
from youtu_st import Encoder
from youtu_st.modules import InstructionMaskedPooling
from youtu_st.modules.fingerprint import identity
from youtu_st.verification.doctor import examine

QUERY = "为这个句子生成表示以用于检索相关文章："
PROMPTS = {"query": QUERY, "document": ""}
CASES = [("bert", "wordpiece"), ("qwen2", "bpe-bos-eos"), ("qwen2", "bpe"), ("youtu", "bpe-bos")]


def first_states(directory, prompt, texts=TEXTS, limit=None):
    """One text at a time, without padding: the first hidden state, at unit length."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    network = AutoModel.from_pretrained(directory, dtype=torch.float32).eval()
    network.config.is_causal = False
    vectors = []
    for text in texts:
        encoded = tokenizer(
            prompt + text, return_tensors="pt", truncation=limit is not None, max_length=limit
        )
        with torch.inference_mode():
            state = network(**encoded).last_hidden_state[0, 0].double().numpy()
        vectors.append(state / np.linalg.norm(state))
    return np.array(vectors)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("architecture", "tokenizer"), CASES)
def test_it_is_the_first_hidden_state(checkpoint, spec_file, architecture, tokenizer, side):
    directory = checkpoint(architecture, tokenizer)
    spec = spec_file(pooling="cls", prompts=PROMPTS, template=None, padding_side=side)
    encoder = Encoder(spec, checkpoint=directory, truncation="ignore")
    queries, documents = first_states(directory, QUERY), first_states(directory, "")
    assert queries[0] @ queries[1] < 0.999  # it has seen the text
    np.testing.assert_allclose(encoder.encode_query(TEXTS), queries, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_document(TEXTS), documents, atol=1e-5)
    np.testing.assert_allclose(encoder.model.encode_query(TEXTS, batch_size=5), queries, atol=1e-5)
    # The side that texts are padded on, their neighbours and their length make no difference.
    features = encoder.model.preprocess([*TEXTS, "ok " * 300], prompt=[*[QUERY, ""] * (len(TEXTS) // 2), ""])
    assert features["attention_mask"][:, 0].all() != (side == "left" and architecture != "bert")
    mixed = encoder.model(features)["sentence_embedding"].numpy(force=True)
    np.testing.assert_allclose(mixed[:-1:2], queries[::2], atol=1e-5)
    np.testing.assert_allclose(mixed[1::2], documents[1::2], atol=1e-5)
    encoder.model.max_seq_length = 40
    cut = encoder.model.encode_query(["ok " * 300])
    np.testing.assert_allclose(cut, first_states(directory, QUERY, ["ok " * 300], limit=40), atol=1e-5)


def test_saved_it_is_read_by_both_and_is_another_meaning(checkpoint, spec_file, tmp_path):
    directory = checkpoint("bert", "wordpiece")
    spec = spec_file(pooling="cls", prompts=PROMPTS, template=None, special_tokens="include")
    model = youtu_st.load(spec, checkpoint=directory)
    model.save_pretrained(str(tmp_path / "saved"))
    want = first_states(directory, QUERY)
    again = youtu_st.load(tmp_path / "saved")
    assert again[1].pooling == "cls"
    stock = SentenceTransformer(str(tmp_path / "saved"), trust_remote_code=True)
    for one in (again, stock):
        np.testing.assert_allclose(one.encode_query(TEXTS), want, atol=1e-5)
    assert identity(again, HIDDEN) == identity(model, HIDDEN)
    mean = spec_file(pooling="mean", prompts=PROMPTS, template=None, special_tokens="include")
    other = identity(youtu_st.load(mean, checkpoint=directory), HIDDEN)
    differs = {part for part, value in identity(model, HIDDEN).items() if other[part] != value}
    assert differs == {"pooling"}
    # A model that sentence-transformers has pooled so gives the same, and the doctor tells it from others.
    transformer = Transformer(str(directory))
    transformer.max_seq_length = 512
    theirs = SentenceTransformer(
        modules=[transformer, Pooling(HIDDEN, pooling_mode="cls"), Normalize()], prompts=PROMPTS
    )
    np.testing.assert_allclose(Encoder(theirs).encode_query(TEXTS), want, atol=1e-5)
    theirs.save_pretrained(str(tmp_path / "theirs"))
    cls = spec_file(pooling="cls", prompts=PROMPTS, template=None, special_tokens="include")
    for place in (tmp_path / "saved", tmp_path / "theirs", directory):
        assert examine(cls, checkpoint=place).faults == (), place


def test_a_token_that_is_not_attended_is_never_the_first():
    states = torch.arange(24.0).reshape(3, 4, 2)
    states[0, 0] = states[2, 0] = float("nan")  # padding may hold anything
    mask = torch.tensor([[0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]])
    pooling = InstructionMaskedPooling(2, "cls")
    features = {"token_embeddings": states.bfloat16(), "attention_mask": mask}
    got = pooling(features)["sentence_embedding"]
    assert (got.dtype, got.tolist()) == (torch.float32, [[2, 3], [8, 9], [22, 23]])
    assert features.keys() == {"token_embeddings", "attention_mask"}


@pytest.mark.openvino
@pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="the extra openvino is not installed"
)
def test_openvino(checkpoint, spec_file):
    directory = checkpoint("bert", "wordpiece")
    spec = spec_file(pooling="cls", prompts=PROMPTS, template=None)
    encoder = Encoder(spec, checkpoint=directory, backend="openvino")
    np.testing.assert_allclose(encoder.encode_query(TEXTS), first_states(directory, QUERY), atol=1e-5)
    assert encoder.fingerprint == Encoder(spec, checkpoint=directory).fingerprint
