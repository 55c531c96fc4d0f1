"""What a plain directory cannot be told is an error that names the rule, and nothing is left of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import (
    HIDDEN,
    TEXTS,
    cross_encoder_checkpoint,
    remote_checkpoint,
    reranker_checkpoint,
    unigram,
)
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

import youtu_st
from youtu_st.errors import ModelLoadError
from youtu_st.loading import plain, stock, vacant
from youtu_st.loading.plain import write_plain, write_plain_reranker
from youtu_st.rerank import Reranker

NONE = {"query": "", "document": ""}
KEEPS = "; youtu_st.convert keeps it, and so does youtu-st export without --plain"
OFFSETS = (
    "stock modules cannot be told the masked mean with boundary 'offsets': they leave out as many tokens as the "
    "prompt has alone, also where its last one is joined to the text's first, as a space at its end is"
    + KEEPS
)
EXCLUDE = (
    "stock modules cannot be told the masked mean with special_tokens 'exclude': they count the tokens that the "
    "tokenizer adds" + KEEPS
)
COUNT = (
    "stock modules cannot be told the masked mean with boundary 'token_count': for the document prompt '' it "
    "leaves out 1, and they 0 of the first tokens" + KEEPS
)
COUNT_EOS = (
    "stock modules cannot be told the masked mean with boundary 'token_count': for the query prompt '查询：' it "
    "leaves out 10, and they 9 of the first tokens" + KEEPS
)


def refused(model: SentenceTransformer, tmp_path: Path) -> str:
    """The message; nothing else is there afterwards than was before."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ModelLoadError) as caught:
        write_plain(model, tmp_path / "new" / "out")
    assert sorted(tmp_path.rglob("*")) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("architecture", "tokenizer", "changes", "message"),
    [
        ("youtu", "bpe-bos", {}, OFFSETS),
        ("youtu", "bpe-bos", {"special_tokens": "include"}, OFFSETS),
        ("qwen2", "bpe", {"prompts": {"query": "Find: ", "document": ""}}, OFFSETS),
        ("qwen3", "bpe-eos", {"prompts": {"query": "", "document": "passage:"}}, OFFSETS),
        ("bert", "wordpiece", {"prompts": NONE}, EXCLUDE),
        ("qwen2", "bpe-bos", {"prompts": NONE}, EXCLUDE),
        ("youtu", "bpe-bos", {"boundary": "token_count"}, COUNT),
        (
            "qwen3",
            "bpe-eos",
            {"boundary": "token_count", "prompts": {"query": "查询：", "document": "a"}},
            COUNT_EOS,
        ),
    ],
)
def test_rules_of_the_mask(checkpoint, spec_file, tmp_path, architecture, tokenizer, changes, message):
    model = youtu_st.load(spec_file(**changes), checkpoint(architecture, tokenizer), device="cpu")
    assert refused(model, tmp_path) == message


def test_the_mask_that_is_refused_gives_other_vectors(checkpoint, spec_file):
    """The host's own classes, told all that they can be told, move queries by far more than rounding."""
    directory = checkpoint("youtu", "bpe-bos")
    model = youtu_st.load(spec_file(), directory, device="cpu")
    transformer = Transformer(str(directory))
    transformer.model.config.is_causal = False
    pooling = Pooling(HIDDEN, "mean", include_prompt=False)
    host = SentenceTransformer(
        modules=[transformer, pooling, Normalize()], prompts=model.prompts, device="cpu"
    )
    texts = ["What is up", "The weather", "ok then"]
    assert np.abs(host.encode_query(texts) - model.encode_query(texts)).max() > 0.05
    assert np.abs(host.encode_document(texts) - model.encode_document(texts)).max() > 0.005


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision(checkpoint, spec_file, tmp_path, dtype):
    """Our pooling is float32's; one token's own vector, which nothing scales, has no more digits than it."""
    given: dict[str, Any] = {"pooling": "cls", "normalize": True}
    directory = checkpoint("bert", "wordpiece")
    model = youtu_st.load(spec_file(**given), directory, device="cpu").to(getattr(torch, dtype))
    assert refused(model, tmp_path) == (
        f"stock modules cannot be told pooling in float32 over a network in {dtype}: their vectors are rounded to "
        f"{dtype}; load the model with dtype='float32'"
    )
    bare = youtu_st.load(spec_file(**given | {"normalize": False}), directory, device="cpu")
    bare.to(getattr(torch, dtype))
    again = SentenceTransformer(str(write_plain(bare, tmp_path / "out")), device="cpu")
    assert again.dtype == getattr(torch, dtype)
    alone = [np.concatenate([one.encode_query([text]) for text in TEXTS]) for one in (bare, again)]
    np.testing.assert_array_equal(*alone)


