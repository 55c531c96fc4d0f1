"""What dtype a checkpoint is stored in: as transformers finds it, told from the files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import checkpoints
import pytest
import torch
from transformers import AutoModel

import youtu_st
from youtu_st.loading.stored import stored_dtype

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("says", ["dtype", "torch_dtype", None])
def test_it_is_what_transformers_loads(tmp_path: Path, dtype: torch.dtype, says: str | None) -> None:
    checkpoints.network("bert").to(dtype).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config.pop("dtype", None)
    config.pop("torch_dtype", None)
    if says is not None:
        config[says] = str(dtype).removeprefix("torch.")
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded = AutoModel.from_pretrained(tmp_path, dtype="auto").dtype
    assert f"torch.{stored_dtype(tmp_path)}" == str(loaded) == str(dtype)


def test_a_directory_of_modules(tiny: Path, tmp_path: Path) -> None:
    youtu_st.load(tiny).to(torch.bfloat16).save_pretrained(str(tmp_path / "saved"))
    assert stored_dtype(tiny) == "float32"
    assert stored_dtype(tmp_path / "saved") == "bfloat16"
    # Older directories have the network in a folder of its own.
    saved = tmp_path / "saved"
    inside = saved / "0_Transformer"
    inside.mkdir()
    modules = json.loads((saved / "modules.json").read_text())
    modules[0]["path"] = inside.name
    (saved / "modules.json").write_text(json.dumps(modules))
    (saved / "config.json").rename(inside / "config.json")
    assert stored_dtype(saved) == "bfloat16"


def test_an_adapter_is_stored_as_its_model(tmp_path: Path) -> None:
    checkpoints.network("bert").to(torch.bfloat16).save_pretrained(tmp_path / "base")
    (tmp_path / "adapter").mkdir()
    settings = {"base_model_name_or_path": str(tmp_path / "base")}
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps(settings))
    assert stored_dtype(tmp_path / "adapter") == "bfloat16"


@pytest.mark.parametrize("config", ["", "[1]", "{}", '{"dtype": 7}', "[" * 50_000, None])
@pytest.mark.parametrize("weights", [b"", b"\xff" * 20, b"\x02" + bytes(7) + b"[]", None])
def test_what_says_nothing_is_float32(tmp_path: Path, config: Any, weights: Any) -> None:
    """Loading it says what is wrong with it."""
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    if weights is not None:
        (tmp_path / "model.safetensors").write_bytes(weights)
    (tmp_path / "modules.json").write_text('[{"path": 3}]')
    assert stored_dtype(tmp_path) == "float32"
