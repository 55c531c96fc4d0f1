"""Specs: what is accepted, and that every mistake is one line with the remedy in it."""

from __future__ import annotations

import re

import numpy as np
import pytest
import yaml
from checkpoints import spec

import youtu_st
from youtu_st.errors import InputError, ModelLoadError, SpecError, UnknownModelError
from youtu_st.spec.model import ModelSpec, known_models, load_spec
from youtu_st.spec.prompts import each_instruction, fill

QWEN3 = {"qwen3-embedding-0.6b": 1024, "qwen3-embedding-4b": 2560, "qwen3-embedding-8b": 4096}
WEB = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"


# Dimension, tokens, pooling, what stands before a query and a document, licence.
ENCODERS = {
    "bge-m3": (1024, 8192, "cls", "", "", "MIT"),
    "bge-small-zh-v1.5": (512, 512, "cls", "为这个句子生成表示以用于检索相关文章：", "", "MIT"),
    "multilingual-e5-large-instruct": (1024, 512, "mean", WEB + " ", "", "MIT"),
    "multilingual-e5-small": (384, 512, "mean", "query: ", "passage: ", "MIT"),
    "snowflake-arctic-embed-m-v2.0": (768, 8192, "cls", "query: ", "", "Apache-2.0"),
}


def test_twelve_specs_are_shipped():
    assert known_models() == [
        *["bge-m3", "bge-small-zh-v1.5"],
        "minilm",
        *["multilingual-e5-large-instruct", "multilingual-e5-small"],
        *QWEN3,
        "qzhou-embedding",
        "snowflake-arctic-embed-m-v2.0",
        "youtu-embedding",
        "youtu-embedding-script",
    ]
    for name in known_models():
        document = "passage: " if name == "multilingual-e5-small" else ""
        assert (load_spec(name).name, load_spec(name).prompts.document) == (name, document)


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_of_the_bert_family_are_as_published(name):
    spec = load_spec(name)
    prompts = (spec.prompts.query, spec.prompts.document)
    assert (spec.dimension, spec.max_length, spec.pooling, *prompts, spec.license) == ENCODERS[name]
    owner, _, repository = spec.hub_id.partition("/")
    assert (owner in ("BAAI", "intfloat", "Snowflake"), repository) == (True, name)
    assert (spec.attention, spec.padding_side, spec.bos, spec.eos) == ("bidirectional", "right", True, True)
    instructed = name == "multilingual-e5-large-instruct"
    assert spec.template == ("Instruct: {instruction}\nQuery: " if instructed else None)
    assert spec.lengths == ([256, 768] if name.startswith("snowflake") else [spec.dimension])


def test_youtu_is_as_published():
    youtu = load_spec("youtu-embedding")
    assert youtu.prompts.query == (
        "Instruction: Given a search query, retrieve passages that answer the question \nQuery:"
    )
    assert (youtu.dimension, youtu.max_length, youtu.attention) == (2048, 8192, "bidirectional")
    assert (youtu.pooling, youtu.boundary, youtu.special_tokens) == ("masked_mean", "offsets", "exclude")
    assert (youtu.padding_side, youtu.lengths) == ("right", [2048])
    assert fill(youtu.template, "Do it") == "Instruction: Do it \nQuery:"
    assert youtu.templates == {
        "readme": "Instruction: {instruction} \nQuery:",
        "usage": "Instruction: {instruction} \nQuery: ",
        "evaluation": "Instruction: {instruction} \nQuery: ",
        "training": "Instruction: {instruction} Query: ",
    }
    assert youtu.examples[0].scores[0][0] == 0.4465198516845703
    script = load_spec("youtu-embedding-script")
    assert (script.boundary, script.max_length) == ("token_count", 1024)
    for field in ("hub_id", "dimension", "pooling", "padding_side", "prompts", "template", "examples"):
        assert getattr(script, field) == getattr(youtu, field)


