"""A model on one device: features in, a row for each text out, whatever runs the network inside it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from youtu_st.backends.memory import short_of_memory
from youtu_st.backends.resting import LocksAround, this_thread_computes
from youtu_st.inference.outputs import Features, Output, Rows


class Network(LocksAround, ABC):
    """Runs one model, one batch at a time, and never hands out a broken row without a second look."""

    @property
    @abstractmethod
    def device(self) -> str:
        """Where it runs, such as ``cuda:0``."""

    @property
    @abstractmethod
    def runtime(self) -> Mapping[str, str]:
        """``backend``, ``dtype``, ``device``, and ``weights`` where they are rounded."""

    @abstractmethod
    def _rows(self, output: Output, features: Features) -> Rows:
        """What it makes of a batch: shape ``(n, *output.shape)``, float32."""

    def _exact(self) -> Callable[[Output, Features], Rows]:
        """The same in float32, for rows that are not sound otherwise."""
        return self._rows

    def _out_of_memory(self) -> None:
        """Give back what a failed run has left on the device."""

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
            rows = self._within_memory(partial(self._rows, output, features))
            bad = np.flatnonzero(~output.sound(rows))
            if len(bad):
                exact = self._exact()
                for i in bad:
                    rows[i] = self._within_memory(partial(exact, output, alone(int(i))))[0]
        return rows

    def _within_memory(self, run: Callable[[], Rows]) -> Rows:
        """What ``run`` gives, or a ``MemoryError`` where a device has too little memory for it.

        Raises:
            MemoryError: Whatever the device calls that; all other errors as they are.
        """
        try:
            return run()
        except (MemoryError, RuntimeError) as error:
            # torch.OutOfMemoryError need not say so in its message.
            if not short_of_memory(error) and type(error).__name__ != "OutOfMemoryError":
                raise
            reason = " ".join(str(error).split())[:200]
        # Outside of the handler, where nothing holds on to what the failed run has made any more.
        self._out_of_memory()
        raise MemoryError(reason)
