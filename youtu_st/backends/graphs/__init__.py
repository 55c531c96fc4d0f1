"""A whole model as one graph: token ids in, unit vectors or scores out; made with torch, run without it."""

from typing import Literal

Engine = Literal["onnx", "openvino"]
Rounding = Literal["int8", "int8-dynamic"]

FILES: dict[str, str] = {"onnx": "model.onnx", "openvino": "model.xml"}
"""What an engine opens; its weights may stand beside it."""

OUTPUT = "sentence_embedding"
SCORES = "scores"
"""What a reranker gives in its place."""
LOGITS = "logits"
"""Its scores before the activation, by which a graph is checked."""
