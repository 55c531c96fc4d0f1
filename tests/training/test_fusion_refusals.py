"""What is no fusion is told in one line that names both sides, and nothing is written."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys

import pytest
import torch
from fusing import edit, save_base, shard, tensors, tuned, write

import youtu_st
from youtu_st.errors import InputError, MissingDependencyError, ModelLoadError, UnknownModelError, YoutuError
from youtu_st.training.fusion import fuse

FIRST = "encoder.layer.0.output.dense.weight"


@pytest.fixture
def base(tmp_path, spec_file, checkpoint):
    return save_base(tmp_path / "base", spec_file(), checkpoint("bert", "wordpiece"))


@pytest.fixture
def pair(tmp_path, base):
    return [tuned(tmp_path / f"tuned-{seed}", base, seed) for seed in (1, 2)]


@pytest.fixture
def refused(tmp_path):
    """``refused(base, checkpoints, error, *words)``: the one line, which holds all words."""

    def call(base, checkpoints, error, *words, **options):
        before = sorted(tmp_path.iterdir())
        with pytest.raises(error) as caught:
            fuse(base, checkpoints, out=options.pop("out", tmp_path / "out"), **options)
        assert sorted(tmp_path.iterdir()) == before
        message = str(caught.value)
        assert isinstance(caught.value, YoutuError)
        assert "\n" not in message
        for word in words:
            assert str(word) in message
        return message

    return call


def test_another_tensor_on_either_side(base, pair, refused):
    whole = tensors(pair[1])
    write(pair[1], {name: weight for name, weight in whole.items() if name != FIRST})
    refused(base, pair, InputError, pair[0], pair[1], FIRST, "1 of the ")
    refused(base, pair[::-1], InputError, pair[0], pair[1], FIRST, "1 tensor not in")
    write(pair[1], {**whole, "head.weight": torch.ones(2, 2)})
    refused(base, pair, InputError, pair[0], pair[1], "head.weight")


def test_a_tensor_that_all_checkpoints_lack(base, pair, refused):
    for side in pair:
        write(side, {name: weight for name, weight in tensors(side).items() if name != FIRST})
    refused(base, pair, InputError, base, pair[0], FIRST, "1 tensor not in")
    refused(base, pair[:1], InputError, base, pair[0], FIRST, "1 tensor not in")


def test_a_tensor_that_the_base_lacks(base, pair, refused):
    write(base, {name: weight for name, weight in tensors(base).items() if name != FIRST})
    refused(base, pair, InputError, pair[0], base, FIRST)


def test_another_shape_in_a_checkpoint_or_the_base(base, pair, refused):
    for side in (pair[1], base):
        whole = tensors(side)
        write(side, {**whole, FIRST: torch.ones(32, 63)})
        refused(base, pair, InputError, pair[0], side, FIRST, "(32, 64)", "(32, 63)")
        write(side, whole)


def test_another_dtype(base, pair, refused):
    write(pair[1], {name: weight.half() for name, weight in tensors(pair[1]).items()})
    refused(base, pair, InputError, pair[0], pair[1], "F32", "F16")


@pytest.mark.parametrize("other", [torch.arange(9).flip(0), torch.arange(9, dtype=torch.int32)])
def test_other_positions(base, pair, refused, other):
    for one, ids in zip(pair, (torch.arange(9), other), strict=True):
        write(one, {**tensors(one), "embeddings.position_ids": ids})
    refused(base, pair, InputError, *pair, "embeddings.position_ids")


@pytest.mark.parametrize("side", [0, 1])
def test_another_tokenizer(base, pair, refused, side):
    """Two words have changed places: all sizes are what they were."""

    def swap(content):
        words = content["model"]["vocab"]
        a, b = "the", "##s"
        words[a], words[b] = words[b], words[a]

    target = pair[1] if side else base
    edit(target / "tokenizer.json", swap)
    refused(base, pair, InputError, target, pair[0], "tokenizers")


def test_a_tokenizer_that_is_written_in_other_words_is_the_same(tmp_path, base, pair):
    edit(
        pair[1] / "tokenizer.json",
        lambda content: content.update(
            padding=None,
            truncation={"direction": "Right", "max_length": 9, "strategy": "LongestFirst", "stride": 0},
        ),
    )
    edit(pair[0] / "tokenizer.json", lambda content: content.pop("version"))
    fuse(base, pair, out=tmp_path / "out")


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("1_InstructionMaskedPooling/config.json", "pooling", "last_token"),
        ("sentence_bert_config.json", "special_tokens", "include"),
        ("sentence_bert_config.json", "boundary", "token_count"),
        ("sentence_bert_config.json", "template", "{instruction}: "),
        ("sentence_bert_config.json", "split_special_tokens", True),
        ("config_sentence_transformers.json", "truncate_dim", 8),
        ("config.json", "hidden_act", "relu"),
        ("config.json", "layer_norm_eps", 1e-5),
    ],
)
def test_other_settings(base, pair, refused, file, key, value):
    before = json.loads((pair[0] / file).read_text()).get(key)
    edit(pair[1] / file, lambda content: content.update({key: value}))
    refused(base, pair, InputError, *pair, key, repr(before), repr(value))


def test_other_prompts(base, pair, refused):
    edit(pair[1] / "config_sentence_transformers.json", lambda c: c["prompts"].update(query="find: "))
    refused(base, pair, InputError, *pair, "the query prompt", "'find: '")


def test_another_normalisation(base, pair, refused):
    edit(pair[1] / "modules.json", lambda content: content.pop())
    refused(base, pair, InputError, *pair, "modules", "Normalize")


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("1_InstructionMaskedPooling/config.json", "pooling", "last_token"),
        ("sentence_bert_config.json", "special_tokens", "include"),
        ("config.json", "num_attention_heads", 2),
    ],
)
def test_a_base_with_other_rules(base, pair, refused, file, key, value):
    edit(base / file, lambda content: content.update({key: value}))
    refused(base, pair, InputError, base, pair[0], key, repr(value))


def test_a_base_by_name_with_other_rules(tmp_path, refused):
    saved = tmp_path / "saved"
    youtu_st.load("minilm", device="cpu").save_pretrained(str(saved), create_model_card=False)
    edit(saved / "sentence_bert_config.json", lambda content: content.update(special_tokens="exclude"))
    refused("minilm", [saved], InputError, "minilm", saved, "special_tokens")


def test_what_training_may_change_is_no_difference(tmp_path, base, pair):
    edit(base / "config_sentence_transformers.json", lambda c: c["prompts"].update(query="find: "))
    edit(base / "sentence_bert_config.json", lambda content: content.update(template=None))
    edit(pair[1] / "config.json", lambda c: c.update(hidden_dropout_prob=0.3, transformers_version="5.0.0"))
    edit(pair[1] / "sentence_bert_config.json", lambda content: content.update(max_seq_length=64))
    fuse(base, pair, out=tmp_path / "out")


def test_adapters(tmp_path, base, pair, refused):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "somebody/model"}')
    shutil.copy(pair[1] / "model.safetensors", adapter / "adapter_model.safetensors")
    refused(adapter, pair, ModelLoadError, adapter, "adapter", "merge it into its model first")
    refused(base, [pair[0], adapter], ModelLoadError, adapter, "adapter", "merge it into its model first")
    shutil.copy(adapter / "adapter_config.json", pair[1])
    refused(base, pair, ModelLoadError, pair[1], "merge it into its model first")


def test_quantized_weights(base, pair, refused):
    edit(pair[1] / "config.json", lambda content: content.update(quantization_config={"bits": 4}))
    refused(base, pair, ModelLoadError, pair[1], "quantized")


def test_what_is_no_model(tmp_path, base, pair, refused):
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", pair, ModelLoadError, tmp_path / "empty", "no weights")
    refused("minilmm", pair, UnknownModelError, "minilmm", "'minilm'")
    refused(tmp_path / "absent", pair, YoutuError, tmp_path / "absent")
    (pair[1] / "modules.json").unlink()
    refused(base, pair, InputError, pair[1], "modules.json", "youtu-st convert")
    refused("minilm", ["minilm"], InputError, "minilm", "save_pretrained")


@pytest.mark.parametrize("place", ["../base/model.safetensors", "absent.safetensors", "/dev/zero"])
def test_an_index_leads_nowhere_else(base, pair, refused, place):
    shard(pair[1])
    edit(
        pair[1] / "model.safetensors.index.json", lambda content: content["weight_map"].update({FIRST: place})
    )
    refused(base, pair, ModelLoadError, pair[1] / "model.safetensors.index.json")


@pytest.mark.parametrize("content", ["[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": 3}}', "{"])
def test_an_index_is_one(base, pair, refused, content):
    (shard(pair[1]) / "model.safetensors.index.json").write_text(content)
    refused(base, pair, ModelLoadError, pair[1])


def test_a_file_that_breaks_off(base, pair, refused):
    path = pair[1] / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    refused(base, pair, ModelLoadError, path)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_values_that_are_not_finite(base, pair, refused, value, side):
    target = pair[1] if side else base
    weights = tensors(target)
    weights[FIRST][3, 5] = value
    write(target, weights)
    refused(base, pair, InputError, target, FIRST, "not finite")


def test_a_result_that_its_dtype_cannot_hold(tmp_path, base, refused):
    half = tuned(tmp_path / "half", base, 1, torch.float16)
    weights = tensors(half)
    weights[FIRST][0, 0] += 60000
    write(half, weights)
    refused(base, [half], InputError, FIRST, "too large", method="task-arithmetic", weights=[2])


def test_out_that_is_not_empty_or_has_no_place(tmp_path, base, pair, refused):
    refused(base, pair, InputError, pair[0], "not an empty directory", out=pair[0])
    (tmp_path / "file").touch()
    refused(base, pair, InputError, tmp_path / "file", out=tmp_path / "file")
    refused(base, pair, InputError, tmp_path / "a", "no directory", out=tmp_path / "a" / "b")


def test_no_checkpoints(base, pair, refused):
    refused(base, [], InputError, "at least one")
    refused(base, str(pair[0]), InputError, "must be a list")


@pytest.mark.parametrize(
    "weights",
    [
        [1.0],
        [1.0, 2.0, 3.0],
        [],
        [1, -1],
        [1, math.nan],
        [1, math.inf],
        [0, 0],
        [1e308, 1e308],
        [1, True],
        [1, "2"],
        "12",
    ],
)
def test_weights_that_are_none(base, pair, refused, weights):
    refused(base, pair, InputError, "weight", weights=weights)


def test_an_unknown_method(base, pair, refused):
    message = refused(base, pair, InputError, "'delt'", "did you mean 'delta'", method="delt")
    for name in ("delta", "soup", "task-arithmetic", "ties", "slerp"):
        assert name in message


@pytest.mark.parametrize(
    ("method", "options", "word"),
    [("karcher", {"weights": [1, 2]}, "takes no weights"), ("nearswap", {}, "nearswap")],
)
def test_what_the_hosts_method_cannot_do(base, pair, refused, method, options, word):
    refused(base, pair, InputError, method, word, method=method, **options)


@pytest.mark.slow
def test_without_mergekit_its_methods_say_what_to_install(tmp_path, base, pair):
    code = f"""
import sys
sys.modules["mergekit"] = None
from youtu_st.training.fusion import fuse
for method in ("ties", "delt", "delta"):
    try:
        print(fuse({str(base)!r}, {list(map(str, pair))!r}, out={str(tmp_path / "out")!r}, method=method))
    except Exception as error:
        print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    absent, unknown, written = done.stdout.splitlines()
    assert absent.startswith(f"{MissingDependencyError.__name__} the package 'mergekit' must be installed")
    assert (
        unknown
        == "InputError unknown method 'delt' (did you mean 'delta'? known: delta, soup, task-arithmetic)"
    )
    assert written == str(tmp_path / "out")
