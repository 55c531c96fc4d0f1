"""Checkpoints on disk made one: values, files, dtypes, shards, and what is left after a fault."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest
import torch
from fusing import edit, save_base, shard, tensors, tuned, write
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense

import youtu_st
from youtu_st.training import fusion
from youtu_st.training.fusion import METHODS, fuse
from youtu_st.training.fusion import tensors as tensor_files

TEXTS = ["The weather is lovely today.", "He drove to the stadium.", "a"]


@pytest.fixture
def base(tmp_path, spec_file, checkpoint):
    return save_base(tmp_path / "base", spec_file(), checkpoint("bert", "wordpiece"))


@pytest.fixture
def pair(tmp_path, base):
    return [tuned(tmp_path / f"tuned-{seed}", base, seed) for seed in (1, 2)]


def by_hand(base, checkpoints, weights, method="delta"):
    """The formulas over whole models in float64."""
    found = {}
    for name, origin in tensors(base).items():
        origin = origin.double()
        each = [tensors(one)[name].double() for one in checkpoints]
        if method == "soup":
            found[name] = sum(w * one for w, one in zip(weights, each, strict=True)) / sum(weights)
            continue
        deltas = [one - origin for one in each]
        if method == "delta":
            total = sum(w * delta.abs() for w, delta in zip(weights, deltas, strict=True))
            shares = [
                (w * delta.abs() / total).nan_to_num(0.0) for w, delta in zip(weights, deltas, strict=True)
            ]
        else:
            shares = weights
        found[name] = origin + sum(share * delta for share, delta in zip(shares, deltas, strict=True))
    return found


def assert_weights(directory, expected, *, atol=1e-6, dtype=torch.float32):
    found = tensors(directory)
    assert found.keys() == expected.keys()
    for name, weight in found.items():
        assert weight.dtype == dtype
        torch.testing.assert_close(weight.double(), expected[name].double(), rtol=0, atol=atol)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("block", [7, 1 << 22])
def test_every_weight_is_the_formulas_whatever_the_block(tmp_path, base, pair, method, block, monkeypatch):
    monkeypatch.setattr(tensor_files, "BLOCK", block * 32)
    weights = [0.5, 2.0]
    out = fuse(base, pair, out=tmp_path / "out", method=method, weights=weights)
    assert out == tmp_path / "out"
    assert_weights(out, by_hand(base, pair, weights, method))


def test_the_result_loads_and_gives_the_vectors_of_a_model_made_by_hand(tmp_path, base, pair):
    fuse(base, pair, out=tmp_path / "out")
    hand = youtu_st.load(pair[0], device="cpu")
    values = {name: value.float() for name, value in by_hand(base, pair, [1, 1]).items()}
    with torch.no_grad():
        for name, weight in hand[0].model.named_parameters():
            weight.copy_(values[name])
    loaded = youtu_st.load(tmp_path / "out", device="cpu")
    for encode in ("encode_query", "encode_document"):
        found, expected = (getattr(model, encode)(TEXTS) for model in (loaded, hand))
        np.testing.assert_allclose(found, expected, atol=2e-6)
    apart = youtu_st.load(pair[0], device="cpu").encode_query(TEXTS)
    assert np.abs(apart - loaded.encode_query(TEXTS)).max() > 1e-2


@pytest.mark.slow
def test_minilm_is_a_base_by_its_name(tmp_path):
    """The package's file has positions that a saved model's has not."""
    saved = tmp_path / "saved"
    youtu_st.load("minilm", device="cpu").save_pretrained(str(saved), create_model_card=False)
    pair = [tuned(tmp_path / f"tuned-{seed}", saved, seed) for seed in (1, 2)]
    fuse("minilm", pair, out=tmp_path / "out")
    assert_weights(tmp_path / "out", by_hand(saved, pair, [1, 1]))
    assert youtu_st.load(tmp_path / "out", device="cpu").encode(TEXTS).shape == (3, 384)


@pytest.mark.slow
def test_a_name_may_be_a_checkpoint_too(tmp_path):
    saved = tmp_path / "saved"
    youtu_st.load("minilm", device="cpu").save_pretrained(str(saved), create_model_card=False)
    one = tuned(tmp_path / "tuned", saved, 1)
    fuse("minilm", ["minilm", one], out=tmp_path / "out", method="soup", weights=[1, 3])
    assert_weights(tmp_path / "out", by_hand(saved, [saved, one], [1, 3], "soup"))


@pytest.mark.parametrize("method", METHODS)
def test_one_checkpoint_gives_itself(tmp_path, base, pair, method):
    fuse(base, pair[:1], out=tmp_path / "out", method=method)
    assert_weights(tmp_path / "out", tensors(pair[0]))


@pytest.mark.parametrize("method", ["delta", "soup"])
def test_a_checkpoint_with_itself_is_itself_and_keeps_its_fingerprint(tmp_path, base, pair, method):
    fuse(base, [pair[0], pair[0]], out=tmp_path / "out", method=method)
    assert_weights(tmp_path / "out", tensors(pair[0]))
    assert youtu_st.Encoder(tmp_path / "out").fingerprint == youtu_st.Encoder(pair[0]).fingerprint


def test_where_nothing_moved_the_base_is_given_back(tmp_path, base, pair):
    fuse(base, [base, base], out=tmp_path / "out")
    found = tensors(tmp_path / "out")
    assert all(torch.equal(found[name], weight) for name, weight in tensors(base).items())


def test_the_order_of_checkpoints_does_not_matter(tmp_path, base, pair):
    fuse(base, pair, out=tmp_path / "out", weights=[1, 2])
    fuse(base, pair[::-1], out=tmp_path / "back", weights=[2, 1])
    assert_weights(tmp_path / "back", tensors(tmp_path / "out"))


def test_shards_of_one_side_or_all_change_nothing(tmp_path, base, pair):
    fuse(base, pair, out=tmp_path / "whole")
    expected = tensors(tmp_path / "whole")
    shard(base)
    shard(pair[1], 2)
    fuse(base, pair, out=tmp_path / "out")
    assert_weights(tmp_path / "out", expected, atol=0)
    fuse(base, pair[::-1], out=tmp_path / "sharded")
    names = sorted(path.name for path in (tmp_path / "sharded").glob("model*"))
    assert names == sorted(path.name for path in pair[1].glob("model*"))
    assert len(names) == 3
    assert_weights(tmp_path / "sharded", expected)
    vectors = [youtu_st.load(tmp_path / name, device="cpu").encode(TEXTS) for name in ("out", "sharded")]
    np.testing.assert_allclose(*vectors, atol=1e-6)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.bfloat16, 2e-2), (torch.float16, 2e-3)])
@pytest.mark.parametrize("method", METHODS)
def test_half_precision_is_computed_in_float32_and_kept(tmp_path, base, dtype, atol, method):
    half = tuned(tmp_path / "base16", base, 0, dtype)
    pair = [tuned(tmp_path / f"half-{seed}", half, seed, dtype) for seed in (1, 2)]
    fuse(half, pair, out=tmp_path / "out", method=method)
    expected = {name: weight.to(dtype) for name, weight in by_hand(half, pair, [1, 1], method).items()}
    assert_weights(tmp_path / "out", expected, atol=atol, dtype=dtype)
    exact = [torch.equal(tensors(tmp_path / "out")[name], weight) for name, weight in expected.items()]
    assert sum(exact) > len(exact) / 2  # rounded once: in half precision all along, hardly one would be
    youtu_st.load(tmp_path / "out", device="cpu").encode(TEXTS)


def test_a_base_in_half_precision_goes_with_checkpoints_in_full(tmp_path, base):
    half = tuned(tmp_path / "base16", base, 0, torch.bfloat16)
    full = write(
        shutil.copytree(half, tmp_path / "full"),
        {name: weight.float() for name, weight in tensors(half).items()},
    )
    pair = [tuned(tmp_path / f"tuned-{seed}", full, seed) for seed in (3, 4)]
    fuse(half, pair, out=tmp_path / "out")
    assert_weights(tmp_path / "out", by_hand(half, pair, [1, 1]))


@pytest.mark.parametrize("prefix", ["bert.", "model.encoder."])
def test_a_base_may_have_a_prefix_before_all_names_and_old_names(tmp_path, base, pair, prefix):
    expected = by_hand(base, pair, [1, 1])
    old = {
        prefix
        + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): weight
        for name, weight in tensors(base).items()
    }
    write(base, {**old, "cls.predictions.bias": torch.zeros(3)})
    (base / "modules.json").unlink()  # a raw checkpoint, as a hub has it
    fuse(base, pair, out=tmp_path / "out")
    assert_weights(tmp_path / "out", expected)


def test_positions_are_copied_and_a_pooler_that_the_base_lacks_is_the_first_ones(tmp_path, base, pair):
    for seed, one in enumerate(pair):
        extra = {
            "pooler.dense.bias": torch.full((32,), float(seed)),
            "embeddings.position_ids": torch.arange(9),
        }
        write(one, {**tensors(one), **extra})
    write(base, {name: weight for name, weight in tensors(base).items() if "pooler" not in name})
    fuse(base, pair, out=tmp_path / "out")
    found = tensors(tmp_path / "out")
    assert found["pooler.dense.bias"].tolist() == [0.0] * 32
    assert torch.equal(found["embeddings.position_ids"], torch.arange(9))


def test_weights_of_a_further_module_are_fused_too(tmp_path, base):
    """A linear layer has a folder of its own, with a file of its own."""
    modules = [*youtu_st.load(base, device="cpu"), Dense(32, 8)]
    base = tmp_path / "deep"
    SentenceTransformer(modules=modules).save_pretrained(str(base), create_model_card=False)
    (folder,) = base.glob("*Dense")
    pair = []
    for seed in (1, 2):
        one = tuned(tmp_path / f"tuned-{seed}", base, seed)
        tuned(tmp_path / "layer", folder, seed)
        shutil.rmtree(one / folder.name)
        pair.append(one)
        (tmp_path / "layer").rename(one / folder.name)
    fuse(base, pair, out=tmp_path / "out")
    assert_weights(tmp_path / "out", by_hand(base, pair, [1, 1]))
    layers = [one / folder.name for one in pair]
    assert_weights(tmp_path / "out" / folder.name, by_hand(folder, layers, [1, 1]))
    assert youtu_st.load(tmp_path / "out", device="cpu").encode(TEXTS).shape == (3, 8)


def test_all_other_files_are_the_first_checkpoints_but_not_what_a_trainer_left(tmp_path, base, pair):
    first = pair[0]
    (first / "README.md").write_text("# trained on")
    (first / "trainer_state.json").write_text("{}")
    (first / "training_args.bin").write_bytes(b"pickled")
    (first / "optimizer.pt").write_bytes(b"pickled")
    (first / "checkpoint-500").mkdir()
    (first / "checkpoint-500" / "config.json").write_text("{}")
    edit(first / "tokenizer_config.json", lambda settings: settings.update(note="first"))
    fuse(base, pair, out=tmp_path / "out")
    left = {
        "README.md",
        "trainer_state.json",
        "training_args.bin",
        "optimizer.pt",
        "checkpoint-500/config.json",
    }
    files = {str(path.relative_to(first)) for path in first.rglob("*") if path.is_file()} - left
    assert files == {
        str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()
    }
    for name in files - {"model.safetensors"}:
        assert (tmp_path / "out" / name).read_bytes() == (first / name).read_bytes()


def test_an_empty_directory_is_written_into(tmp_path, base, pair):
    (tmp_path / "out").mkdir()
    fuse(base, pair, out=tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").is_file()


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError, MemoryError])
def test_what_stops_it_midway_leaves_nothing(tmp_path, base, pair, fault, monkeypatch):
    calls = []

    def stopping(*arguments):
        calls.append(len(calls))
        if len(calls) == 5:
            raise fault("stopped")
        return METHODS["soup"](*arguments)

    monkeypatch.setitem(fusion.METHODS, "delta", stopping)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(fault):
        fuse(base, pair, out=tmp_path / "out")
    assert len(calls) == 5
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("method", ["linear", "ties"])
def test_other_methods_are_the_hosts(tmp_path, base, pair, method):
    weights = [0.25, 0.75]
    fuse(base, pair, out=tmp_path / "out", method=method, weights=weights)
    origin, *each = (youtu_st.load(path, device="cpu") for path in [base, *pair])
    more = {"base_model": origin} if method == "ties" else {}
    expected = SentenceTransformer.merge(each, method, parameters={"weight": weights}, **more)
    wanted = dict(expected[0].model.named_parameters())
    loaded = youtu_st.load(tmp_path / "out", device="cpu")
    assert wanted
    for name, weight in loaded[0].model.named_parameters():
        torch.testing.assert_close(weight, wanted[name])
    if method == "linear":
        assert_weights(tmp_path / "out", by_hand(base, pair, weights, "soup"))


def test_slerp_is_between_two_checkpoints_or_the_base_and_one(tmp_path, base, pair):
    fuse(base, pair, out=tmp_path / "two", method="slerp")
    fuse(base, pair[:1], out=tmp_path / "one", method="slerp")
    key = "encoder.layer.0.output.dense.weight"
    for name, sides in (("two", pair), ("one", [base, pair[0]])):
        left, right = (tensors(side)[key].double() for side in sides)
        cosine = (left * right).sum() / left.norm() / right.norm()
        half = torch.arccos(cosine) / 2
        expected = (left + right) * torch.sin(half) / torch.sin(2 * half)
        torch.testing.assert_close(tensors(tmp_path / name)[key].double(), expected, atol=1e-5, rtol=0)


def test_the_progress_counts_every_tensor(tmp_path, base, pair, monkeypatch):
    counted = []
    module = sys.modules[fuse.__module__]
    shown = module.progress_bar

    def bar(total, show, unit):
        made = shown(total, show, unit)
        counted.append((total, show, unit, made))
        return made

    monkeypatch.setattr(module, "progress_bar", bar)
    fuse(base, pair, out=tmp_path / "out", progress=True)
    ((total, show, unit, made),) = counted
    assert (total, show, unit, made.n) == (len(tensors(base)), True, "tensor", len(tensors(base)))
