"""A spec that a program has made, in place of a name."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from checkpoints import TEXTS

import youtu_st
from youtu_st import Encoder
from youtu_st.errors import InputError, ModelLoadError, UnknownModelError
from youtu_st.rerank import Reranker
from youtu_st.spec import ModelSpec, load_spec


@pytest.fixture
def spec(spec_file) -> ModelSpec:
    return load_spec(spec_file())


def changed(spec: ModelSpec) -> ModelSpec:
    return spec.model_copy(update={"boundary": "prompt_length", "max_length": 64})


def test_it_is_the_same_as_its_file(checkpoint, spec_file, spec):
    raw = checkpoint("youtu", "bpe-bos")
    by_file, by_spec = Encoder(spec_file(), checkpoint=raw), Encoder(spec, checkpoint=raw)
    assert by_spec.fingerprint == by_file.fingerprint
    assert by_spec.model_name == "tiny"
    np.testing.assert_array_equal(by_spec.encode_query(TEXTS), by_file.encode_query(TEXTS))
    loaded = youtu_st.load(changed(spec), raw)
    assert (loaded[0].boundary, loaded.max_seq_length) == ("prompt_length", 64)


def test_shared_is_one_for_equal_specs_and_another_for_others(checkpoint, spec):
    raw = checkpoint("youtu", "bpe-bos")
    first = Encoder.shared(spec, checkpoint=raw)
    assert Encoder.shared(ModelSpec.model_validate(spec.model_dump()), checkpoint=raw) is first
    other = Encoder.shared(changed(spec), checkpoint=raw)
    assert other is not first
    assert other.fingerprint != first.fingerprint


def test_pickling_keeps_the_spec(checkpoint, spec):
    encoder = Encoder(changed(spec), checkpoint=checkpoint("youtu", "bpe-bos"))
    again = pickle.loads(pickle.dumps(encoder))
    assert again is pickle.loads(pickle.dumps(encoder))
    assert (again.fingerprint, again.max_length) == (encoder.fingerprint, 64)


def test_minilm_needs_no_checkpoint():
    spec = load_spec("minilm")
    assert Encoder(spec).fingerprint == Encoder.shared("minilm").fingerprint


def test_what_is_refused_is_refused_in_one_line(tmp_path, spec):
    with pytest.raises(
        InputError, match=r"a YAML file, a ModelSpec or a SentenceTransformer, not dict"
    ) as told:
        Encoder(spec.model_dump())
    assert "\n" not in str(told.value)
    with pytest.raises(InputError, match=r"a YAML file, or a CrossEncoder, not ModelSpec"):
        Reranker(spec)
    with pytest.raises(ModelLoadError, match="there is no directory") as told:
        Encoder(spec, checkpoint=str(tmp_path / "nowhere"))
    assert "\n" not in str(told.value)
    with pytest.raises(UnknownModelError):
        Encoder("tiny")  # its name is no name of a file
