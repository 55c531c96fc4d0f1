"""A model on one device: features in, unit vectors out, whatever runs the network inside it."""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device

from youtu_st.protocol import Vectors

Features = dict[str, Any]
# PyTorch has a class for this on CUDA only; on a CPU, on MPS and in OpenVINO it is a RuntimeError.
_NO_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory|bad_alloc", re.IGNORECASE)


class Network:
    """Runs one model, one batch at a time, and never hands out a broken vector without a second look.

    Args:
        model: The model; its weights are shared, not copied.
    """

    def __init__(self, model: SentenceTransformer) -> None:
        self.model = model
        # One call at a time: more would only share the same cores, and need more memory.
        self._lock = threading.Lock()

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self.model.device

    @property
    def runtime(self) -> dict[str, str]:
        """``backend``, ``dtype``, ``device``, and ``weights`` where they are rounded."""
        inner = getattr(self.model[0], "model", None)  # transformers' module, or what stands in its place
        parts = {
            "backend": getattr(inner, "backend", "torch"),
            "dtype": str(getattr(inner, "dtype", self.model.dtype)).removeprefix("torch."),
            "device": self.device.type,
        }
        weights = getattr(inner, "weights", None)
        return {**parts, "weights": weights} if weights else parts

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

        Raises:
            MemoryError: If the device has too little memory for the batch.
        """
        with self._lock:
            vectors = within_memory(partial(_run, self.model, features, role, dimension))
            bad = np.flatnonzero(~sound(vectors))
            if len(bad):
                exact = self.model if self.model.dtype == torch.float32 else copy.deepcopy(self.model).float()
                for i in bad:
                    row = alone(int(i))
                    vectors[i] = within_memory(partial(_run, exact, row, role, dimension))[0]
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


def within_memory(run: Callable[[], Vectors]) -> Vectors:
    """What ``run`` gives, or a ``MemoryError`` where a device has too little memory for it.

    Raises:
        MemoryError: Whatever the device calls that; all other errors as they are.
    """
    try:
        return run()
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, (MemoryError, torch.OutOfMemoryError)) and not _NO_MEMORY.search(str(error)):
            raise
        reason = " ".join(str(error).split())[:200]
    # Outside of the handler, where nothing holds on to the tensors of the failed run any more.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    raise MemoryError(reason)
