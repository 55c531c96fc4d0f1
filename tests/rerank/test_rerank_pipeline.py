"""What a reranker has from the one pipeline: several devices, totals, a second look in float32, equal pairs once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from checkpoints import TEXTS, cross_encoder_checkpoint
from safetensors.torch import load_file, save_file
from sentence_transformers import CrossEncoder

from youtu_st.errors import InputError, ModelLoadError
from youtu_st.rerank import Reranker

NAME = "qwen3-reranker-0.6b"
QUERY = "What is the capital of France?"
DOCUMENTS = [f"{i} {text}" for i in range(4) for text in TEXTS]


def test_several_devices_give_the_same_scores(raw, reranker):
    one = Reranker(NAME, checkpoint=raw, batch_tokens=120)
    two = Reranker(NAME, checkpoint=raw, device=["cpu", "cpu"], batch_tokens=120)
    pairs = [(QUERY, document) for document in DOCUMENTS]
    want = reranker.score(pairs)
    np.testing.assert_allclose(two.score(pairs), want, atol=1e-5)
    np.testing.assert_allclose(one.score(pairs), want, atol=1e-5)
    assert one.totals == two.totals
    assert two.totals.batches > 4
    assert "float32 on cpu, cpu" in repr(two)
    assert two.fingerprint == one.fingerprint
    assert [one.index for one in two.rank(QUERY, DOCUMENTS)] == np.argsort(-want, kind="stable").tolist()


def test_a_stock_cross_encoder_runs_on_several_devices(tmp_path):
    model = CrossEncoder(str(cross_encoder_checkpoint(tmp_path)), device="cpu")
    two = Reranker(tmp_path, device=["cpu", "cpu"], batch_tokens=64)
    pairs = [(QUERY, document) for document in DOCUMENTS]
    np.testing.assert_allclose(two.score(pairs), model.predict(pairs), atol=1e-6)
    assert two.totals.batches > 4


@pytest.mark.parametrize("device", [[], [None], 3])
def test_devices_that_are_none(raw, device):
    with pytest.raises((InputError, ModelLoadError), match="device must be"):
        Reranker(NAME, checkpoint=raw, device=device)


def test_an_error_on_one_of_several_devices_ends_the_call(raw):
    reranker = Reranker(NAME, checkpoint=raw, device=["cpu", "cpu"], batch_tokens=60)
    reranker._runner.pool.networks[1].model.insert(0, torch.nn.Linear(3, 3))
    with pytest.raises(Exception, match="linear"):
        reranker.rank(QUERY, DOCUMENTS)


def test_totals_count_pairs_and_equal_ones_go_once(raw, card):
    reranker = Reranker(NAME, checkpoint=raw)
    assert reranker.totals.texts == 0
    reranker.rank_many([QUERY, "weather", QUERY], [DOCUMENTS[:9], ["a", "a"], DOCUMENTS[:3]])
    totals = reranker.totals
    different = [(QUERY, document) for document in DOCUMENTS[:9]] + [("weather", "a")]
    assert (totals.texts, totals.encoded_texts) == (14, 10)
    assert totals.tokens == sum(len(card.ids(*pair)) for pair in different)
    assert totals.padded_tokens >= totals.tokens
    assert 1 <= totals.batches <= 3


def test_a_row_that_overflows_is_scored_again_in_float32(raw, tmp_path):
    """float16 ends at 65504; these weights go beyond it and come back to a fine score in float32."""
    large = tmp_path / "large"
    large.mkdir()
    for file in raw.iterdir():
        (large / file.name).write_bytes(file.read_bytes())
    weights = load_file(large / "model.safetensors")
    for name in weights:
        if "layers.0.mlp.up_proj" in name or "layers.0.mlp.down_proj" in name:
            weights[name] *= 3e3
    save_file(weights, large / "model.safetensors", {"format": "pt"})
    exact = Reranker(NAME, checkpoint=large, dtype="float32")
    half = Reranker(NAME, checkpoint=large, dtype="float16")
    assert half.runtime["dtype"] == "float16"
    pairs = [(QUERY, text) for text in TEXTS]
    with torch.inference_mode():
        direct = half.model(half.model.preprocess(pairs))["scores"]
    assert not torch.isfinite(direct).all()
    np.testing.assert_allclose(half.score(pairs), exact.score(pairs), atol=5e-3)


def test_a_models_default_prompt_counts(tmp_path):
    """As its own ``predict`` has it."""
    model = CrossEncoder(str(cross_encoder_checkpoint(tmp_path)), device="cpu")
    model.prompts, model.default_prompt_name = {"task": "Judge: "}, "task"
    pairs = [(QUERY, text) for text in TEXTS]
    reranker = Reranker(model)
    np.testing.assert_allclose(reranker.score(pairs), model.predict(pairs), atol=1e-6)
    model.default_prompt_name = None
    assert np.abs(reranker.score(pairs) - model.predict(pairs, prompt="Judge: ")).max() > 1e-4
