"""A low-rank adapter in place of all weights, and both made one again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer

from youtu_st.errors import InputError, require
from youtu_st.training.recipe import Lora


def add_adapter(model: SentenceTransformer, lora: Lora) -> None:
    """Put an adapter into a model: it alone is trained from then on.

    Raises:
        InputError: If the model has no layers of these names.
        MissingDependencyError: If peft is not installed.
    """
    peft = require("peft", "train")
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