@pytest.mark.slow
def test_a_checkpoint_in_half_precision_that_is_computed_in_float32(checkpoint, spec_file, tmp_path):
    """Its files are float32's then, and read as such."""
    half = tmp_path / "half"
    youtu_st.convert(spec_file(), checkpoint=checkpoint("youtu", "bpe-bos"), out=half)
    model = youtu_st.load(half, dtype="bfloat16", device="cpu")
    model.save_pretrained(str(tmp_path / "bfloat16"))
    spec = spec_file(boundary="prompt_length")
    model = youtu_st.load(spec, tmp_path / "bfloat16", dtype="float32", device="cpu")
    again = SentenceTransformer(str(write_plain(model, tmp_path / "out")), device="cpu")
    assert again.dtype == torch.float32
    np.testing.assert_allclose(again.encode_document(TEXTS), model.encode_document(TEXTS), atol=1e-6)


def test_code_of_others(tmp_path, spec_file, monkeypatch):
    """It is trusted here, and where the directory is read it would not be: it does not run a second time."""
    ran = tmp_path / "ran"
    forward = f"    def __init__(self, config):\n        open({str(ran)!r}, 'a').write('x')\n        super().__init__(config)\n"
    directory = remote_checkpoint(tmp_path / "remote", forward)
    model = youtu_st.load(spec_file(pooling="mean"), directory, trust_remote_code=True, device="cpu")
    times = ran.read_text()
    assert refused(model, tmp_path) == (
        "stock modules cannot be told the network 'TinyModel', code of its own: they run it only with "
        "trust_remote_code; load the model where that may be passed"
    )
    assert ran.read_text() == times


class Halved(torch.nn.Module):
    """Somebody's activation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 2


class Shifted(Normalize):
    """Somebody's module."""


def test_modules_and_activations_of_others(checkpoint, spec_file, tmp_path):
    model = youtu_st.load(spec_file(pooling="mean"), checkpoint("bert", "wordpiece"), device="cpu")
    ends = "code of its own: they run it only with trust_remote_code; load the model where that may be passed"
    mine = SentenceTransformer(modules=[*list(model)[:2], Shifted()], device="cpu")
    assert refused(mine, tmp_path) == f"stock modules cannot be told the module 'Shifted', {ends}"
    mine = SentenceTransformer(
        modules=[*list(model)[:2], Dense(HIDDEN, 8, activation_function=Halved())], device="cpu"
    )
    assert refused(mine, tmp_path) == f"stock modules cannot be told the activation 'Halved', {ends}"


def test_stock_modules_behind_ours_come_along(checkpoint, spec_file, tmp_path):
    model = youtu_st.load(spec_file(pooling="mean"), checkpoint("bert", "wordpiece"), device="cpu")
    deeper = SentenceTransformer(
        modules=[*list(model)[:2], Dense(HIDDEN, 8)], prompts=model.prompts, device="cpu"
    )
    again = SentenceTransformer(str(write_plain(deeper, tmp_path / "out")), device="cpu")
    np.testing.assert_allclose(again.encode_query(TEXTS), deeper.encode_query(TEXTS), atol=1e-6)


def test_an_adapter(checkpoint, spec_file, tmp_path):
    peft = pytest.importorskip("peft")
    model = youtu_st.load(spec_file(pooling="mean"), checkpoint("qwen2", "bpe"), device="cpu")
    model.add_adapter(peft.LoraConfig(r=2, target_modules=["q_proj"]))
    assert refused(model, tmp_path) == (
        "stock modules cannot be told an adapter: its weights need another directory's; merge it: "
        "youtu_st.training.merge_adapter"
    )


