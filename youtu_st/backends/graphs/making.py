"""A model made into one graph, which counts only once it has given the model's own vectors."""

from __future__ import annotations

import gc
import logging
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import transformers
from sentence_transformers import SentenceTransformer

from youtu_st.backends.graphs import (
    FILES,
    LEAST_COSINE,
    OUTPUT,
    Engine,
    Rounding,
    check_rounding,
    checking,
    rounding,
)
from youtu_st.backends.graphs.opening import open_graph
from youtu_st.backends.graphs.running import Graph
from youtu_st.backends.graphs.whole import WholeModel
from youtu_st.backends.packages import onnx_runtime, package
from youtu_st.backends.traced import quiet, ready_to_follow, text_transformer
from youtu_st.errors import InputError, ModelLoadError, YoutuError, in_one_line, require
from youtu_st.inputs import check_count

TOLERANCE = 1e-5
"""Largest difference of any number of a unit vector from the model's own, both in float32."""

MOST_INLINE = (1 << 31) - (1 << 24)
"""Bytes of weights that ``model.onnx`` holds itself: no file of that format has more than 2 GB."""

_OPSET = 18
_TITLES = {"onnx": "ONNX Runtime", "openvino": "OpenVINO"}
log = logging.getLogger("youtu_st")


@dataclass(frozen=True, slots=True)
class Made:
    """A graph that was made and checked.

    Attributes:
        files: Names of its files, the one that the engine opens first.
        inputs: Names of the features that it reads.
        difference: Largest absolute difference from the model's vectors, over batches of many shapes; of
            rounded weights, before they were rounded.
        cosine: Lowest cosine to the model's vectors, over the probe texts.
        versions: Of the packages that made it.
    """

    files: tuple[str, ...]
    inputs: tuple[str, ...]
    difference: float
    cosine: float
    versions: dict[str, str]


def make_graph(
    model: SentenceTransformer,
    folder: Path,
    *,
    engine: Engine,
    weights: Rounding | None = None,
    dimension: int | None = None,
    most_inline: int = MOST_INLINE,
) -> Made:
    """Write a model as one graph: token ids and masks in, ``sentence_embedding`` out, unit rows.

    Inputs are int64, shape ``(batch, tokens)``, both of any size; the output is float32, shape
    ``(batch, dimension)``. The graph is followed through the model's own modules, so that there is one
    definition of the pooling.

    Args:
        model: As :func:`youtu_st.load` gives it with ``backend="torch"``; not changed.
        folder: Where to write; there, and empty. After an error it is empty again.
        engine: ``onnx`` or ``openvino``.
        weights: ``int8``: weights rounded to 8 bits, computed in float32. ``int8-dynamic``, with ``onnx``:
            activations too. None: float32.
        dimension: Length to cut vectors to before they are scaled to unit length; None: the model's own.
        most_inline: Bytes of weights from which they stand beside ``model.onnx``.

    Raises:
        ModelLoadError: If the model cannot be made into such a graph, or the graph's vectors differ from the
            model's by more than :data:`TOLERANCE`, or with rounded weights by more than :data:`LEAST_COSINE`.
        MissingDependencyError: If the engine, or what makes its graphs, is not installed.
        InputError: If an argument is not what it may be.
    """
    check_rounding(engine, weights)
    if engine == "openvino" and weights is not None:
        package("nncf")  # what rounds; missed now, before anything is made
    if dimension is not None:
        check_count("dimension", dimension)
    if not folder.is_dir() or any(folder.iterdir()):
        raise InputError(f"{folder} must be a directory that is there and empty")
    name, title = type(text_transformer(model, engine).model).__name__, _TITLES[engine]
    log.info("making a graph of %s for %s", name, title)
    try:
        return _made(WholeModel(model, engine, dimension), folder, engine, weights, most_inline)
    except BaseException as error:
        for file in folder.iterdir():
            file.unlink()
        if isinstance(error, YoutuError | MemoryError) or not isinstance(error, Exception):
            raise
        if isinstance(error, OSError):
            raise ModelLoadError(in_one_line(f"cannot keep a graph in {folder}", error)) from error
        # Whatever following a network raises, or a tool of the engine's.
        what = in_one_line(f"{name} cannot be made into a graph for {title}", error)
        raise ModelLoadError(f"{what}; use backend='torch'") from error


def _made(
    whole: WholeModel, folder: Path, engine: Engine, weights: Rounding | None, most_inline: int
) -> Made:
    path = folder / FILES[engine]
    # The model itself comes first: what is followed has its attention changed.
    expected, real = checking.shapes(whole), checking.texts(whole)
    ready_to_follow(whole.network, engine)
    with quiet(), torch.no_grad():
        if engine == "onnx":
            _write_onnx(whole, path, most_inline)
        else:
            _write_openvino(whole, path)
    del whole
    gc.collect()  # what was followed holds references to itself
    graph = open_graph(engine, folder)
    difference = _within(graph, expected)
    if weights is not None:
        graph = _rounded(graph, weights, most_inline)
    cosine = _near(graph, real, weights)
    files = sorted((file.name for file in folder.iterdir()), key=lambda name: (name != path.name, name))
    return Made(tuple(files), graph.inputs, difference, cosine, _versions(graph, weights))


def _write_onnx(whole: WholeModel, path: Path, most_inline: int) -> None:
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
        output_names=[OUTPUT],
        opset_version=_OPSET,
        dynamo=True,
        dynamic_shapes={name: {0: "batch", 1: "tokens"} for name in whole.inputs},
        verbose=False,
    )
    weigh = sum(tensor.numel() * tensor.element_size() for tensor in whole.state_dict().values())
    program.save(path, external_data=weigh > most_inline)


def _write_openvino(whole: WholeModel, path: Path) -> None:
    engine = package("openvino")
    graph = engine.convert_model(whole, example_input=checking.example(whole))
    graph.outputs[0].get_tensor().set_names({OUTPUT})
    engine.save_model(graph, path, compress_to_fp16=False)


def _rounded(graph: Graph, weights: Rounding, most_inline: int) -> Graph:
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


def _within(graph: Graph, expected: checking.Batches) -> float:
    difference = checking.difference(graph, expected)
    if difference > TOLERANCE:
        raise ModelLoadError(
            f"{graph.title}'s vectors differ from PyTorch's by {difference:.2g}, and {TOLERANCE:g} is "
            "allowed: use backend='torch'"
        )
    return difference


def _near(graph: Graph, expected: checking.Batches, weights: Rounding | None) -> float:
    cosine = checking.cosine(graph, expected)
    least = LEAST_COSINE.get(weights or "")
    if least is not None and cosine < least:
        raise ModelLoadError(
            f"weights={weights!r}: {graph.title}'s vectors have a cosine of {cosine:.4f} to the exact ones "
            f"on this machine, and at least {least} is needed: use float32 weights"
        )
    return cosine


def _versions(graph: Graph, weights: Rounding | None) -> dict[str, str]:
    tools = ("onnx", "onnxscript") if graph.engine == "onnx" else ("nncf",) if weights else ()
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, **graph.versions}
    return {**versions, **{name: metadata.version(name) for name in tools}}
