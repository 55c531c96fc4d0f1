"""A network made ready for being followed into a graph: which one that is, and no warnings."""

from __future__ import annotations

import inspect
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer

from youtu_st.backends.attention import set_attention
from youtu_st.backends.packages import package
from youtu_st.backends.quiet import quiet_host
from youtu_st.errors import ModelLoadError

_TEXT = {"method": "forward", "method_output_name": "last_hidden_state"}


def text_transformer(model: SentenceTransformer, engine: str) -> Any:
    """The model's first module, whose ``model`` is the network.

    Raises:
        ModelLoadError: If it is no ``Transformer`` that reads text, or gives more than its last layer.
    """
    first: Any = model[0]
    if not isinstance(first, Transformer) or dict(first.modality_config.get("text") or {}) != _TEXT:
        raise ModelLoadError(
            f"backend {engine!r} runs the network of a Transformer that reads text, and this model begins "
            f"with {type(first).__name__}: use backend='torch'"
        )
    if getattr(first.model.config, "output_hidden_states", False):
        raise ModelLoadError(
            f"backend {engine!r} gives the last layer only, and this model reads all of them"
        )
    return first


def takes_types(network: Any) -> bool:
    """Whether a network reads ``token_type_ids``."""
    return "token_type_ids" in inspect.signature(network.forward).parameters


def ready_to_follow(network: Any, engine: str) -> None:
    """Give a network attention that the engine computes as PyTorch does, and no outputs but the last layer.

    It stays changed: hand in one that nobody else runs.
    """
    network.config.use_cache = False  # no keys and values among the outputs
    set_attention(network, fused=engine == "openvino")


@contextmanager
def quiet() -> Iterator[None]:
    """Following warns of every branch that it takes; whether one matters is measured afterwards."""
    exporter = logging.getLogger("torch.onnx")  # tells of each library that is not installed
    level = exporter.level
    with quiet_host(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exporter.setLevel(logging.ERROR)
        try:
            yield
        finally:
            exporter.setLevel(level)


def rounded(graph: Path) -> Any:
    """An OpenVINO graph on disk with weights of 8 bits: a scale and a zero point for each row."""
    nncf = package("nncf")
    level = nncf.nncf_logger.level
    nncf.set_log_level(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):  # a progress bar that has no switch
            return nncf.compress_weights(
                package("openvino").Core().read_model(graph), mode=nncf.CompressWeightsMode.INT8_ASYM
            )
    finally:
        nncf.set_log_level(level)
