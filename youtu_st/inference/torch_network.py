"""A host's model as a network: PyTorch runs it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from sentence_transformers.util import batch_to_device

from youtu_st.backends.device import empty_cache
from youtu_st.inference.network import Network
from youtu_st.inference.outputs import Features, Output, Rows, VectorOutput

Model = Any  # a SentenceTransformer or a CrossEncoder; the host has no public name for what both are


class TorchNetwork(Network):
    """One model of sentence-transformers.

    Args:
        model: A ``SentenceTransformer`` or a ``CrossEncoder``; its weights are shared, not copied.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    @classmethod
    def on_all(cls, model: Model, others: Sequence[str] = ()) -> list[TorchNetwork]:
        """The model where it is, and a copy of it on each of some other devices."""
        return [cls(model), *(cls(copy.deepcopy(model).to(device)) for device in others)]

    @property
    def device(self) -> str:
        """Where it runs."""
        return str(self.model.device)

    @property
    def runtime(self) -> dict[str, str]:
        """``backend``, ``dtype`` and ``device``."""
        inner = getattr(self.model[0], "model", None)  # transformers' module
        dtype = getattr(inner, "dtype", self.model.dtype)
        return {
            "backend": "torch",
            "dtype": str(dtype).removeprefix("torch."),
            "device": self.model.device.type,
        }

    def _rows(self, output: Output, features: Features) -> Rows:
        return _run(self.model, output, features)

    def _exact(self) -> Callable[[Output, Features], Rows]:
        exact = self.model if self.model.dtype == torch.float32 else copy.deepcopy(self.model).float()
        return partial(_run, exact)

    def _out_of_memory(self) -> None:
        empty_cache()


def _run(model: Model, output: Output, features: Features) -> Rows:
    with torch.inference_mode():
        rows = _asked(model, output, batch_to_device(features, model.device))
    return np.ascontiguousarray(rows.cpu().numpy())


def _asked(model: Model, output: Output, features: Features) -> torch.Tensor:
    """Shape ``(n, *output.shape)``, float32: unit rows, or scores after the model's own activation."""
    if isinstance(output, VectorOutput):
        vectors = model(features, task=output.role)["sentence_embedding"]
        return torch.nn.functional.normalize(vectors.float()[:, : output.shape[0]], dim=1)
    scores = model(features)["scores"].float()
    return model.activation_fn(scores).reshape(len(scores))  # type: ignore[no-any-return]  # a Tensor
