"""The network as PyTorch runs it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device

from youtu_st.protocol import Vectors

Features = dict[str, Any]


class TorchNetwork:
    """Runs one model, one batch at a time, and never hands out a broken vector without a second look.

    Args:
        model: The model; its weights are shared, not copied.
    """

    name = "torch"

    def __init__(self, model: SentenceTransformer) -> None:
        self.model = model
        # One call at a time: more would only share the same cores, and need more memory.
        self._lock = threading.Lock()

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the weights."""
        return self.model.dtype or torch.float32

    def vectors(
        self, features: Features, role: str, dimension: int, alone: Callable[[int], Features]
    ) -> Vectors:
        """Run one batch.

        Args:
            features: A padded batch of ``n`` texts.
            role: ``query`` or ``document``, for models that route by it.
            dimension: Length to cut vectors to before they are scaled to unit length.
            alone: Gives the features of one row of the batch by itself.

        Returns:
            Shape ``(n, dimension)``, float32, unit rows. A row that is not finite or zero was computed once
            more, alone and in float32, and may still be so: see :func:`sound`.
        """
        with self._lock:
            vectors = _run(self.model, features, role, dimension)
            bad = np.flatnonzero(~sound(vectors))
            if len(bad):
                exact = self.model if self.dtype == torch.float32 else copy.deepcopy(self.model).float()
                for i in bad:
                    vectors[i] = _run(exact, alone(int(i)), role, dimension)[0]
        return vectors


def sound(vectors: Vectors) -> npt.NDArray[np.bool_]:
    """Which rows are finite and not zero: those of unit length. Shape ``(n,)``."""
    norms = np.linalg.norm(vectors, axis=1)
    return np.asarray(norms > 0.5)  # False for NaN too; normalising leaves no other length than 0 and 1


def _run(model: SentenceTransformer, features: Features, role: str, dimension: int) -> Vectors:
    with torch.inference_mode():
        output = model(batch_to_device(features, model.device), task=role)["sentence_embedding"]
        vectors = torch.nn.functional.normalize(output.float()[:, :dimension], dim=1)
    return np.ascontiguousarray(vectors.cpu().numpy())
