"""What a model says of itself: one list of fields, from a spec's file to a saved model and its examination."""

from __future__ import annotations

import json

import pytest
from checkpoints import HIDDEN
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

import youtu_st
from youtu_st.errors import InputError, ModelLoadError, SpecError
from youtu_st.modules import InstructionTransformer, fingerprint
from youtu_st.modules.settings import (
    check_prompts,
    declared_pooling,
    normalizes,
    ours,
    prompt_for,
    prompts_for,
)
from youtu_st.rerank.transformer import RerankTransformer
from youtu_st.spec.model import MaskRule, ModelSpec, ModuleSettings, load_spec
from youtu_st.verification.subject import Expected, load_subject

OTHERWISE = {
    "boundary": "token_count",
    "special_tokens": "include",
    "attention": "causal",
    "padding_side": "left",
    "template": "Do {instruction}:",
    "matryoshka_dimensions": {"from": 8},
    "split_special_tokens": True,
}
"""Each field at another value than its default; a new field belongs here, and nowhere else."""


@pytest.fixture
def stock(checkpoint):
    transformer = Transformer(str(checkpoint("qwen2", "bpe-bos")))
    return SentenceTransformer(modules=[transformer, Pooling(HIDDEN, pooling_mode="lasttoken")])


def test_a_field_of_the_module_is_written_once(checkpoint, spec_file, tmp_path):
    fields = set(ModuleSettings.model_fields)
    assert fields == OTHERWISE.keys()
    assert fields <= ModelSpec.model_fields.keys() & Expected.model_fields.keys()
    assert set(InstructionTransformer.config_keys) - set(Transformer.config_keys) == fields
    assert set(RerankTransformer.config_keys) > fields
    raw, spec = checkpoint("qwen2", "bpe-bos"), spec_file(**OTHERWISE)
    out = youtu_st.convert(spec, checkpoint=raw, out=tmp_path / "out")
    saved = json.loads((out / "sentence_bert_config.json").read_text("utf-8"))
    assert {name: saved[name] for name in fields} == OTHERWISE
    for model in (youtu_st.load(spec, raw), youtu_st.load(out)):
        assert {name: getattr(model[0], name) for name in fields} == OTHERWISE
        assert model[0].settings == ModuleSettings(**OTHERWISE)
        assert json.loads(fingerprint.identity(model, HIDDEN)["mask"]) == {
            name: OTHERWISE[name] for name in MaskRule.model_fields
        }
    by_spec, by_itself = load_subject(spec, checkpoint=raw).expected, load_subject(out).expected
    assert {name: getattr(by_spec, name) for name in fields} == OTHERWISE
    assert {name: getattr(by_itself, name) for name in fields} == OTHERWISE | {"padding_side": None}
    assert by_spec.prompts == load_spec(spec).prompts


def test_the_module_checks_its_fields(checkpoint):
    raw = checkpoint("qwen2", "bpe-bos")
    with pytest.raises(
        SpecError, match="field 'boundary': .*'offsets', 'token_count' or 'prompt_length', got 'tokens'"
    ):
        InstructionTransformer(str(raw), boundary="tokens")
    with pytest.raises(SpecError, match="field 'template': must contain {instruction} exactly once"):
        InstructionTransformer(str(raw), template="Query:")
    module = InstructionTransformer(str(raw))
    assert module.settings == ModuleSettings(padding_side="right")
    assert module.settings is module.settings  # checked when a field has changed, not at every look
    module.padding_side, module.boundary = "left", "token_count"
    assert (module.tokenizer.padding_side, module.settings.boundary) == ("left", "token_count")
    module.boundary = "tokens"
    with pytest.raises(SpecError, match="InstructionTransformer: field 'boundary'"):
        module.tokenize_texts(["a"])


def test_ours_and_stock(tiny, stock):
    model = youtu_st.load(tiny)
    assert (ours(model), ours(stock)) == (model[0], None)
    assert (declared_pooling(model), declared_pooling(stock)) == ("masked_mean", "last_token")
    assert (normalizes(model), normalizes(stock)) == (True, False)
    assert declared_pooling(SentenceTransformer(modules=[stock[0], Normalize()])) is None


def test_prompts_of_a_stock_model(stock):
    assert (prompt_for(stock, "query"), prompt_for(stock, "document")) == ("", "")
    stock.prompts = {"passage": "p: "}
    assert (prompt_for(stock, "query"), prompt_for(stock, "document")) == ("", "p: ")
    stock.prompts["other"], stock.default_prompt_name = "o: ", "other"
    assert (prompt_for(stock, "query"), prompt_for(stock, "document")) == ("o: ", "p: ")
    assert prompts_for(stock, "document", [None, ""], 2) == ["p: ", ""]
    with pytest.raises(InputError, match="this model takes no instructions"):
        prompts_for(stock, "query", "Find it", 1)


def test_a_prompt_must_leave_room(tiny):
    model = youtu_st.load(tiny)
    model.max_seq_length = 24
    check_prompts(model)
    assert prompts_for(model, "query", ["Find", "", None], 3) == [
        "Instruction: Find \nQuery:",
        "",
        prompt_for(model, "query"),
    ]
    with pytest.raises(
        InputError, match=r"the prompt of the instruction has \d+ tokens .* reads 24: no room"
    ):
        prompts_for(model, "query", "many words " * 20, 1)
    model.max_seq_length = 4
    with pytest.raises(
        ModelLoadError, match=r"the query prompt has \d+ tokens and the model reads 4: no room"
    ):
        check_prompts(model)
