"""A whole model as one graph: token ids in, unit vectors or scores out; made with torch, run without it."""

from typing import Literal, get_args

from youtu_st.errors import InputError
from youtu_st.inputs import one_of

Engine = Literal["onnx", "openvino"]
Rounding = Literal["int8", "int8-dynamic"]

FILES: dict[str, str] = {"onnx": "model.onnx", "openvino": "model.xml"}
"""What an engine opens; its weights may stand beside it."""

OUTPUT = "sentence_embedding"
SCORES = "scores"
"""What a reranker gives in its place."""
LOGITS = "logits"
"""Its scores before the activation, by which a graph is checked."""

LEAST_COSINE: dict[str, float] = {"int8": 0.998, "int8-dynamic": 0.99}
"""Of rounded weights, over the probe texts, on this machine: CPUs differ in how they sum small integers."""


def check_rounding(engine: Engine, weights: Rounding | None) -> None:
    """Raise for what an engine cannot do.

    Raises:
        InputError: Naming it.
    """
    one_of("engine", engine, get_args(Engine))
    if weights is not None:
        one_of("weights", weights, get_args(Rounding))
    if weights == "int8-dynamic" and engine != "onnx":
        raise InputError(f"weights={weights!r} needs the engine 'onnx', not {engine!r}")
