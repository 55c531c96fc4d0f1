"""Ways to run the network."""

from typing import Literal

Backend = Literal["torch", "openvino", "onnx"]
"""What runs an encoder: of the last two, the whole model is one exported graph."""
Weights = Literal["int8", "int8-dynamic"]
Dtype = Literal["auto", "checkpoint", "float32", "bfloat16", "float16"]
