"""Ways to run the network."""

from typing import Literal

Backend = Literal["torch", "openvino"]
Weights = Literal["int8"]
Dtype = Literal["auto", "checkpoint", "float32", "bfloat16", "float16"]
