"""Profiles: strict data, found by a model's name; what they make of a spec, and what a machine does otherwise."""

from __future__ import annotations

import importlib.metadata
import importlib.util

import pytest
import yaml

from youtu_st.errors import InputError, SpecError
from youtu_st.evaluation.profiles import (
    differences,
    load_profile,
    load_settings,
    published,
    spec_for,
    table_of,
)
from youtu_st.spec import load_spec

SIZES = ("qwen3-embedding-0.6b", "qwen3-embedding-4b", "qwen3-embedding-8b")


def test_what_was_published():
    youtu, qzhou = load_profile("youtu-embedding"), load_profile("Kingsoft-LLM/QZhou-Embedding", "published")
    assert (youtu.template, youtu.max_length, youtu.boundary) == ("evaluation", 8192, "prompt_length")
    assert (qzhou.template, qzhou.max_length, qzhou.dtype) == ("evaluation", 1024, "bfloat16")
    assert (qzhou.attention_implementation, qzhou.mteb) == ("sdpa", "1.38.30")
    for name in SIZES:
        qwen = load_profile(name)
        assert (qwen.max_length, qwen.dtype, qwen.padding_side) == (8192, "float16", "left")
        assert (qwen.attention_implementation, qwen.mteb) == ("flash_attention_2", "1.38.9")
    assert load_profile("minilm").kind == "published"


def test_every_profile_fits_its_models_and_no_model_has_two():
    models = [model for profile in published() for model in profile.models]
    assert len(models) == len(set(models))
    for profile in published():
        table = table_of(profile)
        for model in profile.models:
            spec, fitted = load_spec(model), spec_for(profile, load_spec(model))
            assert fitted.template == (
                spec.templates[profile.template] if profile.template else spec.template
            )
            assert table is None or model in table.models


def test_a_spec_takes_what_the_profile_says_and_keeps_the_rest():
    spec = load_spec("youtu-embedding")
    fitted = spec_for(load_profile("youtu-embedding"), spec)
    changed = {name for name in type(spec).model_fields if getattr(spec, name) != getattr(fitted, name)}
    assert changed == {"template", "boundary"}
    assert fitted.template == "Instruction: {instruction} \nQuery: "
    assert spec_for(load_profile("youtu-embedding"), fitted) == fitted
    assert spec_for(load_profile("qzhou-embedding"), load_spec("qzhou-embedding")).max_length == 1024
    assert spec_for(load_profile("minilm", "plain"), load_spec("minilm")) == load_spec("minilm")


def test_plain_is_what_an_encoder_does():
    assert load_profile("bge-m3").kind == "plain"  # nothing is known of its authors' run
    plain = load_profile("youtu-embedding", "plain")
    assert (plain.kind, plain.table, plain.otherwise, plain.sides_alike) == (
        "plain",
        None,
        "model",
        "document",
    )
    assert load_profile("multilingual-e5-small", "plain").sides_alike == "query"


def test_one_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="not 'publishd': did you mean 'published'"):
        load_profile("youtu-embedding", "publishd")
    with pytest.raises(InputError, match="of how 'bge-m3' was evaluated .* use profile plain"):
        load_profile("bge-m3", "published")
    file = tmp_path / "mine.yaml"
    fields = {"name": "mine", "models": ["minilm"], "source": "me", "max_length": 512}
    file.write_text(yaml.safe_dump(fields))
    with pytest.raises(InputError, match="reads 512 tokens, and minilm at most 256"):
        spec_for(load_profile("minilm", file), load_spec("minilm"))
    file.write_text(yaml.safe_dump({**fields, "max_length": 128, "template": "usages"}))
    with pytest.raises(
        InputError, match="has the template 'usages', and youtu-embedding has not: did you mean 'usage'"
    ):
        spec_for(load_profile("minilm", file), load_spec("youtu-embedding"))
    file.write_text(yaml.safe_dump({**fields, "max_lenght": 512}))
    with pytest.raises(SpecError, match="unknown field 'max_lenght' .*did you mean 'max_length'"):
        load_profile("minilm", file)
    file.write_text(yaml.safe_dump({**fields, "max_length": 128, "table": "qwen3-embeding"}))
    with pytest.raises(
        InputError, match="no table of instructions 'qwen3-embeding'. Did you mean 'qwen3-emb"
    ):
        table_of(load_profile("minilm", file))


def test_what_a_machine_does_otherwise():
    qwen, here = load_profile(SIZES[0]), importlib.metadata.version("mteb")
    runtime = {"backend": "torch", "dtype": "float32", "device": "cpu"}
    told = differences(qwen, runtime, attention="sdpa", max_length=512)
    why = ", which is not installed" if importlib.util.find_spec("flash_attn") is None else ""
    assert told == [
        "computed in float32 on cpu, published in float16",
        f"attention by sdpa, published with flash_attention_2{why}",
        "512 tokens of a text are read, published with 8,192",
        f"run by mteb {here}, published with mteb 1.38.9",
    ]
    same = {"backend": "torch", "dtype": "float16", "device": "cuda"}
    assert differences(qwen, same, attention="flash_attention_2", max_length=8192) == told[3:]
    rounded = {"backend": "openvino", "dtype": "float32", "device": "cpu", "weights": "int8"}
    assert differences(load_profile("minilm"), rounded) == [
        "computed by openvino, published with torch",
        "weights are rounded to int8, published with the checkpoint's own",
    ]
    assert differences(load_profile("minilm", "plain"), rounded) == []


def test_what_is_asked_of_a_device():
    qwen, qzhou = load_profile(SIZES[0]), load_profile("qzhou-embedding")
    assert load_settings(qwen, "cpu") == {}
    assert load_settings(qzhou, "cpu") == {"model_kwargs": {"attn_implementation": "sdpa"}}
    assert load_settings(qzhou, "cuda:1")["dtype"] == "bfloat16"
    has = importlib.util.find_spec("flash_attn") is not None
    assert ("model_kwargs" in load_settings(qwen, "cuda")) == has
    assert load_settings(load_profile("minilm"), "cuda") == {}