def test_special_tokens_that_cannot_be_split(checkpoint, spec_file, tmp_path):
    """In a prompt they stay what they are; and a tokenizer whose model has </s> as a piece gives it."""
    prompts = {"query": "[SEP] query:", "document": ""}
    spec = spec_file(pooling="mean", split_special_tokens=True, prompts=prompts)
    message = refused(youtu_st.load(spec, checkpoint("bert", "wordpiece"), device="cpu"), tmp_path)
    assert message.startswith("stock modules cannot be told split_special_tokens: ")
    assert "the '[SEP]' of its prompt would be split too" in message
    directory = tmp_path / "unigram"
    youtu_st.load(spec_file(pooling="mean"), checkpoint("bert", "wordpiece"))[0].model.save_pretrained(
        directory
    )
    unigram().save_pretrained(directory)
    spec = spec_file(pooling="mean", split_special_tokens=True, max_length=64)
    message = refused(youtu_st.load(spec, directory, device="cpu"), tmp_path)
    assert "its tokenizer makes a token of '<s>' all the same" in message


def test_other_vectors_are_found(checkpoint, spec_file, tmp_path, monkeypatch):
    """Where a rule was wrong after all: the vectors decide."""
    model = youtu_st.load(spec_file(pooling="mean"), checkpoint("qwen2", "bpe-bos-eos"), device="cpu")
    monkeypatch.setattr(plain, "stock_pooling", lambda *_: Pooling(HIDDEN, "mean", include_prompt=False))
    message = refused(model, tmp_path)
    assert message.startswith("stock modules give another vector of ")
    assert "as a query (a value is " in message
    assert message.endswith(f" of its length apart, and 1e-06 is allowed){KEEPS}")


def test_other_tokens_are_found(checkpoint, spec_file, tmp_path, monkeypatch):
    model = youtu_st.load(
        spec_file(pooling="cls", max_length=64), checkpoint("bert", "wordpiece"), device="cpu"
    )
    monkeypatch.setattr(plain, "tokenizer_settings", lambda model: {"truncation_side": "left"})
    message = refused(model, tmp_path)
    assert message.startswith("stock modules give other tokens of ")
    assert message.endswith(KEEPS)
    monkeypatch.setattr(plain, "tokenizer_settings", stock.tokenizer_settings)
    told = stock.transformer_settings(model[0]) | {"max_seq_length": 63}
    monkeypatch.setattr(plain, "transformer_settings", lambda first: told)
    assert SentenceTransformer(str(_written_anyway(model, tmp_path, monkeypatch))).max_seq_length == 63
    assert refused(model, tmp_path).startswith("stock modules give other tokens of ")


def _written_anyway(model: SentenceTransformer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with monkeypatch.context() as patch:
        patch.setattr(plain, "check_alike", lambda *models: None)
        return write_plain(model, tmp_path / "unchecked")


def test_other_weights_are_found(checkpoint, spec_file, tmp_path, monkeypatch):
    model = youtu_st.load(spec_file(pooling="cls"), checkpoint("bert", "wordpiece"), device="cpu")
    load = plain._load

    def damaged(*given: Any) -> SentenceTransformer:
        loaded = load(*given)
        next(loaded.parameters()).data[3] += 1e-5
        return loaded

    monkeypatch.setattr(plain, "_load", damaged)
    assert refused(model, tmp_path).startswith("stock modules give other weights (")


def test_out_must_be_free(checkpoint, spec_file, tmp_path):
    model = youtu_st.load(spec_file(pooling="mean"), checkpoint("bert", "wordpiece"), device="cpu")
    out = tmp_path / "out"
    out.write_text("mine")
    with pytest.raises(ModelLoadError, match="out is not an empty directory: nothing is overwritten$"):
        write_plain(model, out)
    out.unlink()
    out.mkdir()
    (out / "mine").write_text("mine")
    with pytest.raises(ModelLoadError, match="out is not an empty directory: nothing is overwritten$"):
        write_plain(model, out)
    assert [path.name for path in out.iterdir()] == ["mine"]
    (out / "mine").unlink()
    link = tmp_path / "link"
    link.symlink_to(out, target_is_directory=True)
    assert write_plain(model, link) == link
    assert link.is_symlink()
    assert (out / "modules.json").is_file()
    (tmp_path / "under").write_text("a file")
    with pytest.raises(ModelLoadError, match="cannot write '.*under/a'"):
        write_plain(model, tmp_path / "under" / "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "out", "tiny.yaml", "under"]


@pytest.mark.slow
@pytest.mark.parametrize("step", ["check_alike", "_write", "flush", "take_place"])
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(28, "No space left on device"), RuntimeError("two\nlines")]
)
def test_nothing_is_left_of_what_was_stopped(checkpoint, spec_file, tmp_path, monkeypatch, step, error):
    model = youtu_st.load(spec_file(pooling="mean"), checkpoint("bert", "wordpiece"), device="cpu")

    def stop(*given: Any) -> None:
        raise error

    monkeypatch.setattr(vacant if step in ("flush", "take_place") else plain, step, stop)
    (tmp_path / "there").mkdir()
    for out in (tmp_path / "a" / "b" / "out", tmp_path / "out"):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(
            KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else ModelLoadError
        ) as caught:
            write_plain(model, out)
        assert sorted(tmp_path.rglob("*")) == before
        if isinstance(error, OSError):
            assert str(caught.value) == f"cannot write {str(out)!r}: [Errno 28] No space left on device"
        assert "\n" not in str(caught.value)


