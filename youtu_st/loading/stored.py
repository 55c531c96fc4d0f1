"""What dtype a checkpoint is stored in, as its files say; no torch."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from youtu_st import disk

_CONFIG, _MODULES, _ADAPTER = "config.json", "modules.json", "adapter_config.json"
_MOST_BYTES, _MOST_HEADER = 1 << 22, 1 << 26
_LENGTH = 8
"""Bytes before the header of a safetensors file, which say how long it is."""
_FLOATS = {"F64": "float64", "F32": "float32", "BF16": "bfloat16", "F16": "float16"}


def stored_dtype(directory: Path) -> str:
    """The name of the dtype that transformers loads a checkpoint in, where it is left the choice.

    That is what the configuration says, or else the dtype of the first weights that are no integers.

    Args:
        directory: A transformers or sentence-transformers directory, or one of an adapter.

    Returns:
        Such as ``bfloat16``; ``float32`` where nothing says so.
    """
    folder = _network(directory)
    config = _json(folder / _CONFIG)
    if config is None and (folder / _ADAPTER).is_file():
        from youtu_st.loading.adapters import base_directory  # which loads the hub's client

        folder = base_directory(folder) or folder
        config = _json(folder / _CONFIG)
    said = (config or {}).get("dtype") or (config or {}).get("torch_dtype")
    if isinstance(said, str):
        return said.removeprefix("torch.")
    for path in sorted(folder.glob("*.safetensors")):
        for tensor in _header(path).values():
            if isinstance(tensor, dict) and tensor.get("dtype") in _FLOATS:
                return _FLOATS[tensor["dtype"]]
    return "float32"


def _network(directory: Path) -> Path:
    """Where the first module of a directory has its files; the directory itself where it names none."""
    modules: Any = _json(directory / _MODULES, list)
    first = modules[0] if modules else None
    path = first.get("path") if isinstance(first, dict) else None
    inside = directory / path if isinstance(path, str) else directory
    return inside if (inside / _CONFIG).is_file() or (inside / _ADAPTER).is_file() else directory


def _json(path: Path, kind: type = dict) -> Any:
    """What a file holds; None where it is not there, or holds something else: loading it says what."""
    with suppress(OSError, ValueError, RecursionError):
        content = json.loads(disk.read_bounded(path, _MOST_BYTES))
        return content if isinstance(content, kind) else None
    return None


def _header(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError, RecursionError), disk.open_plain(path) as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        content = json.loads(file.read(length)) if length <= _MOST_HEADER else {}
        return content if isinstance(content, dict) else {}
    return {}
