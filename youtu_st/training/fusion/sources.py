"""What is fused: a base and checkpoints, each a directory with weights, and the settings beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from youtu_st.errors import InputError, ModelLoadError
from youtu_st.loading.checkpoint import verify
from youtu_st.loading.contents import MODULES
from youtu_st.loading.loader import find, readable
from youtu_st.spec.model import ModelSpec
from youtu_st.spec.registry import expanded, is_directory
from youtu_st.training.fusion.tensors import INDEX, weight_files

_ADAPTER = "adapter_config.json"
_KEPT = (".json", ".txt", ".model", ".jinja", ".py")
"""Files that a checkpoint needs to load, beside its weights."""
_LEFT = (INDEX, "trainer_state.json")
# Exports for other runtimes, and what a trainer writes beside the model that it has trained.
_OTHERS = ("onnx", "openvino", "original", "runs", "eval", "checkpoint-", ".")
_DEEPEST = 2
"""Folders in folders: a router's modules have theirs in its own."""


@dataclass(frozen=True)
class Source:
    """A base or a checkpoint.

    Attributes:
        name: What the user called it.
        directory: Where its files are.
        spec: What is known about it; None for a directory without one.
        weights: The files of weights of each of its folders, by the folder's path inside the directory, ``.``
            for the directory itself.
    """

    name: str
    directory: Path
    spec: ModelSpec | None
    weights: dict[str, list[Path]]

    @property
    def is_saved(self) -> bool:
        """Whether the directory says all of itself, as ``save_pretrained`` writes it."""
        return self.spec is None and (self.directory / MODULES).is_file()

    def settings_files(self) -> Iterator[Path]:
        """The files that a checkpoint needs beside its weights, relative to the directory."""
        for folder, names in _walk(self.directory):
            for name in names:
                if name.endswith(_KEPT) and name not in _LEFT:
                    yield folder / name


def locate(model: str | Path) -> Source:
    """The files of what :func:`youtu_st.load` takes.

    Raises:
        UnknownModelError: If nothing goes by that name.
        ModelLoadError: If its files cannot be had, or are an adapter's.
    """
    name = str(model)
    with readable(name):
        if is_directory(name):
            _check_no_adapter(name, expanded(name))
        spec, directory = find(model, None, {})
        _check_no_adapter(name, directory)
        if spec is not None:
            verify(spec, directory)
        saved = spec is None and (directory / MODULES).is_file()
        folders = [folder for folder, _ in _walk(directory)] if saved else [Path()]
        weights = {folder.as_posix(): weight_files(directory / folder) for folder in folders}
    found = {folder: files for folder, files in weights.items() if files}
    if not found:
        raise ModelLoadError(f"{name} has no weights as .safetensors in {directory}")
    return Source(name, directory, spec, found)


def locate_checkpoint(model: str | Path) -> Source:
    """As :func:`locate`, of what is to be fused.

    Raises:
        InputError: If nothing says which modules it is made of.
    """
    source = locate(model)
    if source.spec is None and not source.is_saved:
        raise InputError(
            f"{source.name} has no {MODULES}, so its prompts and pooling are not known: "
            "'youtu-st convert NAME --checkpoint DIR --out DIR' writes a directory that has one"
        )
    return source


def _check_no_adapter(name: str, directory: Path) -> None:
    for folder, names in _walk(directory):
        if _ADAPTER in names:
            raise ModelLoadError(
                f"{name} is an adapter, such as LoRA's ({directory / folder / _ADAPTER}), and no whole "
                f"checkpoint: merge it into its model first, by youtu_st.training.merge_adapter"
            )


def _walk(directory: Path) -> Iterator[tuple[Path, list[str]]]:
    """The folders of a model, relative to its directory, and the names of the files in each."""
    for where, folders, names in os.walk(directory):
        inside = Path(where).relative_to(directory)
        own = sorted(folder for folder in folders if not folder.startswith(_OTHERS))
        folders[:] = own if len(inside.parts) < _DEEPEST else []
        yield inside, sorted(name for name in names if not name.startswith("."))
