"""Fingerprints: worked out once, and again after every change that a look at the model shows."""

from __future__ import annotations

import copy
import gc
import weakref

import pytest
import torch
from checkpoints import network
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

import youtu_st
from youtu_st import Encoder
from youtu_st.modules import fingerprint


@pytest.fixture
def model(tiny):
    return youtu_st.load(tiny, device="cpu")


@pytest.fixture
def computed(monkeypatch):
    """Which digests have been computed, in order."""
    calls = []

    def spy(part, digest):
        return lambda thing: calls.append(part) or digest(thing)

    for part, name in (("weights", "_sampled"), ("tokenizer", "vocabulary_digest")):
        monkeypatch.setattr(fingerprint, name, spy(part, getattr(fingerprint, name)))
    return calls


def step(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()


def in_place(model):
    with torch.no_grad():
        model[0].model.layers[1].mlp.up_proj.weight += 0.01


def through_data(model):
    model[0].model.norm.weight.data.mul_(2)


def in_inference_mode(model):
    with torch.inference_mode():
        model[0].model.norm.weight.add_(1)


def of_inference(model):
    with torch.inference_mode():
        model[0].model.norm.weight = torch.nn.Parameter(torch.full((32,), 3.0), requires_grad=False)


def load_others(model):
    model.load_state_dict({name: value * 1.5 for name, value in model.state_dict().items()})


def replace_network(model):
    model[0].model = network("qwen2")


def cast(model):
    model.to(torch.float16)


def to_nan(model):
    with torch.no_grad():
        model[0].model.norm.weight.fill_(float("nan"))


CHANGES = [
    *((change, "weights") for change in (step, in_place, through_data, in_inference_mode, of_inference)),
    *((change, "weights") for change in (load_others, replace_network, cast, to_nan)),
    (lambda model: model.tokenizer.add_tokens(["sunny outside"]), "tokenizer"),
    (lambda model: setattr(model.tokenizer.backend_tokenizer, "post_processor", without_bos()), "tokenizer"),
    (lambda model: model.prompts.update(query="q: "), "prompts"),
    (lambda model: setattr(model[0], "boundary", "token_count"), "mask"),
    (lambda model: setattr(model[0], "special_tokens", "include"), "mask"),
    (lambda model: setattr(model[1], "pooling", "mean"), "pooling"),
    (lambda model: setattr(model, "max_seq_length", 100), "max_length"),
]


def without_bos():
    return TemplateProcessing(single="$A", special_tokens=[])


@pytest.mark.parametrize(("change", "part"), CHANGES)
def test_every_change_is_noticed_and_nothing_else_computed(model, computed, change, part):
    before = fingerprint.identity(model, 32)
    assert computed == ["weights", "tokenizer"]
    change(model)
    after = fingerprint.identity(model, 32)
    assert {name for name in before if before[name] != after[name]} == {part}
    assert computed[2:] == [part] * (part in ("weights", "tokenizer"))
    assert after == fingerprint.identity(copy.deepcopy(model), 32)  # of which nothing is known yet


def test_an_encoder_computes_it_once(tiny, computed):
    encoder = Encoder(tiny, device="cpu")
    assert len({encoder.fingerprint for _ in range(5)} | {Encoder(encoder.model).fingerprint}) == 1
    encoder.encode_query(["a text"])
    encoder.model.encode_document(["another one", "that is padded"])
    assert encoder.identity == fingerprint.identity(encoder.model, 32)
    assert computed == ["weights", "tokenizer"]
    assert Encoder(tiny, device="cpu").fingerprint == encoder.fingerprint
    assert computed == ["weights", "tokenizer"] * 2


def test_a_change_that_is_taken_back(model, computed):
    before = fingerprint.identity(model, 32)
    weights = copy.deepcopy(model.state_dict())
    in_place(model)
    assert fingerprint.identity(model, 32) != before
    model.load_state_dict(weights)
    assert fingerprint.identity(model, 32) == before
    assert computed == ["weights", "tokenizer", "weights", "weights"]


def test_a_cast_to_the_dtype_that_is_sampled_means_the_same(model, computed):
    before = fingerprint.identity(model, 32)
    model.to(torch.bfloat16)
    assert fingerprint.identity(model, 32) == before
    assert computed == ["weights", "tokenizer", "weights"]


def test_float16_keeps_the_fingerprint_until_a_weight_changes(tiny):
    half = Encoder(tiny, device="cpu", dtype="float16")
    assert half.fingerprint == Encoder(tiny, device="cpu").fingerprint
    through_data(half.model)
    assert half.fingerprint != Encoder(tiny, device="cpu").fingerprint


def test_no_weight_and_no_model_is_kept_alive(tiny):
    model = youtu_st.load(tiny, device="cpu")
    fingerprint.identity(model, 32)
    weight = weakref.ref(model[0].model.norm.weight)
    replace_network(model)
    gc.collect()
    assert weight() is None
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_the_vocabulary_of_a_model_without_transformers_is_read_once(checkpoint, computed):
    tokenizer = Tokenizer.from_file(str(checkpoint("qwen2", "bpe") / "tokenizer.json"))
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=16), Normalize()])
    before = fingerprint.identity(model, 16)
    assert fingerprint.identity(model, 16) == before
    assert computed == ["weights", "tokenizer"]
    tokenizer.add_tokens(["sunny outside"])
    assert fingerprint.identity(model, 16)["tokenizer"] != before["tokenizer"]
