"""What is in a checkpoint's directory, before a library reads it: files of bounded size and right shape."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from safetensors import safe_open

from youtu_st.disk import open_plain, read_bounded
from youtu_st.errors import ModelLoadError, brief, in_one_line, printable

MODULES = "modules.json"
_MOST_BYTES = 32 << 20
"""Of a file of settings; a tokenizer's, with thousands of added tokens, has a few megabytes."""
_MOST_DIGITS = 100
"""Of a number in one: a tokenizer without a maximum length has one of 31."""
_READ = (".json", ".safetensors", ".txt", ".model", ".jinja", ".py", ".bin")
_OBJECTS = (
    "config.json",
    "config_sentence_transformers.json",
    "generation_config.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
)
_ABSENT = object()
_PICKLED = {"pytorch_model": "model", "adapter_model": "adapter_model"}
"""Beginnings of files of weights that are read where there is none of that name in ``.safetensors``."""
# Tables and loops are made of these before any weight is looked at.
_SIZE = re.compile(r"(?:^|_)(?:layers?|positions?|embeddings|size|heads)$")
_MOST_LAYERS, _MOST = 10_000, 100_000_000


def check_contents(directory: Path) -> None:
    """Raise for a directory that would make a library hang, run code, or fail in words of its own.

    Raises:
        ModelLoadError: In one line, if something that is read is no plain file, settings are not what such
            settings are, or weights are pickled.
    """
    _check_kinds(directory)
    folders = [directory / path for path in _module_paths(directory) if path not in ("", ".")]
    folders = [folder for folder in folders if folder.exists()]  # a module without settings may have none
    for folder in folders:
        _check_kinds(folder)
    for folder in (directory, *folders):
        _check_pickled(folder)
        _check_weights(folder)
        for name in _OBJECTS:
            settings = _settings(folder / name)
            if settings is not _ABSENT and not isinstance(settings, dict):
                raise _wrong(folder / name, "an object", settings)
            if name == "config.json":
                _check_sizes(folder / name, settings)
    _check_sentence_settings(directory / "config_sentence_transformers.json")


def _check_kinds(folder: Path) -> None:
    """Every file that may be read is one: to open a pipe, or to read a device to its end, takes for ever."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise ModelLoadError(f"{folder} cannot be read: {(error.strerror or str(error)).lower()}") from error
    for name in names:
        if name.endswith(_READ) and not name.startswith("."):
            try:
                open_plain(folder / name).close()
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise ModelLoadError(f"{folder / name} cannot be read: {reason}") from error


def _check_pickled(folder: Path) -> None:
    for pickled, safe in _PICKLED.items():
        for suffix in ("", ".index.json"):
            bad = folder / f"{pickled}.bin{suffix}"
            good = (folder / f"{safe}.safetensors{also}" for also in ("", ".index.json"))
            if bad.exists() and not any(path.exists() for path in good):
                raise ModelLoadError(
                    f"{folder} has no weights as .safetensors, and those in {bad.name} are not read: pickled "
                    "ones can run code. Load it where you trust it, and save it with save_pretrained"
                )


def _check_weights(folder: Path) -> None:
    """The headers can be read; a file without a single weight would leave all of them to chance."""
    files = sorted(folder.glob("*.safetensors"))
    names = 0
    for path in files:
        try:
            with safe_open(path, framework="numpy") as file:
                names += len(file.keys())
        except Exception as error:  # its error is a kind of none of Python's
            raise ModelLoadError(in_one_line(f"{path} is damaged, or no file of weights", error)) from error
    if files and not names:
        raise ModelLoadError(f"{folder} has no weights: {files[0].name} holds none")


def _settings(path: Path) -> Any:
    """What a file of settings says."""
    if not path.exists():
        return _ABSENT
    try:
        return json.loads(read_bounded(path, _MOST_BYTES), parse_int=_number)
    except OSError as error:
        raise ModelLoadError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, RecursionError) as error:
        raise ModelLoadError(in_one_line(f"{path} is not valid JSON", error)) from error


def _number(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"it has a number of {len(digits):,} digits")
    return int(digits)


def _check_sizes(path: Path, settings: Any) -> None:
    """No table or list of layers in it is of a size that no network has."""
    for name, value in _items(settings):
        if _SIZE.search(name) and isinstance(value, int):
            most = _MOST_LAYERS if "layer" in name else _MOST
            if value > most:
                raise ModelLoadError(
                    f"{path}: {printable(name)} is {brief(value)}, and no network has over {most:,}"
                )
        if name == "num_hidden_layers" and isinstance(value, int) and value < 1:
            raise ModelLoadError(f"{path}: {name} is {value}: a network has layers")


def _items(settings: Any) -> Iterator[tuple[str, Any]]:
    """The names and values of settings, and of those inside them: a network may be made of networks."""
    parts = [settings]
    for part in parts:
        if isinstance(part, dict):
            yield from part.items()
            parts += part.values()


def _module_paths(directory: Path) -> list[str]:
    """The folders of the modules that a directory names, all of them inside it."""
    path = directory / MODULES
    modules = _settings(path)
    if modules is _ABSENT:
        return []
    if not isinstance(modules, list):
        raise _wrong(path, "a list of modules", modules)
    for module in modules:
        if not isinstance(module, dict) or not all(
            isinstance(module.get(name), str) for name in ("type", "path")
        ):
            raise _wrong(path, 'a list of modules with "type" and "path"', module)
        inside = PurePosixPath(module["path"])
        if inside.is_absolute() or ".." in inside.parts or "\0" in module["path"] or "\\" in module["path"]:
            raise ModelLoadError(f"{path}: {brief(module['path'])} is no folder inside of {directory}")
    return [module["path"] for module in modules]


def _check_sentence_settings(path: Path) -> None:
    settings = _settings(path)
    if settings is _ABSENT:
        return
    prompts = settings.get("prompts")
    if prompts is not None and not (
        isinstance(prompts, Mapping) and all(isinstance(prompt, str) for prompt in prompts.values())
    ):
        raise _wrong(path, 'prompts that are strings by their names, such as {"query": "..."}', prompts)
    for name in ("default_prompt_name", "similarity_fn_name"):
        if not isinstance(settings.get(name), str | None):
            raise _wrong(path, f"a name for {name}", settings[name])
    cut = settings.get("truncate_dim")
    if cut is not None and (not isinstance(cut, int) or isinstance(cut, bool) or not 0 < cut <= _MOST):
        raise _wrong(path, "a whole number from 1 on for truncate_dim", cut)


def _wrong(path: Path, what: str, found: Any) -> ModelLoadError:
    return ModelLoadError(f"{path} must hold {what}, not {brief(found)}")
