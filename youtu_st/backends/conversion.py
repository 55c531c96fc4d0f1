"""From a transformers module to an OpenVINO graph: converted once, checked, and kept on disk."""

from __future__ import annotations

import gc
import hashlib
import inspect
import json
import logging
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from filelock import FileLock
from sentence_transformers import SentenceTransformer
from torch import Tensor

from youtu_st import disk
from youtu_st.backends import Weights
from youtu_st.backends.openvino import GRAPH, Graph, OpenVINONetwork, dtype_for
from youtu_st.backends.packages import package
from youtu_st.backends.traced import quiet, ready_to_follow, rounded, takes_types, text_transformer
from youtu_st.disk import beside, cache_directory, replace, write_whole
from youtu_st.errors import ModelLoadError, YoutuError
from youtu_st.modules import checks, fingerprint
from youtu_st.modules.transformer import InstructionTransformer

FORMAT = 2
"""Of what is written here; another number makes every older entry of the cache a stranger."""

TOLERANCE = 1e-3
"""Largest difference from PyTorch's hidden states, relative to the largest of them, both in float32."""

_BIN = "model.bin"
_ENTRY = "entry.json"
_MOST_BYTES = 1 << 16
# What a configuration says of its own file rather than of the network.
_NOISE = {
    "_name_or_path",
    "architectures",
    "auto_map",
    "dtype",
    "tokenizer_class",
    "torch_dtype",
    "use_cache",
}
log = logging.getLogger("youtu_st")

Batch = dict[str, Tensor]


def convert_network(model: SentenceTransformer, *, dtype: str, weights: Weights | None) -> None:
    """Put an :class:`OpenVINONetwork` in the place of a model's transformers module, and let that go.

    The graph is read from the cache; where it is not there, it is made, compared with PyTorch, and kept.

    Args:
        model: As it was loaded: on the CPU, in the checkpoint's own dtype.
        dtype: ``auto``, ``checkpoint`` or a dtype's name: what to compute in.
        weights: ``int8`` to round the weights to 8 bits; None: as they are.

    Raises:
        ModelLoadError: If the model's first module is no ``Transformer`` that reads text, its network cannot
            be converted or then differs from PyTorch, or the cache cannot be written.
    """
    transformer = _transformer(model)
    config, name = transformer.model.config, type(transformer.model).__name__
    precision = dtype_for(dtype, transformer.model.dtype)
    digest = fingerprint.weights_digest(model)
    target = cache_directory() / "openvino" / f"{digest}-{_key(transformer, weights)}"
    try:
        graph = _kept(target, precision)
        if graph is None:
            target.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(target.with_suffix(".lock")):
                graph = _kept(target, precision)  # by another process, meanwhile
                if graph is None:
                    _make(transformer, target, weights)
                    graph = Graph(target)
        transformer.model = OpenVINONetwork(graph, config, dtype=precision, weights=weights)
        graph.compile(precision)
    except YoutuError:
        raise
    except OSError as error:
        raise ModelLoadError(
            f"cannot keep the converted network in {target.parent}: {error}; "
            "the environment variable YOUTU_ST_CACHE names another directory"
        ) from error
    except (RuntimeError, ValueError, TypeError) as error:  # what tracing and converting raise
        reason = " ".join(str(error).split())[:200]
        raise ModelLoadError(f"OpenVINO cannot convert {name}: {reason}") from error
    fingerprint.remember_weights(model, digest)


def _transformer(model: SentenceTransformer) -> Any:
    first = text_transformer(model, "openvino")
    # Read from the network, which is about to go: which side its texts are padded on.
    getattr(first, "_counts_positions_from_the_left", None)
    return first


