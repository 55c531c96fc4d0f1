"""Shorter vectors: cut, then scaled to unit length; at the lengths that a model was trained for, and no other."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from checkpoints import HIDDEN, TEXTS
from oracle import Oracle
from sentence_transformers import SentenceTransformer

import youtu_st
from youtu_st import Encoder
from youtu_st.errors import InputError
from youtu_st.spec.model import lengths

LAST = {"attention": "causal", "pooling": "last_token", "padding_side": "left", "matryoshka_from": 8}


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
    stock = SentenceTransformer(str(out), trust_remote_code=True, device="cpu")
    for encoder in (Encoder(out, device="cpu"), Encoder(stock)):
        np.testing.assert_allclose(encoder.encode_query(TEXTS, dimensions=9), want, atol=1e-6)
        with pytest.raises(InputError, match="from 8 to 32"):
            encoder.encode_query(["a"], dimensions=7)


def test_directories_from_before_there_were_ranges_load(tiny, tmp_path):
    """Their settings have no such key."""
    old = tmp_path / "old"
    shutil.copytree(tiny, old)
    path = next(path for path in old.rglob("*.json") if "matryoshka_dimensions" in path.read_text("utf-8"))
    settings = json.loads(path.read_text("utf-8"))
    assert settings.pop("matryoshka_from") is None
    path.write_text(json.dumps(settings))
    want = Encoder(tiny).encode_query(TEXTS, dimensions=16)
    np.testing.assert_array_equal(Encoder(old).encode_query(TEXTS, dimensions=16), want)
    with pytest.raises(InputError, match="dimensions must be one of 8, 16, 32"):
        Encoder(old, dimensions=12)


def test_lengths():
    assert lengths(32) == [32]
    assert lengths(32, [8, 16]) == [8, 16, 32]
    assert list(lengths(6, start=4)) == [4, 5, 6]
