"""What engines have in common: a graph is opened once, run by any thread, and opened anew after a fork.

No torch is imported here, and none may be.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from youtu_st.backends.forks import leave_to_parent
from youtu_st.backends.graphs import OUTPUT, SCORES, Engine
from youtu_st.backends.memory import short_of_memory
from youtu_st.backends.resting import LocksAround
from youtu_st.backends.threads import threads as threads_here
from youtu_st.errors import ModelLoadError, in_one_line
from youtu_st.inputs import check_count

Features = Mapping[str, npt.NDArray[np.int64]]


class Graph(LocksAround, ABC):
    """A graph on disk, opened; safe from many threads.

    Copies share it, and its pickle is its path: weights are there once.

    Args:
        path: The engine's file, see :data:`youtu_st.backends.graphs.FILES`.
        threads: To compute in; None: all cores that this process may use, and one in a forked child.
        device: ``cpu``; or ``cuda``, ``cuda:1``, ..., where the engine can run there.

    Attributes:
        inputs: Names of the features that it reads.
        output: What it gives: :data:`~youtu_st.backends.graphs.OUTPUT`, or ``scores`` of a reranker.

    Raises:
        ModelLoadError: If there is no such file, or it is damaged or no graph that gives vectors or scores,
            or the engine does not run on the device.
        MissingDependencyError: If the engine is not installed.
    """

    engine: ClassVar[Engine]
    title: ClassVar[str]
    """What the engine is called in messages."""

    def __init__(self, path: str | Path, *, threads: int | None = None, device: str = "cpu") -> None:
        self.path = Path(path)
        self.device = device
        self._threads = None if threads is None else check_count("threads", threads)
        self._opened: Any = self._open(self._threads or threads_here())
        self.inputs, outputs = self._names(self._opened)
        self.output = SCORES if SCORES in outputs else OUTPUT
        if self.output not in outputs:
            raise ModelLoadError(f"{self.path} is no graph of an embedding model: it gives no {OUTPUT}")
        super().__init__(inner=True)  # a network runs it; last: a fork must not meet half of it

    def __deepcopy__(self, memo: dict[int, Any]) -> Graph:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.path, self._threads, self.device)

    @property
    def exact(self) -> Graph:
        """The same graph in float32."""
        return self

    @property
    @abstractmethod
    def versions(self) -> dict[str, str]:
        """The engine's package, and its version."""

    def run(self, features: Features, output: str | None = None) -> npt.NDArray[np.float32]:
        """Vectors or scores of a batch; one batch at a time, whoever calls.

        Args:
            features: Each of :attr:`inputs`, shape ``(batch, tokens)``, int64; others are ignored.
            output: What to give of what the graph computes; None: :attr:`output`.

        Returns:
            Shape ``(batch, dimension)``, float32, unit rows; of a reranker ``(batch,)``, its scores. Memory
            of the caller's own.

        Raises:
            MemoryError: If there is too little memory for the batch.
            ModelLoadError: If the engine cannot run it, such as for a token that the model does not have.
        """
        given = {name: features[name] for name in self.inputs}
        with self._lock.now:
            if self._opened is None:
                self._opened = self._open(self._threads or 1)
            try:
                return self._run(self._opened, given, output or self.output)
            except Exception as error:  # engines' errors have no class in common
                failure = error
        raise self._told(failure) from failure

    def _open(self, threads: int) -> Any:
        try:
            if not self.path.is_file():
                raise FileNotFoundError("there is no such file")
            return self._load(threads)
        except (ImportError, ModelLoadError):
            raise
        except Exception as error:
            raise self._told(error) from error

    def _told(self, error: Exception) -> Exception:
        """The error that a caller sees for one of the engine's."""
        if short_of_memory(error):
            return MemoryError(in_one_line(self.title, error))
        return ModelLoadError(in_one_line(f"{self.title} cannot run {self.path}", error))

    def after_fork_in_child(self) -> None:
        """What was opened is the parent's; the next batch opens it anew."""
        super().after_fork_in_child()
        leave_to_parent(self._opened)
        self._opened = None

    @abstractmethod
    def _load(self, threads: int) -> Any:
        """What the engine makes of the file."""

    @abstractmethod
    def _names(self, opened: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of its inputs and outputs."""

    @abstractmethod
    def _run(self, opened: Any, features: Features, output: str) -> npt.NDArray[np.float32]:
        """One batch through it."""


def _again(kind: type[Graph], path: Path, threads: int | None, device: str) -> Graph:
    return kind(path, threads=threads, device=device)
