"""Whether a network holds what its files hold: every weight that counts, with the file's own values.

transformers loads a checkpoint that lacks weights, or an adapter for another network, without an error: what
it does not find stays random. It also sets some rows to zero after it has read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.base.modules import Transformer
from torch import Tensor

from youtu_st.backends.quiet import quiet_host
from youtu_st.errors import ModelLoadError
from youtu_st.loading.adapters import ADAPTER_WEIGHTS, base_directory

_NAME = "default"
"""What the host calls the one adapter of a directory, and writes into the names of its weights."""
_SAMPLE = 16
"""Tokens that are read to see whether a weight counts."""


def check_loaded(model: SentenceTransformer | CrossEncoder, directory: Path) -> None:
    """As :func:`check_weights`, for each transformer among a model's modules, and of a router's.

    Raises:
        ModelLoadError: As there.
    """
    folders = sorted({path.parent for path in directory.rglob("*.safetensors")}, key=str)
    for module in model.modules():
        if isinstance(module, Transformer) and folders:
            _check_any(module, folders)


def _check_any(transformer: Transformer, folders: Sequence[Path]) -> None:
    """A module's folder is not known to it: it is the one whose weights it has."""
    errors = []
    for folder in folders:
        try:
            check_weights(transformer, folder)
            return
        except ModelLoadError as error:
            errors.append(error)
    raise errors[0]


def check_weights(transformer: Transformer, directory: Path) -> None:
    """Compare a network with its files, and put back what the host changed after it had read it.

    A weight that the files do not hold is an error unless nothing that the module gives depends on it, as on
    BERT's pooler.

    Args:
        transformer: Loaded from the directory.
        directory: The checkpoint, or an adapter that names its checkpoint; one without ``.safetensors`` files
            is taken to be whole.

    Raises:
        ModelLoadError: With how many weights are missing, are not used or differ, and the first of them.
    """
    network: Any = transformer.model
    weights = {name: weight.data for name, weight in network.named_parameters()}
    if getattr(network, "hf_quantizer", None) is not None:  # packed in ways of their own
        return
    base = base_directory(directory)
    if base is not None:
        added = {name: _in_adapter(name) for name in weights}
        _check_adapter(network, directory, {known: weights[name] for name, known in added.items() if known})
        weights = {_in_base(name): weight for name, weight in weights.items() if not added[name]}
        directory = base
    stored = Stored(_files(directory), weights)
    if not stored:
        return
    missing = [name for name in weights if not stored.like(name)]
    if missing and base is None:
        _check_missing(transformer, missing, len(weights), directory)
    elif missing:
        raise _missing(network, missing, len(weights), directory)
    tables = _tables(network)
    for name, weight in weights.items():
        _check_values(name, weight, stored.like(name), stored, tables.get(name))


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.glob("*.safetensors") if path.name != ADAPTER_WEIGHTS]


class Stored:
    """The tensors of some files, by the names of a network's weights.

    Either side may write a prefix before all names, such as that of the base model; which, is what gives the
    most names a tensor.

    Args:
        files: Files of weights.
        names: Names of the network's weights.
    """

    def __init__(self, files: Iterable[Path], names: Iterable[str]) -> None:
        self._files: dict[str, Path] = {}
        self._modern: dict[str, str] = {}
        for path in sorted(files):
            with safe_open(path, framework="pt") as file:
                self._files |= dict.fromkeys(file.keys(), path)
        self._modern = {modern(stored): stored for stored in self._files}
        self._ours, self._theirs = self._prefixes(list(names))

    def __bool__(self) -> bool:
        return bool(self._files)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def like(self, name: str) -> str | None:
        """The stored name of a weight."""
        with_prefix = self._theirs + name.removeprefix(self._ours)
        return self._modern.get(name) or self._modern.get(with_prefix)

    def read(self, stored: str) -> Tensor:
        """A tensor, as it is in its file."""
        with safe_open(self._files[stored], framework="pt") as file:
            tensor: Tensor = file.get_tensor(stored)
            return tensor

    def _prefixes(self, names: Sequence[str]) -> tuple[str, str]:
        def found(pair: tuple[str, str]) -> tuple[int, int]:
            ours, theirs = pair
            known = sum(n.startswith(ours) and theirs + n[len(ours) :] in self._modern for n in names)
            return known, -len(ours + theirs)

        return max(product(_starts(names), _starts(self._modern)), key=found)


def _starts(names: Iterable[str]) -> list[str]:
    """What may be a prefix of names: nothing, or the first of their parts, with its dot."""
    parts = [name.split(".") for name in names]
    starts = {".".join(part[:n]) + "." for part in parts for n in (1, 2) if len(part) > n}
    return ["", *sorted(start for start in starts if not start.rstrip(".").rpartition(".")[2].isdigit())]


