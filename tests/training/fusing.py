"""Tiny saved models and what fine-tuning might make of them, for the tests of fusion."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import youtu_st


def save_base(out: Path, spec: Path, checkpoint: Path) -> Path:
    """A saved model with random weights."""
    youtu_st.load(spec, checkpoint, device="cpu").save_pretrained(str(out), create_model_card=False)
    return out


def tensors(directory: Path) -> dict[str, Tensor]:
    """All weights of a directory, of one file or of several."""
    found: dict[str, Tensor] = {}
    for path in directory.glob("*.safetensors"):
        found |= load_file(path)
    return found


def write(directory: Path, weights: dict[str, Tensor]) -> Path:
    """Give a directory other weights, in one file."""
    for path in directory.glob("model*.safetensors*"):
        path.unlink()
    save_file(
        {name: weight.contiguous() for name, weight in weights.items()}, directory / "model.safetensors"
    )
    return directory


def tuned(out: Path, base: Path, seed: int, dtype: torch.dtype = torch.float32) -> Path:
    """A copy of a saved model of which about half of all elements have moved."""
    generator = torch.Generator().manual_seed(seed)
    shutil.copytree(base, out)

    def moved(weight: Tensor) -> Tensor:
        noise, chosen = (torch.rand(weight.shape, generator=generator) for _ in range(2))
        return (weight.float() + 0.2 * (noise - 0.5) * (chosen < 0.5)).to(dtype)

    return write(out, {name: moved(weight) for name, weight in tensors(base).items()})


def shard(directory: Path, parts: int = 3) -> Path:
    """Spread a directory's weights over files and an index, as ``save_pretrained`` does with large ones."""
    weights = tensors(directory)
    (directory / "model.safetensors").unlink()
    places = {name: f"model-{i % parts + 1:05}-of-{parts:05}.safetensors" for i, name in enumerate(weights)}
    for file in {*places.values()}:
        save_file({name: weights[name] for name, place in places.items() if place == file}, directory / file)
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    return directory


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    """Change a JSON file in place."""
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