def _key(transformer: Any, weights: Weights | None) -> str:
    """Over all that decides the graph; prompts and lengths do not, so they cost no further copy.

    Every byte of the weights counts, at the speed of a checksum: the fingerprint samples them, and an edited
    row of an embedding must not be answered from a graph without it.
    """
    network = transformer.model
    code = sorted(Path(inspect.getfile(type(network))).parent.glob("*.py"))
    config = {key: value for key, value in network.config.to_dict().items() if key not in _NOISE}
    tensors = [[name, str(value.dtype), _checksum(value)] for name, value in network.state_dict().items()]
    parts = {
        "format": FORMAT,
        "config": config,
        "attention": getattr(transformer, "attention", None),
        "code": [zlib.crc32(path.read_bytes()) for path in code],  # a checkpoint may bring its own
        "tensors": tensors,
        "weights": weights,
        "versions": _versions(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _versions() -> dict[str, str]:
    converter = package("openvino").__version__
    return {"openvino": converter, "torch": torch.__version__, "transformers": transformers.__version__}


def _checksum(tensor: Tensor) -> int:
    return zlib.crc32(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def _kept(directory: Path, dtype: torch.dtype) -> Graph | None:
    """The graph in a directory of the cache, compiled; None where there is none that works."""
    try:
        entry = disk.unsealed(disk.read_bounded(directory / _ENTRY, _MOST_BYTES))
        if entry["files"] != _files(directory):
            raise ValueError("its files are not those that were written")
        graph = Graph(directory)
        graph.compile(dtype)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, LookupError, ModelLoadError) as error:
        log.warning("%s is damaged and is made again: %s", directory, error)
        return None
    return graph


def _files(directory: Path) -> dict[str, int]:
    """The checksums of the graph and of its weights, every byte of them."""
    found = {}
    for name in (GRAPH, _BIN):
        with disk.open_plain(directory / name) as file:
            found[name] = disk.file_checksum(file)
    return found


def _make(transformer: Any, target: Path, weights: Weights | None) -> None:
    """Convert, compare with PyTorch, round if asked to, and move into place at once.

    PyTorch's weights are let go as soon as the graph is written, before OpenVINO reads it.
    """
    log.info("converting %s for OpenVINO into %s", type(transformer.model).__name__, target)
    config = transformer.model.config
    scratch = beside(target)
    scratch.mkdir()
    try:
        transformer.model.float()
        if isinstance(transformer, InstructionTransformer):
            checks.check_attention(transformer)
        expected = [(batch, _hidden(transformer.model, batch)) for batch in _probes(transformer.model)]
        _write(_trace(transformer.model), scratch)
        transformer.model = OpenVINONetwork(Graph(scratch), config, dtype=torch.float32)
        gc.collect()  # a traced network holds references to itself
        difference = _compare(transformer.model, expected)
        transformer.model = torch.nn.Identity()
        if weights == "int8":
            _write(rounded(scratch / GRAPH), scratch)
        entry = {
            "format": FORMAT,
            "files": _files(scratch),
            "network": config.model_type,
            "weights": weights,
            "largest_difference": difference,
            **_versions(),
        }
        write_whole(scratch / _ENTRY, disk.sealed(entry))
        _remove(target)
        replace(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _remove(path: Path) -> None:
    """Whatever it is; a link to elsewhere, without what is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class _Hidden(torch.nn.Module):
    """Tensors in, one tensor out: what a trace can follow."""

    def __init__(self, network: torch.nn.Module, takes_types: bool) -> None:
        super().__init__()
        self.network = network
        self.takes_types = takes_types

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        types = {"token_type_ids": token_type_ids} if self.takes_types else {}
        output = self.network(input_ids=input_ids, attention_mask=attention_mask, **types)
        hidden: Tensor = output.last_hidden_state
        return hidden


def _trace(network: Any) -> Any:
    """The OpenVINO model of a network, any batch by any length; it shares the network's memory."""
    batch = _probes(network)[0]
    if takes_types(network):
        batch = {**batch, "token_type_ids": torch.zeros_like(batch["input_ids"])}
    ready_to_follow(network, "openvino")
    with quiet(), torch.inference_mode():
        return package("openvino").convert_model(_Hidden(network, takes_types(network)), example_input=batch)


def _probes(network: Any) -> list[Batch]:
    """Small batches of several shapes, padded on either side."""
    count = network.get_input_embeddings().weight.shape[0]
    batches = []
    for lengths, left in (((7, 4), False), ((1,), False), ((9, 1, 5), True), ((30, 12), False)):
        mask = torch.zeros(len(lengths), max(lengths), dtype=torch.int64)
        for row, length in enumerate(lengths):
            mask[row, -length:] = 1
        mask = mask if left else mask.flip(1)
        ids = (torch.arange(mask.numel()).reshape(mask.shape) * 7919 + 11) % count  # any ids will do
        batches.append({"input_ids": ids, "attention_mask": mask})
    return batches


def _hidden(network: Any, batch: Mapping[str, Tensor]) -> Tensor:
    with torch.inference_mode():
        hidden: Tensor = network(**batch).last_hidden_state
    return hidden[batch["attention_mask"].bool()]


def _compare(network: OpenVINONetwork, expected: list[tuple[Batch, Tensor]]) -> float:
    """Largest difference from PyTorch's hidden states, relative to the largest of them."""
    scale = max(float(hidden.abs().max()) for _, hidden in expected)
    gaps = [(_hidden(network, batch) - hidden).abs().max() for batch, hidden in expected]
    difference = float(torch.stack(gaps).max()) / scale
    if not difference <= TOLERANCE:  # NaN too
        raise ModelLoadError(
            f"OpenVINO's hidden states differ from PyTorch's by {difference:.2g} of the largest, and "
            f"{TOLERANCE:g} is allowed: this network cannot be converted; use backend='torch'"
        )
    return difference


def _write(graph: Any, directory: Path) -> None:
    """Write a graph and its weights as they are, in the place of those that it may be made from."""
    fresh = directory / "fresh"  # OpenVINO names the weights after the graph, so both keep their names
    fresh.mkdir()
    package("openvino").save_model(graph, fresh / GRAPH, compress_to_fp16=False)
    for name in (GRAPH, _BIN):
        replace(fresh / name, directory / name)
    fresh.rmdir()
