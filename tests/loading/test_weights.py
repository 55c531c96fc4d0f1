"""What is loaded is what the files hold, or an error; and nothing of the host's reports about it is seen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import TEXTS, byte_bpe, network, save_spec
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, enable_progress_bars
from oracle import Oracle
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense
from transformers import AutoModel, RobertaConfig, RobertaModel
from transformers.utils import logging as host

import youtu_st
from youtu_st.errors import ModelLoadError, TruncationWarning

WEIGHTS = "model.safetensors"
ADAPTER = "adapter_model.safetensors"


def write(directory: Path, weights: dict[str, torch.Tensor], name: str = WEIGHTS) -> None:
    save_file(weights, directory / name, metadata={"format": "pt"})


def copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    return target


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "tokenizer"), [("bert", "wordpiece"), ("qwen3", "bpe")])
def test_each_single_weight_that_is_missing_is_an_error(
    checkpoint, tmp_path, architecture, tokenizer
) -> None:
    directory = copied(checkpoint(architecture, tokenizer), tmp_path / "raw")
    spec = save_spec(tmp_path / "s.yaml", attention="bidirectional" if architecture == "bert" else "causal")
    whole = load_file(directory / WEIGHTS)
    for name in whole:
        write(directory, {other: weight for other, weight in whole.items() if other != name})
        with pytest.raises(ModelLoadError, match=rf"1 of the \d+ weights .* \(the first: {name}\)"):
            youtu_st.load(spec, directory)


def test_weights_with_the_prefix_of_another_class_are_found(checkpoint, tmp_path) -> None:
    """A classifier's checkpoint opened as an encoder; a table of positions is as much a weight as others."""
    directory = copied(checkpoint("bert", "wordpiece"), tmp_path / "raw")
    spec = save_spec(tmp_path / "s.yaml")
    want = youtu_st.load(spec, directory).encode_query(TEXTS)
    prefixed = {f"bert.{name}": weight for name, weight in load_file(directory / WEIGHTS).items()}
    old = {name.replace("LayerNorm.weight", "LayerNorm.gamma"): weight for name, weight in prefixed.items()}
    for stored in (prefixed, old):
        write(directory, {**stored, "cls.predictions.bias": torch.ones(3)})
        np.testing.assert_array_equal(youtu_st.load(spec, directory).encode_query(TEXTS), want)
    prefixed.pop("bert.embeddings.position_embeddings.weight")
    write(directory, prefixed)
    with pytest.raises(ModelLoadError, match=r"1 of the 39 .* embeddings\.position_embeddings\.weight"):
        youtu_st.load(spec, directory)


def test_a_saved_directory_that_lacks_weights_is_an_error(tiny, tmp_path) -> None:
    saved = copied(tiny, tmp_path / "saved")
    weights = load_file(saved / WEIGHTS)
    write(saved, {name: weight for name, weight in weights.items() if "layers.1.mlp" not in name})
    with pytest.raises(ModelLoadError, match=r"3 of the 26 weights of YoutuModel .*layers\.1\.mlp"):
        youtu_st.load(saved)


def test_the_row_of_padding_is_the_files(checkpoint, tmp_path) -> None:
    """transformers sets it to zero in this architecture, after it has read it."""
    directory = copied(checkpoint("youtu", "bpe-bos"), tmp_path / "raw")
    config = json.loads((directory / "config.json").read_text())
    token = byte_bpe(bos=True)("The", add_special_tokens=False)["input_ids"][0]
    (directory / "config.json").write_text(json.dumps(config | {"pad_token_id": token}))
    table = load_file(directory / WEIGHTS)["embed_tokens.weight"]
    oracle = Oracle(directory)
    with torch.no_grad():
        oracle.model.embed_tokens.weight.copy_(table)
    text = "The weather. The stadium."
    assert token in oracle.ids(text)
    model = youtu_st.load(save_spec(tmp_path / "s.yaml"), directory)
    want = oracle.by_offsets("", text)
    np.testing.assert_allclose(model.encode_document([text])[0], want, atol=1e-6)
    assert torch.equal(model[0].model.embed_tokens.weight, table)


