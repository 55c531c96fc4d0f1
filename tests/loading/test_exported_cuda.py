"""A graph on a card of NVIDIA's gives the vectors of the processor; skipped where there is no card."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import TEXTS

import youtu_st
from youtu_st import Encoder
from youtu_st.backends.packages import onnx_runtime
from youtu_st.errors import ModelLoadError

if not torch.cuda.is_available():
    pytest.skip("there is no card of NVIDIA's", allow_module_level=True)
if importlib.util.find_spec("onnxruntime") is None:
    pytest.skip("the extra onnx is not installed", allow_module_level=True)
if "CUDAExecutionProvider" not in onnx_runtime().get_available_providers():
    pytest.skip("onnxruntime-gpu is not installed", allow_module_level=True)

ASKED = [*TEXTS, "many words in a row " * 100]
CASES = [
    ("bert", "wordpiece", "bidirectional", "masked_mean"),
    ("qwen2", "bpe-bos", "bidirectional", "masked_mean"),
    ("qwen3", "bpe-bos", "causal", "last_token"),
    ("youtu", "bpe-bos", "bidirectional", "masked_mean"),
]


@pytest.mark.parametrize(("architecture", "tokenizer", "attention", "pooling"), CASES)
def test_all_architectures_give_the_processors_vectors(
    checkpoint: Callable[..., Path],
    spec_file: Callable[..., Path],
    tmp_path: Path,
    architecture: Any,
    tokenizer: Any,
    attention: str,
    pooling: str,
) -> None:
    spec = spec_file(attention=attention, pooling=pooling)
    weights = checkpoint(architecture, tokenizer)
    reference = Encoder(spec, checkpoint=weights, device="cpu", truncation="ignore", unknown="ignore")
    out = youtu_st.export(spec, checkpoint=weights, out=tmp_path / "out", engine="onnx")
    encoder = Encoder(out, device="cuda", truncation="ignore", unknown="ignore")
    assert encoder.runtime == {"backend": "onnx", "dtype": "float32", "device": "cuda"}
    assert encoder.fingerprint == reference.fingerprint
    for role in ("encode_query", "encode_document"):
        expected = getattr(reference, role)(ASKED)
        np.testing.assert_allclose(getattr(encoder, role)(ASKED), expected, atol=1e-5)
    with ThreadPoolExecutor(16) as threads:
        each = list(threads.map(lambda text: encoder.encode_query([text])[0], ASKED * 4))
    np.testing.assert_allclose(each, np.tile(reference.encode_query(ASKED), (4, 1)), atol=1e-5)


def test_a_card_that_is_not_there(tiny: Path, tmp_path: Path) -> None:
    out = youtu_st.export(tiny, out=tmp_path / "out", engine="onnx")
    with pytest.raises(ModelLoadError, match="ONNX Runtime cannot use cuda:99"):
        Encoder(out, device="cuda:99")