def _check_missing(transformer: Transformer, missing: list[str], n: int, directory: Path) -> None:
    network: Any = transformer.model
    missing = _that_count(transformer, missing)
    if not missing:
        return
    # It may have found some under other names, or made them of several: it says which it did not.
    with quiet_host():
        _, report = type(network).from_pretrained(
            directory, config=network.config, output_loading_info=True, dtype=network.dtype
        )
    missing = [name for name in missing if name in report["missing_keys"]]
    if missing:
        raise _missing(network, missing, n, directory)


def _missing(network: Any, missing: list[str], n: int, directory: Path) -> ModelLoadError:
    kind = type(network).__name__
    whose = "a reranker" if "For" in kind else "this model"
    return ModelLoadError(
        f"{len(missing)} of the {n} weights of {kind} are not in {directory} (the first: {missing[0]}), and "
        f"would be random: is it {whose}'s checkpoint, and whole?"
    )


def _that_count(transformer: Transformer, names: list[str]) -> list[str]:
    """Those of some weights that what the module gives depends on: seen by making each not a number."""
    network: Any = transformer.model
    ids = (
        torch.arange(1, _SAMPLE + 1, device=network.device)[None]
        % network.get_input_embeddings().num_embeddings
    )
    features = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "modality": "text"}
    count = []
    for name in names:
        weight = network.get_parameter(name)
        before = weight.data.clone()
        with torch.inference_mode(False), torch.no_grad():
            weight.fill_(torch.nan)
            given = transformer(dict(features))
            weight.copy_(before)
        outputs = [value for key, value in given.items() if key not in features and key != "pooler_output"]
        floats = [value for value in outputs if isinstance(value, Tensor) and value.is_floating_point()]
        if not all(value.isfinite().all() for value in floats):
            count.append(name)
    return count


def _check_values(name: str, weight: Tensor, like: str | None, stored: Stored, zeroed: int | None) -> None:
    """Raise if a weight differs from the one that is stored; the row that the host zeroes is put back.

    Args:
        name: The weight's.
        weight: As it was loaded.
        like: Its name there; None where it has none, or is made of others.
        stored: The files.
        zeroed: Of a table, the row of padding, which some of the host's networks set to zero.
    """
    if like is None or weight.is_meta or not weight.is_floating_point():
        return
    tensor = stored.read(like)
    if tensor.shape != weight.shape:
        return
    tensor = tensor.to(weight.device, weight.dtype)
    if _equal(weight, tensor):
        return
    if zeroed is not None and not weight[zeroed].any():
        patched = weight.clone()
        patched[zeroed] = tensor[zeroed]
        if _equal(patched, tensor):
            weight.copy_(patched)
            return
    # Some are read in another order than they are stored in.
    if not _equal(weight.flatten().sort().values, tensor.flatten().sort().values):
        raise ModelLoadError(
            f"{name} was loaded with other values than its file holds: transformers does not read this "
            "checkpoint as it was saved"
        )


def _equal(left: Tensor, right: Tensor) -> bool:
    return torch.equal(left, right) or bool(torch.isclose(left, right, rtol=0, atol=0, equal_nan=True).all())


def _tables(network: torch.nn.Module) -> dict[str, int]:
    """The row of padding of each table of embeddings that has one, by the name of the table's weight."""
    return {
        f"{name}.weight": module.padding_idx
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Embedding) and module.padding_idx is not None
    }


def _check_adapter(network: Any, directory: Path, loaded: dict[str, Tensor]) -> None:
    """Raise unless all that an adapter holds is in the network, with its values, and nothing else is."""
    stored = Stored([directory / ADAPTER_WEIGHTS], loaded)
    fits = {stored.like(name): name for name in loaded}
    unused = [name for name in stored if name not in fits]
    if unused or not loaded:
        raise ModelLoadError(
            f"{len(unused)} weights of the adapter in {directory} fit nothing in {type(network).__name__} "
            f"(the first: {unused[0] if unused else 'none'}): is it an adapter for this model?"
        )
    absent = [name for name in loaded if stored.like(name) is None]
    if absent:
        raise _missing(network, absent, len(loaded), directory)
    for name, weight in loaded.items():
        _check_values(name, weight, stored.like(name), stored, None)


def _in_adapter(name: str) -> str | None:
    """What an adapter's file calls one of its weights, after a prefix; None for one of the network's own."""
    if _NAME not in (parts := name.split(".")):
        return None
    return ".".join(part for part in parts if part not in (_NAME, "modules_to_save"))


def _in_base(name: str) -> str:
    """What the checkpoint under an adapter calls a weight that the adapter has wrapped."""
    return name.replace(".base_layer.", ".").replace(".original_module.", ".")


def modern(name: str) -> str:
    """The name today: old BERT checkpoints call the weight of a layer norm gamma, and its bias beta."""
    return name.replace("gamma", "weight").replace("beta", "bias")
