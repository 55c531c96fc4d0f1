"""A model on one device: features in, a row for each text out, whatever runs the network inside it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers.util import batch_to_device

from youtu_st.backends.forks import Lock
from youtu_st.backends.memory import short_of_memory
from youtu_st.backends.resting import LONGEST_WAIT, rest_around_forks, this_thread_computes
from youtu_st.protocol import Role, Scores, Vectors

Features = dict[str, Any]
Rows = npt.NDArray[np.float32]
Model = Any  # a SentenceTransformer or a CrossEncoder; the host has no public name for what both are


@dataclass(frozen=True, slots=True)
class VectorOutput:
    """What an encoder asks a network for: unit vectors of a ``SentenceTransformer``.

    Attributes:
        role: ``query`` or ``document``, for models that route by it.
        shape: Of one row: the length to cut a vector to before it is scaled to unit length.
    """

    broken: ClassVar[str] = "a vector that is not finite or zero"

    role: Role
    shape: tuple[int]

    def rows(self, model: Model, features: Features) -> torch.Tensor:
        """What the model makes of a batch: shape ``(n, *shape)``, float32, unit rows."""
        output = model(features, task=self.role)["sentence_embedding"]
        return torch.nn.functional.normalize(output.float()[:, : self.shape[0]], dim=1)

    def sound(self, rows: Vectors) -> npt.NDArray[np.bool_]:
        """Those of unit length."""
        # False for NaN too; normalising leaves no other length than 0 and 1.
        return np.asarray(np.linalg.norm(rows, axis=1) > 0.5)


@dataclass(frozen=True, slots=True)
class ScoreOutput:
    """What a reranker asks a network for: scores of a ``CrossEncoder`` that gives one for each pair."""

    broken: ClassVar[str] = "a score that is not finite"

    role: str = ""
    shape: tuple[int, ...] = ()

    def rows(self, model: Model, features: Features) -> torch.Tensor:
        """What the model makes of a batch: shape ``(n,)``, float32, after its own activation."""
        scores = model(features)["scores"].float()
        return model.activation_fn(scores).reshape(len(scores))  # type: ignore[no-any-return]  # a Tensor

    def sound(self, rows: Scores) -> npt.NDArray[np.bool_]:
        """Those that are finite."""
        return np.isfinite(rows)


Output = VectorOutput | ScoreOutput


class Network:
    """Runs one model, one batch at a time, and never hands out a broken row without a second look.

    Args:
        model: A ``SentenceTransformer`` or a ``CrossEncoder``; its weights are shared, not copied.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        # One call at a time: more would only share the same cores, and need more memory.
        self._lock = Lock()
        self._rests: threading.Lock | None = None
        rest_around_forks(self)

    def before_fork(self) -> None:
        """Wait for the batch that is under way: a child finds no lock of torch's that its thread held."""
        lock = self._lock.now
        self._rests = lock if lock.acquire(timeout=LONGEST_WAIT) else None

    def after_fork_in_parent(self) -> None:
        """Let other threads go on."""
        if self._rests is not None:
            self._rests.release()
            self._rests = None

    def after_fork_in_child(self) -> None:
        """The lock is another here."""
        self._rests = None

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        device: torch.device = self.model.device
        return device

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

    def run(self, output: Output, features: Features, alone: Callable[[int], Features]) -> Rows:
        """Run one batch.

        Args:
            output: What is asked for.
            features: A padded batch of ``n`` texts.
            alone: Gives the features of one row of the batch by itself: what is not finite may spread to the
                rows that stand in the same line.

        Returns:
            Shape ``(n, *output.shape)``, float32. A row that is not sound was computed once more, alone
            and in float32, and may still not be.

        Raises:
            MemoryError: If the device has too little memory for the batch.
        """
        with self._lock.now:
            this_thread_computes()
            rows = within_memory(partial(_run, output, self.model, features))
            bad = np.flatnonzero(~output.sound(rows))
            if len(bad):
                exact = self.model if self.model.dtype == torch.float32 else copy.deepcopy(self.model).float()
                for i in bad:
                    rows[i] = within_memory(partial(_run, output, exact, alone(int(i))))[0]
        return rows


def _run(output: Output, model: Model, features: Features) -> Rows:
    with torch.inference_mode():
        rows = output.rows(model, batch_to_device(features, model.device))
    return np.ascontiguousarray(rows.cpu().numpy())


def within_memory(run: Callable[[], Rows]) -> Rows:
    """What ``run`` gives, or a ``MemoryError`` where a device has too little memory for it.

    Raises:
        MemoryError: Whatever the device calls that; all other errors as they are.
    """
    try:
        return run()
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, torch.OutOfMemoryError) and not short_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:200]
    # Outside of the handler, where nothing holds on to the tensors of the failed run any more.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    raise MemoryError(reason)