def test_qzhou_is_as_published():
    qzhou = load_spec("qzhou-embedding")
    assert (qzhou.hub_id, qzhou.dimension, qzhou.max_length) == ("Kingsoft-LLM/QZhou-Embedding", 3584, 8192)
    assert (qzhou.attention, qzhou.pooling, qzhou.padding_side) == ("bidirectional", "mean", "left")
    assert (qzhou.template, qzhou.prompts.query) == ("Instruct: {instruction}\nQuery:", WEB)
    assert qzhou.templates["evaluation"] == "Instruct: {instruction}\nQuery: "
    assert qzhou.lengths == [3584]


@pytest.mark.parametrize("name", QWEN3)
def test_qwen3_is_as_published(name):
    qwen3 = load_spec(name)
    assert qwen3.hub_id.lower() == f"qwen/{name}"
    assert (qwen3.dimension, qwen3.max_length) == (QWEN3[name], 32768)
    assert (qwen3.attention, qwen3.pooling, qwen3.padding_side) == ("causal", "last_token", "left")
    assert (qwen3.template, qwen3.prompts.query) == ("Instruct: {instruction}\nQuery:", WEB)
    assert (qwen3.eos, qwen3.lengths) == (True, range(32, QWEN3[name] + 1))
    assert qwen3.examples[0].scores[0][0] == pytest.approx(0.76, abs=0.02)


def test_minilm_is_as_published():
    minilm = load_spec("minilm")
    assert (minilm.dimension, minilm.max_length, minilm.special_tokens) == (384, 256, "include")
    assert (minilm.bos, minilm.eos, minilm.template) == (True, True, None)
    assert minilm.sha256 == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@pytest.mark.parametrize(
    ("tokenizer", "changes", "message"),
    [
        ("bpe-bos", {"eos": True}, "the tokenizer adds no token after a text, and tiny's adds one"),
        ("bpe-bos-eos", {"eos": False}, "the tokenizer adds a token after a text, and tiny's adds none"),
        ("bpe", {"bos": True}, "the tokenizer adds no token before a text, and tiny's adds one"),
        ("bpe-bos", {"bos": False}, "the tokenizer adds a token before a text, and tiny's adds none"),
    ],
)
def test_a_tokenizer_that_adds_other_tokens_than_the_spec_says_is_refused(
    checkpoint, spec_file, tokenizer, changes, message
):
    with pytest.raises(ModelLoadError, match=message):
        youtu_st.load(spec_file(**changes), checkpoint("qwen2", tokenizer))


@pytest.mark.parametrize(("tokenizer", "added"), [("bpe", (False, False)), ("bpe-bos-eos", (True, True))])
def test_a_tokenizer_that_adds_what_the_spec_says_is_taken(checkpoint, spec_file, tokenizer, added):
    directory = checkpoint("qwen2", tokenizer)
    assert youtu_st.load(spec_file(bos=added[0], eos=added[1]), directory).max_seq_length == 512
    assert youtu_st.load(spec_file(), directory).max_seq_length == 512  # not known: not checked


