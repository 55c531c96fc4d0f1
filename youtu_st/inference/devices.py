"""The devices that a model runs on, as one: batches go to whichever is free."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import SimpleQueue
from typing import TypeVar

from youtu_st.backends.forks import after_fork
from youtu_st.inference.network import Network

T = TypeVar("T")
R = TypeVar("R")


class DevicePool:
    """One network for each device, and threads that live as long as the pool.

    Args:
        networks: The networks, each on a device of its own.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        self.networks = list(networks)
        # An accelerator computes one batch while the next is laid out; a CPU would only share its cores.
        self._at_once = 1 if networks[0].device.partition(":")[0] == "cpu" else 2
        self._begin()
        after_fork(self._begin)

    def _begin(self) -> None:
        """Also in a forked child, which has neither the threads nor a network that one of them had taken."""
        self._free: SimpleQueue[Network] = SimpleQueue()
        for network in self.networks * self._at_once:
            self._free.put(network)
        self._threads: ThreadPoolExecutor | None = None
        if self._free.qsize() > 1:
            self._threads = ThreadPoolExecutor(self._free.qsize(), thread_name_prefix="youtu-st-device")

    @property
    def at_once(self) -> int:
        """Batches that may be under way at once."""
        return len(self.networks) * self._at_once

    def __str__(self) -> str:
        return ", ".join(network.device for network in self.networks)

    def each(self, run: Callable[[Network, T], R], items: Sequence[T]) -> Iterator[R]:
        """``run(network, item)`` for each item, on whichever network is free; results as they come.

        The first error ends it: items that nobody has begun are left out.
        """
        if self._threads is None or len(items) == 1:
            yield from (self._on_a_free_one(run, item) for item in items)
            return
        futures = [self._threads.submit(self._on_a_free_one, run, item) for item in items]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()

    def _on_a_free_one(self, run: Callable[[Network, T], R], item: T) -> R:
        network = self._free.get()
        try:
            return run(network, item)
        finally:
            self._free.put(network)
