"""Ways to run the network."""

from typing import Literal

Backend = Literal["torch", "openvino"]
"""What runs the network inside a host's model."""
Weights = Literal["int8"]
AnyBackend = Literal["torch", "openvino", "onnx"]
"""What runs an encoder: of the last, the whole model is one exported graph."""
AnyWeights = Literal["int8", "int8-dynamic"]
Dtype = Literal["auto", "checkpoint", "float32", "bfloat16", "float16"]
