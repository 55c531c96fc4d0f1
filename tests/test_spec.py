"""Specs: what is accepted, and that every mistake is one line with the remedy in it."""

from __future__ import annotations

import re

import pytest
import yaml
from checkpoints import spec

from youtu_st.errors import SpecError, UnknownModelError
from youtu_st.spec import ModelSpec, fill, known_models, load_spec


def test_shipped_specs_hold_what_was_published():
    assert known_models() == ["minilm", "youtu-embedding"]
    youtu = load_spec("youtu-embedding")
    assert youtu.prompts.query == (
        "Instruction: Given a search query, retrieve passages that answer the question \nQuery:"
    )
    assert youtu.prompts.document == ""
    assert (youtu.dimension, youtu.max_length, youtu.attention) == (2048, 8192, "bidirectional")
    assert (youtu.pooling, youtu.boundary, youtu.special_tokens) == ("masked_mean", "offsets", "exclude")
    assert fill(youtu.template, "Do it") == "Instruction: Do it \nQuery:"
    assert youtu.examples[0].scores[0][0] == 0.4465198516845703
    minilm = load_spec("minilm")
    assert (minilm.dimension, minilm.max_length, minilm.special_tokens) == (384, 256, "include")
    assert minilm.sha256 == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@pytest.mark.parametrize(
    "changes",
    [
        {  # QZhou-Embedding: the instruction is averaged in
            "name": "qzhou-embedding",
            "hub_id": "Kingsoft-LLM/QZhou-Embedding",
            "dimension": 3584,
            "pooling": "mean",
            "padding_side": "left",
            "template": "Instruct: {instruction}\nQuery:",
        },
        {  # Qwen3-Embedding: the last token of a causal network, and shorter vectors
            "name": "qwen3-embedding-0.6b",
            "hub_id": "Qwen/Qwen3-Embedding-0.6B",
            "dimension": 1024,
            "max_length": 32768,
            "attention": "causal",
            "pooling": "last_token",
            "padding_side": "left",
            "matryoshka_dimensions": [32, 64, 128, 256, 512, 768, 1024],
        },
    ],
)
def test_the_format_holds_the_next_families(spec_file, changes):
    loaded = load_spec(spec_file(**changes))
    for field, value in changes.items():
        assert getattr(loaded, field) == (tuple(value) if isinstance(value, list) else value)


def test_a_spec_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load_spec("minilm").dimension = 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pooling": "maen"}, "field 'pooling': .*'masked_mean', 'mean' or 'last_token', got 'maen'"),
        ({"attention": "both"}, "field 'attention': .*'causal' or 'bidirectional'"),
        ({"boundary": "token-count"}, "field 'boundary': .*'offsets' or 'token_count'"),
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
    with pytest.raises(SpecError, match="a spec is a mapping of fields, not list"):
        load_spec(broken)


def test_unknown_names_list_near_matches_and_known_names():
    with pytest.raises(
        UnknownModelError, match="unknown model 'minilmm'. Did you mean 'minilm'.*Known names: minilm, "
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


def test_the_spec_round_trips():
    minilm = load_spec("minilm")
    assert ModelSpec.model_validate(minilm.model_dump()) == minilm