def test_a_cross_encoder_of_stock_modules_goes_through(tmp_path):
    host = CrossEncoder(str(cross_encoder_checkpoint(tmp_path / "raw")), device="cpu")
    host.max_seq_length = 64
    again = CrossEncoder(str(write_plain_reranker(host, tmp_path / "out")), device="cpu")
    pairs = [(left, right) for left in TEXTS for right in (*TEXTS, "first\nlast " * 99)]
    np.testing.assert_allclose(again.predict(pairs), host.predict(pairs), atol=1e-6)
    assert again.max_seq_length == 64
    with pytest.raises(ModelLoadError, match="out is not an empty directory: nothing is overwritten$"):
        write_plain_reranker(host, tmp_path / "out")


def test_a_reranker_with_a_template(tmp_path):
    reranker = Reranker("qwen3-reranker-0.6b", checkpoint=reranker_checkpoint(tmp_path / "raw"), device="cpu")
    with pytest.raises(ModelLoadError) as caught:
        write_plain_reranker(reranker.model, tmp_path / "out")
    assert str(caught.value) == (
        "stock modules cannot be told a reranker's template around a pair, which stays whole: they cut the end of "
        "all that is read, or join two texts by themselves; open it with youtu_st.rerank.Reranker"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_other_scores_are_found(tmp_path, monkeypatch):
    host = CrossEncoder(str(cross_encoder_checkpoint(tmp_path / "raw")), device="cpu")
    host.max_seq_length = 64
    monkeypatch.setattr(plain, "tokenizer_settings", lambda model: {"model_max_length": 16})
    with pytest.raises(ModelLoadError, match="^stock modules give another score for "):
        write_plain_reranker(host, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_a_stock_model_with_prompts_goes_through(checkpoint, tmp_path):
    """Re-saved and compared: a prompt that is left out, a side and a maximum that were set since it was loaded."""
    transformer = Transformer(str(checkpoint("qwen3", "bpe-bos-eos")))
    transformer.tokenizer.padding_side = "left"
    transformer.max_seq_length = 48
    modules = [transformer, Pooling(HIDDEN, "mean", include_prompt=False), Normalize()]
    host = SentenceTransformer(modules=modules, prompts={"query": "Find: ", "document": ""}, device="cpu")
    out = write_plain(host, tmp_path / "out")
    again = SentenceTransformer(str(out), device="cpu")
    assert (again.tokenizer.padding_side, again.max_seq_length, again.prompts["query"]) == (
        "left",
        48,
        "Find: ",
    )
    np.testing.assert_allclose(again.encode_query(TEXTS), host.encode_query(TEXTS), atol=1e-6)
    assert json.loads((out / "1_Pooling" / "config.json").read_text())["include_prompt"] is False