@pytest.fixture(scope="module")
def lora(checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """An adapter for the tiny Qwen3, with weights that change its vectors, as PEFT writes it."""
    made = tmp_path_factory.mktemp("lora") / "adapter"
    base = AutoModel.from_pretrained(checkpoint("qwen3", "bpe"))
    torch.manual_seed(3)
    tuned = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"]))
    with torch.no_grad():
        for name, weight in tuned.named_parameters():
            if "lora_B" in name:
                weight.normal_(0.0, 0.3)
    tuned.save_pretrained(made)
    byte_bpe().save_pretrained(made)
    return lambda out: copied(made, out)


def test_an_adapter_gives_the_vectors_of_its_model_with_its_weights_added(lora, checkpoint, tmp_path):
    adapter, base = lora(tmp_path / "adapter"), checkpoint("qwen3", "bpe")
    merged, added = load_file(base / WEIGHTS), load_file(adapter / ADAPTER)
    start = "base_model.model."
    for name in {key.rpartition(".lora_")[0] for key in added}:
        change = added[f"{name}.lora_B.weight"] @ added[f"{name}.lora_A.weight"]
        merged[f"{name.removeprefix(start)}.weight"] += change * (8 / 4)
    write(copied(base, tmp_path / "merged"), merged)
    spec = save_spec(tmp_path / "s.yaml", attention="causal")
    want = youtu_st.load(spec, tmp_path / "merged").encode_query(TEXTS)
    got = youtu_st.load(spec, adapter)
    np.testing.assert_allclose(got.encode_query(TEXTS), want, atol=1e-5)
    plain = youtu_st.load(spec, base)
    assert np.abs(plain.encode_query(TEXTS) - want).max() > 0.05
    assert youtu_st.Encoder(got).fingerprint != youtu_st.Encoder(plain).fingerprint


def test_an_adapter_that_fits_nothing_or_not_all_is_an_error(lora, checkpoint, tmp_path) -> None:
    adapter = lora(tmp_path / "adapter")
    spec = save_spec(tmp_path / "s.yaml", attention="causal")
    whole = load_file(adapter / ADAPTER)
    renamed = {name.replace("layers", "blocks"): weight for name, weight in whole.items()}
    one = next(name for name in whole if "layers.1" in name)
    half = {name.replace("layers.1", "layers.7"): weight for name, weight in whole.items()}
    for stored, message in (
        (renamed, "8 weights of the adapter in .* fit nothing in Qwen3Model"),
        (half, r"4 weights of the adapter in .* \(the first: \S*layers\.7"),
        ({name: weight for name, weight in whole.items() if name != one}, r"1 of the 8 weights .*layers\.1"),
    ):
        write(adapter, stored, ADAPTER)
        with pytest.raises(ModelLoadError, match=message):
            youtu_st.load(spec, adapter)
    write(adapter, whole, ADAPTER)
    broken = copied(checkpoint("qwen3", "bpe"), tmp_path / "base")
    settings = json.loads((adapter / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = str(broken)
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    weights = load_file(broken / WEIGHTS)
    weights.pop("layers.0.self_attn.k_proj.weight")
    write(broken, weights)
    with pytest.raises(ModelLoadError, match=r"1 of the \d+ weights .*layers\.0\.self_attn\.k_proj"):
        youtu_st.load(spec, adapter)
    (broken / WEIGHTS).rename(broken / "pytorch_model.bin")
    with pytest.raises(ModelLoadError, match="pickled"):
        youtu_st.load(spec, adapter)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (adapter / name).unlink()
    with pytest.raises(ModelLoadError, match=r"the adapter in .* has no tokenizer: put that of .*base"):
        youtu_st.load(spec, adapter)
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": null}')
    with pytest.raises(ModelLoadError, match="must name the adapter's model .* and says None"):
        youtu_st.load(spec, adapter)


def test_an_activation_that_would_be_replaced_in_silence_is_an_error(tiny, tmp_path) -> None:
    modules = [*SentenceTransformer(str(tiny), trust_remote_code=True)]
    size = modules[1].get_embedding_dimension()
    stock = SentenceTransformer(modules=[*modules[:2], Dense(size, 8, activation_function=torch.nn.ReLU())])
    stock.save_pretrained(str(tmp_path / "dense"))
    want = stock.encode_query(TEXTS)
    np.testing.assert_allclose(youtu_st.load(tmp_path / "dense").encode_query(TEXTS), want, atol=1e-6)
    (settings,) = (tmp_path / "dense").glob("2_*/config.json")
    told = json.loads(settings.read_text()) | {"activation_function": "somebody.layers.Swish"}
    settings.write_text(json.dumps(told))
    with pytest.raises(ModelLoadError, match=r"activation 'somebody\.layers\.Swish' is code of others"):
        youtu_st.load(tmp_path / "dense")


@pytest.mark.parametrize("told", [{}, {"model_max_length": 66}])
def test_positions_that_are_not_there_are_not_read(tmp_path, told) -> None:
    """RoBERTa's files name as many positions as its table has rows, of which the first two are none."""
    torch.manual_seed(1)
    tokenizer = byte_bpe(bos=True)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = RobertaConfig(vocab_size=len(tokenizer), max_position_embeddings=66, pad_token_id=0, **sizes)
    net = RobertaModel(config, add_pooling_layer=False)
    rows = net.embeddings.position_embeddings
    limit = rows.num_embeddings - (rows.padding_idx + 1)
    net.save_pretrained(tmp_path / "raw")
    tokenizer.save_pretrained(tmp_path / "raw")
    settings = json.loads((tmp_path / "raw" / "tokenizer_config.json").read_text()) | told
    (tmp_path / "raw" / "tokenizer_config.json").write_text(json.dumps(settings))
    model = youtu_st.load(save_spec(tmp_path / "s.yaml", max_length=66), tmp_path / "raw")
    assert model.max_seq_length == limit == 65
    text = "The weather " * 200
    with pytest.warns(TruncationWarning, match="cut to the model's 65 tokens"):
        vector = youtu_st.Encoder(model).encode_document([text])
    oracle = Oracle(tmp_path / "raw")
    want = oracle.hidden(oracle.ids(text, limit))[1:].mean(axis=0)
    np.testing.assert_allclose(vector[0], want / np.linalg.norm(want), atol=1e-5)


@pytest.fixture
def loud() -> Iterator[None]:
    """The host's reports and bars as they are at first: a command that ran in this process has turned them off."""
    verbosity, bars, downloads = (
        host.get_verbosity(),
        host.is_progress_bar_enabled(),
        are_progress_bars_disabled(),
    )
    host.set_verbosity_warning()
    host.enable_progress_bar()
    yield
    host.set_verbosity(verbosity)
    if not bars:
        host.disable_progress_bar()
    if not downloads:
        enable_progress_bars()


def test_loading_says_nothing_and_leaves_the_hosts_reports_as_they_were(
    checkpoint, tmp_path, capfd, caplog, loud
) -> None:
    directory = checkpoint("bert", "wordpiece")  # without a pooler, of which transformers makes a table
    before = host.get_verbosity(), host.is_progress_bar_enabled(), are_progress_bars_disabled()
    capfd.readouterr()
    youtu_st.load(save_spec(tmp_path / "s.yaml"), directory)
    assert (*capfd.readouterr(), caplog.text) == ("", "", "")
    AutoModel.from_pretrained(directory)
    assert "pooler.dense.weight" in caplog.text
    assert "Loading weights" in capfd.readouterr().err
    assert (host.get_verbosity(), host.is_progress_bar_enabled(), are_progress_bars_disabled()) == before


def test_the_tiny_networks_pooler_is_none() -> None:
    """What the first test relies on: every weight of these checkpoints counts."""
    assert not any("pooler" in name for name, _ in network("bert").named_parameters())
