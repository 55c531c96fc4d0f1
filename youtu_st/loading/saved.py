"""A directory that names its modules itself, as ``save_pretrained`` writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from sentence_transformers.util import import_from_string

from youtu_st.errors import ModelLoadError, brief

_OURS = "youtu_st."
_TORCH = "torch."
_KNOWN = (_OURS, "sentence_transformers.")


def module_types(directory: Path) -> list[str]:
    """The classes of a directory's modules; none where it names none."""
    return [entry["type"] for entry in _entries(directory)]


def are_known(types: list[str]) -> bool:
    """Whether classes are ours or sentence-transformers', so that no code of others runs for them."""
    return all(name.startswith(_KNOWN) for name in types)


def own_modules(
    directory: Path, network: dict[str, Any], trust_remote_code: bool
) -> list[torch.nn.Module] | None:
    """The modules of a saved directory, where some are this package's and the others sentence-transformers'.

    The stock loader wants trust_remote_code for our own classes too; public API needs none. None for any
    other directory: the stock loader knows best, and asks for trust_remote_code where it must.
    """
    types = module_types(directory)
    if not are_known(types) or not any(name.startswith(_OURS) for name in types):
        return None
    classes: list[Any] = [import_from_string(name) for name in types]
    return [
        module.load(
            str(directory),
            subfolder=entry["path"],
            trust_remote_code=trust_remote_code,
            model_kwargs=dict(network),  # each may change its own
        )
        for module, entry in zip(classes, _entries(directory), strict=True)
    ]


def check_activations(directory: Path) -> None:
    """Raise for a layer whose activation is code of others: the host computes another one in its stead.

    Raises:
        ModelLoadError: Naming the layer and the code.
    """
    for entry in _entries(directory):
        path = directory / entry["path"] / "config.json"
        settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        activation = settings.get("activation_function", _TORCH)
        if isinstance(activation, str) and not activation.startswith(_TORCH):
            raise ModelLoadError(
                f"{path}: the activation {brief(activation)} is code of others: pass trust_remote_code=True "
                "if you trust it"
            )


def _entries(directory: Path) -> list[dict[str, str]]:
    path = directory / "modules.json"
    entries: list[dict[str, str]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return entries
