"""Shorter vectors: cut, then scaled to unit length; at the lengths that a model was trained for, and no other."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from checkpoints import HIDDEN, TEXTS
from oracle import Oracle
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from verification.broken import edit

import youtu_st
from youtu_st import Encoder
from youtu_st.errors import InputError, SpecError
from youtu_st.modules.settings import lengths_of
from youtu_st.spec.model import lengths, load_spec

LAST = {
    "attention": "causal",
    "pooling": "last_token",
    "padding_side": "left",
    "matryoshka_dimensions": {"from": 8},
}


@pytest.fixture
def raw(checkpoint):
    return checkpoint("qwen3", "bpe-eos")


def test_every_length_of_a_range_is_cut_then_scaled(raw, spec_file):
    encoder = Encoder(spec_file(**LAST), checkpoint=raw, device="cpu")
    oracle = Oracle(raw, bidirectional=False)
    full = np.array([oracle.hidden(oracle.ids(text))[-1] for text in TEXTS])
    for size in range(8, HIDDEN + 1):
        want = full[:, :size] / np.linalg.norm(full[:, :size], axis=1, keepdims=True)
        np.testing.assert_allclose(encoder.encode_document(TEXTS, dimensions=size), want, atol=1e-5)
    blocks = encoder.iter_encode_document(TEXTS, dimensions=11)
    np.testing.assert_array_equal(np.concatenate(list(blocks)), encoder.encode_document(TEXTS, dimensions=11))
    short = Encoder(encoder.model, dimensions=9)
    np.testing.assert_array_equal(short.encode_query(TEXTS), encoder.encode_query(TEXTS, dimensions=9))
    assert (short.dimension, short.fingerprint == encoder.fingerprint) == (9, False)


def test_another_length_is_an_error_that_names_the_range(raw, spec_file):
    encoder = Encoder(spec_file(**LAST), checkpoint=raw, device="cpu")
    for size in (7, HIDDEN + 1, 0, -8, True, 16.0, "16"):
        with pytest.raises(InputError, match=rf"dimensions must be from 8 to 32, which .*, not {size!r}$"):
            encoder.encode_query(["a"], dimensions=size)
    with pytest.raises(InputError, match="must be from 8 to 32"):
        Encoder(encoder.model, dimensions=4)
    whole = Encoder(spec_file(), checkpoint=raw, device="cpu")
    with pytest.raises(InputError, match="dimensions must be one of 32, which .*, not 16$"):
        whole.encode_query(["a"], dimensions=16)


def test_a_saved_model_carries_its_range(raw, spec_file, tmp_path):
    out = youtu_st.convert(spec_file(**LAST), checkpoint=raw, out=tmp_path / "out")
    want = Encoder(spec_file(**LAST), checkpoint=raw, device="cpu").encode_query(TEXTS, dimensions=9)
    settings = json.loads((out / "sentence_bert_config.json").read_text("utf-8"))
    assert settings["matryoshka_dimensions"] == {"from": 8}
    assert "matryoshka_from" not in settings
    stock = SentenceTransformer(str(out), trust_remote_code=True, device="cpu")
    for encoder in (Encoder(out, device="cpu"), Encoder(stock)):
        np.testing.assert_allclose(encoder.encode_query(TEXTS, dimensions=9), want, atol=1e-6)
        with pytest.raises(InputError, match="from 8 to 32"):
            encoder.encode_query(["a"], dimensions=7)


@pytest.mark.parametrize("former", [{}, {"matryoshka_from": None}])
def test_directories_of_earlier_releases_load(tiny, tmp_path, former):
    """The first of them knew no ranges, later ones had a field of its own for them."""
    old = tmp_path / "old"
    shutil.copytree(tiny, old)
    edit(old / "sentence_bert_config.json", **former)
    want = Encoder(tiny).encode_query(TEXTS, dimensions=16)
    np.testing.assert_array_equal(Encoder(old).encode_query(TEXTS, dimensions=16), want)
    with pytest.raises(InputError, match="dimensions must be one of 8, 16, 32"):
        Encoder(old, dimensions=12)


def test_a_range_in_the_spelling_of_earlier_releases(raw, spec_file, tmp_path):
    old = {name: value for name, value in LAST.items() if name != "matryoshka_dimensions"}
    spec = load_spec(spec_file(**old, matryoshka_from=8))
    assert (spec.matryoshka_dimensions, spec.lengths) == ({"from": 8}, range(8, 33))
    saved = youtu_st.convert(spec_file(**LAST), checkpoint=raw, out=tmp_path / "out")
    edit(saved / "sentence_bert_config.json", matryoshka_dimensions=[], matryoshka_from=9)
    again = youtu_st.load(saved, device="cpu")
    assert again[0].matryoshka_dimensions == {"from": 9}
    with pytest.raises(InputError, match="from 9 to 32"):
        Encoder(again, dimensions=8)
    edit(saved / "sentence_bert_config.json", matryoshka_dimensions=[8], matryoshka_from=9)
    with pytest.raises(SpecError, match="give matryoshka_dimensions or matryoshka_from, not both"):
        youtu_st.load(saved)


def test_lengths():
    assert lengths(32) == [32]
    assert lengths(32, (8, 16)) == [8, 16, 32]
    assert lengths(16, (8, 16, 24)) == [8, 16]  # of a model whose vectors are cut already
    assert list(lengths(6, {"from": 4})) == [4, 5, 6]


def test_a_stock_model_has_one_length(tiny):
    model = youtu_st.load(tiny)
    assert lengths_of(model) == [8, 16, 32]
    model[0].matryoshka_dimensions = {"from": 30}
    assert list(lengths_of(model)) == [30, 31, 32]
    stock = SentenceTransformer(modules=[Transformer(str(tiny)), Pooling(HIDDEN)])
    assert lengths_of(stock) == [HIDDEN]
