"""Every family against its authors' own code, on tiny random checkpoints and with the shipped specs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from checkpoints import HIDDEN
from published import FAMILIES, LIMIT, TEXTS, Script
from sentence_transformers import SentenceTransformer

import youtu_st
from youtu_st import Encoder
from youtu_st.spec.model import known_models, load_spec

SIDES = ("left", "right")
STEP = {1: 4, 64: 1}
"""Of how many texts one is encoded, by the size of the batches."""

SPECS = {family.spec: family for family in FAMILIES.values() if not family.trust_remote_code} | {
    name: FAMILIES["qwen3"] for name in known_models() if name.startswith("qwen3-embedding")
}


def shrunk(name: str, path: Path, **changes: Any) -> Path:
    """A shipped spec for a checkpoint of a few dimensions; all that decides a vector stays."""
    fields = load_spec(name).model_dump(mode="json")
    small = {
        "name": "tiny",
        "hub_id": "somebody/tiny",
        "dimension": HIDDEN,
        "max_length": LIMIT,
        "sha256": None,
    }
    path.write_text(yaml.safe_dump(fields | small | changes, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``directories(key)``: a tiny checkpoint of a family."""
    return cache(lambda key: FAMILIES[key].checkpoint(tmp_path_factory.mktemp(key)))


@pytest.fixture(scope="module")
def scripts(directories: Callable[[str], Path]) -> Callable[[str, str], Script]:
    """``scripts(key, side)``: the authors' way into it, padding on a side."""
    return cache(lambda key, side: FAMILIES[key].script(directories(key), side))


@pytest.fixture(scope="module")
def oracle(scripts: Callable[[str, str], Script]) -> Callable[..., np.ndarray]:
    """``oracle(key, prompt, side, size)``: published vectors of ``TEXTS``; one by one, of every fourth."""

    @cache
    def vectors(key: str, prompt: str, side: str, size: int = 64) -> np.ndarray:
        return scripts(key, side).batches(FAMILIES[key].procedure, TEXTS[:: STEP[size]], prompt, size)

    return vectors


@pytest.fixture(scope="module")
def models(
    directories: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Any]:
    """``models(key, side)``: that checkpoint, loaded with the shipped spec but for the side."""

    @cache
    def opened(key: str, side: str) -> SentenceTransformer:
        spec = shrunk(FAMILIES[key].spec, tmp_path_factory.mktemp("spec") / "tiny.yaml", padding_side=side)
        trust = FAMILIES[key].trust_remote_code
        return youtu_st.load(spec, directories(key), trust_remote_code=trust, device="cpu")

    return opened


def test_the_texts_reach_from_one_token_to_beyond_the_maximum(scripts):
    assert len(TEXTS) == 64
    for key, family in FAMILIES.items():
        tokenizer = scripts(key, "right").tokenizer
        lengths = [len(ids) for ids in tokenizer(TEXTS, add_special_tokens=False)["input_ids"]]
        prompt = load_spec(family.spec).prompts.query
        assert min(lengths) == 1
        assert len(tokenizer(prompt)["input_ids"]) < LIMIT / 2 < LIMIT < max(lengths)


@pytest.mark.parametrize("size", STEP)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("key", FAMILIES)
def test_vectors_are_the_published_ones(models, oracle, key, side, size):
    """Whatever side either pads on, and whatever the sizes of the batches."""
    model, some = models(key, side), TEXTS[:: STEP[size]]
    encoder = Encoder(model, batch_tokens=1 if size == 1 else 1 << 20, truncation="ignore")
    for prompt, vectors in (
        (model.prompts["query"], encoder.encode_query(some)),
        (model.prompts["query"], model.encode_query(some, batch_size=size)),
        (model.prompts["document"], encoder.encode_document(some)),
    ):
        for published_side in SIDES:
            want = oracle(key, prompt, published_side)[:: STEP[size]]
            np.testing.assert_allclose(vectors, want, atol=1e-5, rtol=0)
        np.testing.assert_allclose(vectors, oracle(key, prompt, "right", size), atol=1e-5, rtol=0)


@pytest.mark.parametrize("key", FAMILIES)
def test_a_task_description_goes_through_the_published_template(models, oracle, key):
    is_youtu = FAMILIES[key].spec.startswith("youtu")
    want = oracle(key, "Instruction: Do it \nQuery:" if is_youtu else "Instruct: Do it\nQuery:", "right")
    encoder = Encoder(models(key, "left"), truncation="ignore")
    np.testing.assert_allclose(encoder.encode_query(TEXTS, instruction="Do it"), want, atol=1e-5, rtol=0)
    assert np.abs(want - oracle(key, "", "right")).max() > 0.1


@pytest.mark.parametrize("key", FAMILIES)
def test_a_cut_text_keeps_its_instruction_and_the_eos(models, scripts, key):
    tokenizer, spec = scripts(key, "right").tokenizer, load_spec(FAMILIES[key].spec)
    row = models(key, "left")[0].tokenize_texts([TEXTS[-1]], spec.prompts.query)[0]
    ids = row.ids.tolist()
    assert (len(ids), row.full_length > LIMIT) == (LIMIT, True)
    assert tokenizer.decode(ids, skip_special_tokens=True).startswith(spec.prompts.query)
    assert ids == tokenizer(spec.prompts.query + TEXTS[-1], truncation=True, max_length=LIMIT)["input_ids"]
    assert (ids[-1] == tokenizer.eos_token_id) == (FAMILIES[key].tokenizer == "bpe-eos") == (spec.eos is True)


@pytest.mark.parametrize("key", FAMILIES)
def test_a_converted_directory_gives_the_published_vectors(directories, oracle, tmp_path, key):
    family, out = FAMILIES[key], tmp_path / "out"
    spec = shrunk(family.spec, tmp_path / "tiny.yaml")
    trust = family.trust_remote_code
    youtu_st.convert(spec, checkpoint=directories(key), out=out, trust_remote_code=trust)
    want = oracle(key, load_spec(family.spec).prompts.query, "left")
    for model in (
        youtu_st.load(out, trust_remote_code=trust, device="cpu"),
        SentenceTransformer(str(out), trust_remote_code=True, device="cpu"),
    ):
        np.testing.assert_allclose(model.encode_query(TEXTS), want, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", SPECS)
def test_each_shipped_spec_opens_a_checkpoint_by_its_name(tmp_path, name):
    """At the published dimension, with narrow layers inside."""
    family, spec = SPECS[name], load_spec(name)
    directory = family.checkpoint(tmp_path / "full", hidden=spec.dimension)
    encoder = Encoder(name, checkpoint=directory, max_length=LIMIT, truncation="ignore", device="cpu")
    assert encoder.dimension == spec.dimension
    some = TEXTS[::9]
    for method, prompt in (("encode_query", spec.prompts.query), ("encode_document", spec.prompts.document)):
        want = family.script(directory, spec.padding_side).batches(family.procedure, some, prompt, 64)
        np.testing.assert_allclose(getattr(encoder, method)(some), want, atol=1e-5, rtol=0)
