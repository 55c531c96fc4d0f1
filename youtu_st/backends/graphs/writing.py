"""A model followed into a graph and written for an engine, whatever it gives."""

from __future__ import annotations

import gc
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import transformers

from youtu_st.backends.graphs import FILES, Engine, Rounding, check_rounding, checking, rounding
from youtu_st.backends.graphs.opening import open_graph
from youtu_st.backends.graphs.running import Graph
from youtu_st.backends.graphs.whole import Whole
from youtu_st.backends.packages import onnx_runtime, package
from youtu_st.backends.traced import quiet, ready_to_follow
from youtu_st.errors import InputError, ModelLoadError, YoutuError, in_one_line, require

MOST_INLINE = (1 << 31) - (1 << 24)
"""Bytes of weights that ``model.onnx`` holds itself: no file of that format has more than 2 GB."""

_OPSET = 18
_TITLES = {"onnx": "ONNX Runtime", "openvino": "OpenVINO"}
log = logging.getLogger("youtu_st")


def check_arguments(folder: Path, engine: Engine, weights: Rounding | None) -> None:
    """Raise unless a graph can be asked for so.

    Raises:
        InputError: If an argument is not what it may be, or the folder is not there and empty.
    """
    check_rounding(engine, weights)
    if engine == "openvino" and weights is not None:
        package("nncf")  # what rounds; missed now, before anything is made
    if not folder.is_dir() or any(folder.iterdir()):
        raise InputError(f"{folder} must be a directory that is there and empty")


@contextmanager
def whole_or_nothing(folder: Path, network: str, engine: Engine) -> Iterator[None]:
    """Empty a folder again after an error, and tell it in one line.

    Args:
        folder: Where a graph is made.
        network: What it is made of.
        engine: What for.

    Raises:
        ModelLoadError: In place of whatever error of another library's.
    """
    title = _TITLES[engine]
    log.info("making a graph of %s for %s", network, title)
    try:
        yield
    except BaseException as error:
        for file in folder.iterdir():
            file.unlink()
        if isinstance(error, YoutuError | MemoryError) or not isinstance(error, Exception):
            raise
        if isinstance(error, OSError):
            raise ModelLoadError(in_one_line(f"cannot keep a graph in {folder}", error)) from error
        # Whatever following a network raises, or a tool of the engine's.
        what = in_one_line(f"{network} cannot be made into a graph for {title}", error)
        raise ModelLoadError(f"{what}; use backend='torch'") from error


def write(whole: Whole, folder: Path, engine: Engine, most_inline: int) -> None:
    """Follow a model into a graph; it is changed, and of no use afterwards."""
    ready_to_follow(whole.network, engine)
    with quiet(), torch.no_grad():
        if engine == "onnx":
            _write_onnx(whole, folder / FILES[engine], most_inline)
        else:
            _write_openvino(whole, folder / FILES[engine])
    gc.collect()  # what was followed holds references to itself


def _write_onnx(whole: Whole, path: Path, most_inline: int) -> None:
    """Through ``torch.export``, which proves that no number in the graph comes from the batch it followed.

    Tracing is faster (MiniLM: 2 s, not 12), and writes such a number without a word.
    """
    onnx_runtime()  # before the others import it
    for name in ("onnx", "onnxscript"):
        require(name, "onnx")
    program: Any = torch.onnx.export(
        whole,
        kwargs=checking.example(whole),
        input_names=list(whole.inputs),
        output_names=list(whole.outputs),
        opset_version=_OPSET,
        dynamo=True,
        dynamic_shapes={name: {0: "batch", 1: "tokens"} for name in whole.inputs},
        verbose=False,
    )
    weigh = sum(tensor.numel() * tensor.element_size() for tensor in whole.state_dict().values())
    program.save(path, external_data=weigh > most_inline)


def _write_openvino(whole: Whole, path: Path) -> None:
    engine = package("openvino")
    graph = engine.convert_model(whole, example_input=checking.example(whole))
    for port, name in zip(graph.outputs, whole.outputs, strict=True):
        port.get_tensor().set_names({name})
    engine.save_model(graph, path, compress_to_fp16=False)


def rounded(graph: Graph, weights: Rounding, most_inline: int) -> Graph:
    """The graph with rounded weights, in the place of the one that was opened."""
    path, engine = graph.path, graph.engine
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        fresh = Path(scratch) / path.name  # engines name weights after the graph, so both keep their names
        rounding.ROUNDINGS[engine, weights](path, fresh, most_inline)
        del graph
        for file in [*path.parent.iterdir()]:
            if file.is_file():
                file.unlink()
        for file in [*fresh.parent.iterdir()]:
            file.replace(path.parent / file.name)
    return open_graph(engine, path.parent)


def files(graph: Graph) -> tuple[str, ...]:
    """Names of a graph's files, the one that the engine opens first."""
    names = [file.name for file in graph.path.parent.iterdir()]
    return tuple(sorted(names, key=lambda name: (name != graph.path.name, name)))


def versions(graph: Graph, weights: Rounding | None) -> dict[str, str]:
    """Of the packages that made a graph."""
    tools = ("onnx", "onnxscript") if graph.engine == "onnx" else ("nncf",) if weights else ()
    found = {"torch": torch.__version__, "transformers": transformers.__version__, **graph.versions}
    return {**found, **{name: metadata.version(name) for name in tools}}
