"""Adapters, such as LoRA's: a few weights of their own, and the name of the checkpoint that they are for."""

from __future__ import annotations

import json
from pathlib import Path

from huggingface_hub import snapshot_download

from youtu_st.disk import read_bounded
from youtu_st.errors import ModelLoadError, brief
from youtu_st.spec.registry import expanded, is_directory, is_hub_id

ADAPTER_WEIGHTS = "adapter_model.safetensors"
_SETTINGS = "adapter_config.json"
_MOST_BYTES = 1 << 20
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json")


def base_of(directory: Path) -> str | None:
    """What the directory of an adapter says that the adapter is for; None for any other directory.

    Raises:
        ModelLoadError: If it says nothing, or neither a directory nor a hub id.
    """
    path = directory / _SETTINGS
    if not path.is_file():
        return None
    settings = json.loads(read_bounded(path, _MOST_BYTES))
    base = settings.get("base_model_name_or_path") if isinstance(settings, dict) else None
    if not isinstance(base, str) or not (is_directory(base) or is_hub_id(base)):
        raise ModelLoadError(
            f"{path} must name the adapter's model as base_model_name_or_path, a directory or a hub id, and "
            f"says {brief(base)}"
        )
    return base


def base_directory(directory: Path) -> Path | None:
    """The checkpoint of an adapter that has been loaded; None for any other directory.

    Raises:
        ModelLoadError: As for :func:`base_of`.
    """
    base = base_of(directory)
    if base is None:
        return None
    return expanded(base) if is_directory(base) else Path(snapshot_download(base, local_files_only=True))


def check_tokenizer(directory: Path) -> None:
    """Raise for an adapter without a tokenizer: the host looks for one there, and not beside its model.

    Raises:
        ModelLoadError: Naming what to do.
    """
    base = base_of(directory)
    if base is not None and not any((directory / name).is_file() for name in _TOKENIZER):
        raise ModelLoadError(
            f"the adapter in {directory} has no tokenizer: put that of {base} beside it, "
            "AutoTokenizer.from_pretrained(...).save_pretrained(...)"
        )
