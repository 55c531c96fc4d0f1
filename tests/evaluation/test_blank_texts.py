"""The vector of a text without a character: what the model's own modules give it, or none at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import checkpoints
import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

import youtu_st
from youtu_st.cli.evaluation.loaded import blank_vector

PROMPT = "Instruction: Given a search query \nQuery:"


@pytest.mark.parametrize("prompt", ["", PROMPT])
@pytest.mark.parametrize(("architecture", "tokenizer"), [("youtu", "bpe-bos"), ("qwen2", "bpe")])
def test_the_mean_of_all_tokens(
    tmp_path: Path, checkpoint: Callable[[str, str], Path], architecture: str, tokenizer: str, prompt: str
) -> None:
    directory = checkpoint(architecture, tokenizer)
    spec = checkpoints.save_spec(tmp_path / "spec.yaml")
    encoder = youtu_st.Encoder(spec, checkpoint=directory, device="cpu", dtype="float32")
    (found,) = blank_vector(encoder)("query", prompt)
    ids = AutoTokenizer.from_pretrained(directory)(prompt, return_tensors="pt")["input_ids"].long()
    if not ids.numel():
        assert not found.any()
        return
    network = AutoModel.from_pretrained(directory, dtype=torch.float32).eval()
    network.config.is_causal = False
    with torch.inference_mode():
        mean = network(input_ids=ids).last_hidden_state[0].mean(dim=0).numpy()
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean), atol=1e-5)
