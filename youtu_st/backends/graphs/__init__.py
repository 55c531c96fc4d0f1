"""A whole model as one graph, token ids in and unit vectors out: made with torch, run without it."""

from typing import Literal

Engine = Literal["onnx", "openvino"]
Rounding = Literal["int8", "int8-dynamic"]

FILES: dict[str, str] = {"onnx": "model.onnx", "openvino": "model.xml"}
"""What an engine opens; its weights may stand beside it."""

OUTPUT = "sentence_embedding"
