"""A model made into one graph, which counts only once it has given the model's own vectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sentence_transformers import SentenceTransformer

from youtu_st.backends.graphs import LEAST_COSINE, Engine, Rounding, checking, writing
from youtu_st.backends.graphs.opening import open_graph
from youtu_st.backends.graphs.running import Graph
from youtu_st.backends.graphs.whole import WholeModel
from youtu_st.backends.traced import text_transformer
from youtu_st.errors import ModelLoadError
from youtu_st.inputs import check_count

TOLERANCE = 1e-5
"""Largest difference of any number of a unit vector from the model's own, both in float32."""


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
    most_inline: int = writing.MOST_INLINE,
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
    writing.check_arguments(folder, engine, weights)
    if dimension is not None:
        check_count("dimension", dimension)
    name = type(text_transformer(model, engine).model).__name__
    with writing.whole_or_nothing(folder, name, engine):
        whole = WholeModel(model, engine, dimension)
        # The model itself comes first: what is followed has its attention changed.
        expected, real = checking.shapes(whole), checking.texts(whole)
        writing.write(whole, folder, engine, most_inline)
        del whole
        graph = open_graph(engine, folder)
        difference = _within(graph, expected)
        if weights is not None:
            graph = writing.rounded(graph, weights, most_inline)
        cosine = _near(graph, real, weights)
        return Made(writing.files(graph), graph.inputs, difference, cosine, writing.versions(graph, weights))


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
