"""A low-rank adapter in place of all weights, and both made one again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer
from torch.nn import Linear

from youtu_st.backends.quiet import quiet_host
from youtu_st.errors import InputError, require
from youtu_st.loading import load
from youtu_st.loading.adapters import base_directory, base_of
from youtu_st.spec.registry import expanded, is_directory
from youtu_st.training.fusion.writing import check_out, whole_directory
from youtu_st.training.recipe import Lora


def add_adapter(model: SentenceTransformer, lora: Lora) -> None:
    """Put an adapter into a model: it alone is trained from then on.

    Raises:
        InputError: If the model has no layers of these names, or none so wide.
        MissingDependencyError: If peft is not installed.
    """
    peft = require("peft", "train")
    first: Any = model[0]
    layers = [layer for layer in first.model.modules() if isinstance(layer, Linear)]
    widest = max((min(layer.weight.shape) for layer in layers), default=0)
    if lora.r > widest:
        raise InputError(f"lora.r is {lora.r:,}, and no layer of the model is wider than {widest:,}")
    targets: Any = lora.target_modules
    config = peft.LoraConfig(
        task_type=peft.TaskType.FEATURE_EXTRACTION,
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
    )
    try:
        model.add_adapter(config)
    except ValueError as error:
        raise InputError(f"lora.target_modules: {' '.join(str(error).split())[:300]}") from error


def check_no_adapter(model: str | None) -> None:
    """Raise for the directory of an adapter: its model is frozen, and it is no base for another.

    Raises:
        InputError: Saying how to make it a model.
    """
    if model is None or not is_directory(model):
        return
    directory = expanded(model)
    base = base_of(directory)
    if base is not None:
        raise InputError(
            f"{model} is an adapter of {base}, and no whole model: merge the two, and train what comes out: "
            + merge_command(directory)
        )


def merge_command(adapter: Path) -> str:
    """What to type to merge an adapter."""
    merged = adapter.absolute().name + "-merged"
    code = f"merge_adapter({json.dumps(str(adapter))}, out={json.dumps(merged)})"
    return f"python -c {shlex.quote(f'from youtu_st.training import merge_adapter; {code}')}"


def merge_adapter(adapter: str | Path, *, out: str | Path, trust_remote_code: bool = False) -> Path:
    """Write a model with the weights of an adapter, such as a run with LoRA keeps, in its own, in float32.

    Args:
        adapter: The directory of the adapter, which says where its model is.
        out: The directory to write; must be absent or empty.
        trust_remote_code: As for :func:`youtu_st.load`.

    Returns:
        ``out``.

    Raises:
        InputError: If there is no adapter, or ``out`` is not what it may be.
        ModelLoadError: As for :func:`youtu_st.load`.
        MissingDependencyError: If peft is not installed.
    """
    require("peft", "train")
    directory = expanded(adapter)
    base = base_directory(directory)
    if base is None:
        raise InputError(f"{adapter} is no directory of an adapter: it has no adapter_config.json")
    target = check_out(out)
    model = load(directory, device="cpu", dtype="float32", trust_remote_code=trust_remote_code)
    first: Any = model[0]
    with quiet_host():
        # What was loaded has the adapter in it: the network as it is without.
        first.model = type(first.model).from_pretrained(
            str(base), config=first.model.config, dtype=first.model.dtype
        )
        with whole_directory(target) as written:
            merged(model, directory).eval().save_pretrained(str(written), create_model_card=False)
    return Path(out)


def merged(base: SentenceTransformer, adapter: Path) -> SentenceTransformer:
    """A model with an adapter's weights in its own.

    Args:
        base: The model that the adapter was made for; it is changed.
        adapter: The directory that a model with the adapter was saved to.
    """
    peft = require("peft", "train")
    first: Any = base[0]
    first.model = peft.PeftModel.from_pretrained(first.model, str(adapter)).merge_and_unload()
    return base
