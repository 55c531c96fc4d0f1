"""A graph's weights, and where asked for its activations, rounded to 8 bits."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from youtu_st.backends.packages import package
from youtu_st.backends.traced import rounded
from youtu_st.errors import require

_BLOCK = 128
"""Numbers that share a scale, of weights and activations alike."""
_INTEGERS = 4
"""What ONNX Runtime calls the accuracy of activations that are rounded to 8 bits, block by block."""
_QUANTIZER = "onnxruntime.quantization.matmul_nbits_quantizer"
_WORTH_IT = 1 << 10
"""Numbers from which a matrix is rounded."""


def openvino_weights(graph: Path, out: Path, most_inline: int) -> None:
    """Weights alone: a scale and a zero point for each row."""
    package("openvino").save_model(rounded(graph), out, compress_to_fp16=False)


def onnx_weights(graph: Path, out: Path, most_inline: int) -> None:
    """Weights alone: a scale for each column of a matrix, and for each row of a table.

    Matrices are made float32 again when the graph is opened: the file is a quarter, memory and speed are as
    before. ONNX Runtime has no fast way to multiply float32 with integers.
    """
    onnx = require("onnx", "onnx")
    model = onnx.load(graph)
    _round_tables(onnx, model.graph)
    _round_matrices(onnx, model.graph)
    _write(onnx, model, out, most_inline)


def onnx_dynamic(graph: Path, out: Path, most_inline: int) -> None:
    """Weights and activations, block by block: integers are multiplied.

    With a scale for each column of weights and one for all of an activation, MiniLM's vectors keep a cosine
    of 0.979 (0.985 without the bit that CPUs without VNNI need as a reserve), as some activations are far
    larger than the others; with one for each block, 0.998.
    """
    onnx = require("onnx", "onnx")
    with _logging_as_it_is(_QUANTIZER):
        quantizer = require(_QUANTIZER, "onnx")
        model = onnx.load(graph)
        _round_tables(onnx, model.graph)
        settings = quantizer.DefaultWeightOnlyQuantConfig(
            block_size=_BLOCK, is_symmetric=True, accuracy_level=_INTEGERS, bits=8
        )
        rounding = quantizer.MatMulNBitsQuantizer(model, algo_config=settings)
        rounding.process()
    _write(onnx, rounding.model.model, out, most_inline)


ROUNDINGS: dict[tuple[str, str], Callable[[Path, Path, int], None]] = {
    ("openvino", "int8"): openvino_weights,
    ("onnx", "int8"): onnx_weights,
    ("onnx", "int8-dynamic"): onnx_dynamic,
}
"""By engine and kind: each reads a graph's file and writes another, with so many bytes of weights inside."""


@contextmanager
def _logging_as_it_is(name: str) -> Iterator[None]:
    """A module sets logging up for the whole process when it is imported, and writes a line for each node."""
    root, own, nothing = logging.getLogger(), logging.getLogger(name), logging.NullHandler()
    level = own.level
    root.addHandler(nothing)  # where there is a handler, nothing is set up
    own.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.removeHandler(nothing)
        own.setLevel(level)


def _round_tables(onnx: Any, graph: Any) -> None:
    """Round the rows of embeddings. Those of a batch are made float32 again, and never the whole table."""

    def rows_of(node: Any, name: str) -> list[Any]:
        rows, found = node.input[1], node.output[0]
        return [
            onnx.helper.make_node("Gather", [f"{name}_int8", rows], [f"{found}_int8"]),
            onnx.helper.make_node("Cast", [f"{found}_int8"], [f"{found}_float"], to=onnx.TensorProto.FLOAT),
            onnx.helper.make_node("Gather", [f"{name}_scale", rows], [f"{found}_scale"]),
            onnx.helper.make_node("Mul", [f"{found}_float", f"{found}_scale"], [found]),
        ]

    _round(onnx, graph, "Gather", 0, rows_of, per_row=True)


def _round_matrices(onnx: Any, graph: Any) -> None:
    def columns_of(node: Any, name: str) -> list[Any]:
        parts = [f"{name}_int8", f"{name}_scale"]
        again = onnx.helper.make_node("DequantizeLinear", parts, [f"{name}_again"], axis=1)
        node.input[1] = f"{name}_again"
        return [again, node]

    _round(onnx, graph, "MatMul", 1, columns_of, per_row=False)


def _round(
    onnx: Any, graph: Any, kind: str, place: int, instead: Callable[[Any, str], list[Any]], *, per_row: bool
) -> None:
    """Round the matrices that stand in one place of one kind of node, and write other nodes instead of it."""
    held = {tensor.name: tensor for tensor in graph.initializer}
    uses = Counter(name for node in graph.node for name in node.input)
    nodes = []
    for node in graph.node:
        tensor = held.get(node.input[place]) if node.op_type == kind else None
        by_rows = all(attribute.i == 0 for attribute in node.attribute if attribute.name == "axis")
        if tensor is None or len(tensor.dims) != 2 or uses[tensor.name] > 1 or not by_rows:
            nodes.append(node)
            continue
        weights = onnx.numpy_helper.to_array(tensor)
        if weights.dtype != np.float32 or weights.size < _WORTH_IT:
            nodes.append(node)
            continue
        scales = np.abs(weights).max(axis=1 if per_row else 0, keepdims=True) / np.float32(127)
        scales[scales == 0] = 1
        integers = np.rint(weights / scales).astype(np.int8)
        graph.initializer.remove(tensor)
        graph.initializer.extend(
            [
                onnx.numpy_helper.from_array(integers, f"{tensor.name}_int8"),
                onnx.numpy_helper.from_array(scales if per_row else scales[0], f"{tensor.name}_scale"),
            ]
        )
        nodes += instead(node, tensor.name)
    del graph.node[:]
    graph.node.extend(nodes)


def _write(onnx: Any, model: Any, out: Path, most_inline: int) -> None:
    beside = sum(len(tensor.raw_data) for tensor in model.graph.initializer) > most_inline
    location = f"{out.name}.data" if beside else None
    onnx.save_model(model, out, save_as_external_data=beside, location=location)