def test_a_spec_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load_spec("minilm").dimension = 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pooling": "maen"}, "field 'pooling': .*'masked_mean', 'mean', 'last_token' or 'cls', got 'maen'"),
        ({"attention": "both"}, "field 'attention': .*'causal' or 'bidirectional'"),
        ({"boundary": "token-count"}, "field 'boundary': .*'offsets', 'token_count' or 'prompt_length'"),
        ({"dimension": "384"}, "field 'dimension': .*integer, got '384'"),
        ({"dimension": 0}, "field 'dimension': .*greater than 0"),
        ({"normalise": True}, "unknown field 'normalise' \\(did you mean 'normalize'\\? allowed: .*pooling"),
        ({"prompts": {"query": "q"}}, "missing field 'prompts.document'"),
        (
            {"prompts": {"qury": "q", "document": ""}},
            "unknown field 'prompts.qury' \\(did you mean 'query'\\?",
        ),
        ({"template": "Query:"}, "field 'template': must contain {instruction} exactly once"),
        ({"matryoshka_dimensions": [64, 32]}, "field 'matryoshka_dimensions': must be ascending"),
        ({"matryoshka_dimensions": [64]}, "must not exceed dimension \\(32\\)"),
        ({"matryoshka_dimensions": {"from": 33}}, "matryoshka_dimensions must not exceed dimension \\(32\\)"),
        ({"matryoshka_dimensions": {"from": 0}}, "lengths of at least 1, .* got {'from': 0}"),
        ({"matryoshka_dimensions": {"to": 8}}, "or {from: 64}, got {'to': 8}"),
        ({"matryoshka_dimensions": {"from": True}}, "or {from: 64}, got {'from': True}"),
        ({"matryoshka_dimensions": 8}, "field 'matryoshka_dimensions': must be ascending .* got 8"),
        ({"matryoshka_dimensions": [8, "16"]}, "must be ascending lengths of at least 1"),
        ({"matryoshka_from": 33}, "matryoshka_dimensions must not exceed dimension \\(32\\)"),
        ({"matryoshka_from": 0}, "field 'matryoshka_dimensions': .*lengths of at least 1"),
        (
            {"matryoshka_from": 8, "matryoshka_dimensions": [8]},
            "matryoshka_dimensions or matryoshka_from, not",
        ),
        ({"templates": {"usage": "Query:"}}, "field 'templates.usage': must contain {instruction} exactly"),
        ({"eos": "yes"}, "field 'eos': .*boolean, got 'yes'"),
        ({"sha256": "abc"}, "field 'sha256'"),
        ({"hub_id": "tiny"}, "field 'hub_id'"),
        (
            {"examples": [{"source": "x", "queries": ["a"], "documents": ["b"], "scores": [[1.0, 2.0]]}]},
            "scores must have 1 rows",
        ),
    ],
)
def test_one_error_names_file_field_and_what_is_allowed(spec_file, changes, message):
    path = spec_file(**changes)
    with pytest.raises(SpecError, match=message) as caught:
        load_spec(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_field_is_named(tmp_path):
    fields = spec()
    del fields["dimension"]
    path = tmp_path / "tiny.yml"
    path.write_text(yaml.safe_dump(fields))
    with pytest.raises(SpecError, match=re.escape(f"{path}: missing field 'dimension'")):
        load_spec(path)


def test_files_that_are_not_specs(tmp_path):
    with pytest.raises(SpecError, match=r"nowhere\.yaml: cannot read the spec"):
        load_spec(tmp_path / "nowhere.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [")
    with pytest.raises(SpecError, match="not valid YAML"):
        load_spec(broken)
    broken.write_text("- a\n- b\n")
    with pytest.raises(SpecError, match="a mapping of fields is needed, not list"):
        load_spec(broken)


def test_unknown_names_list_near_matches_and_known_names():
    with pytest.raises(
        UnknownModelError,
        match="unknown model 'minilmm'. Did you mean 'minilm'.*Known names: bge-m3, bge-small-zh-v1.5, minilm, ",
    ):
        load_spec("minilmm")


def test_an_edited_file_is_read_again(spec_file):
    import os

    first = load_spec(spec_file(dimension=32))
    path = spec_file(dimension=64)
    os.utime(path, (1, 1))
    assert (first.dimension, load_spec(path).dimension) == (32, 64)


def test_braces_in_an_instruction_stay():
    assert fill("Do {instruction} now", "{x} {instruction}") == "Do {x} {instruction} now"


@pytest.mark.parametrize("name", known_models())
def test_a_spec_round_trips(name):
    assert ModelSpec.model_validate(load_spec(name).model_dump()) == load_spec(name)


@pytest.mark.parametrize("instruction", [3, b"told", {"query": "told"}, ["a", 4], ["a"]])
def test_an_instruction_is_a_str_or_one_for_each(instruction):
    with pytest.raises(InputError, match="instruction"):
        each_instruction(instruction, 2, "queries")
    assert each_instruction(None, 2) == [None, None]
    assert each_instruction(("a", None), 2) == ["a", None]
    assert each_instruction(np.array(["a", "b"]), 2) == [
        "a",
        "b",
    ]  # any iterable will do, as for texts of a column
