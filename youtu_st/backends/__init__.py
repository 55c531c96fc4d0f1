"""Ways to run the network."""

from typing import Literal

Backend = Literal["torch", "openvino"]
Weights = Literal["int8"]
