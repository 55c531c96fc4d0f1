"""Workers that are actors of a Ray cluster."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from youtu_st.errors import InputError, require
from youtu_st.scale.cluster.actor import Actor
from youtu_st.scale.cluster.connection import connected
from youtu_st.scale.cluster.member import Member
from youtu_st.scale.cluster.nodes import alive, capacity, check_nodes
from youtu_st.scale.job import claims, names
from youtu_st.scale.pools.crew import PER_WORKER, Crew, Hear, Place
from youtu_st.scale.pools.events import UNABLE, Event, Failed
from youtu_st.scale.settings import BadRows, Making

GROW_SECONDS = 5.0
"""Between looks at how many workers fit on the cluster."""
LOST_SECONDS = 600.0
"""Without a single worker, after which a job is given up: until then a cluster may grow again."""


class RayPool(Crew[Member]):
    """An actor for each worker; Ray starts one that has died anew, wherever there is room for it.

    A pool that is told no number of workers has as many as fit on the cluster, and more when that grows.
    Where nodes go, their workers wait for room elsewhere, and the others do the work meanwhile.

    In the main thread: Ray's handler of SIGTERM is put away again.

    Args:
        folder: The job's, by a path that all nodes have.
        making: What each worker makes its encoder from.
        workers: How many; None: as many as fit.
        cpus: CPUs of each, and threads that it computes with.
        gpus: GPUs of each; None: one where the cluster has any.
        address: Of the cluster, as for :func:`~youtu_st.scale.cluster.connection.connected`.
        bad_rows: Whether a bad row ends the job or is left out.
        shard_timeout: Seconds after which a worker that has not finished a shard is ended; None: never.
        notice: Told what the workers' encoders warn of.
        debug: Let what Ray and the workers write reach the terminal.

    Raises:
        MissingDependencyError: If Ray is not installed.
        InputError: If there is no cluster, no worker fits on any of its nodes, or a node does not see the
            folder or has another Python or youtu-st: it is named.
    """

    def __init__(
        self,
        folder: Path,
        making: Making,
        *,
        workers: int | None = None,
        cpus: float = 1.0,
        gpus: float | None = None,
        address: str | None = None,
        bad_rows: BadRows = "error",
        shard_timeout: float | None = None,
        notice: Callable[[str], None] | None = None,
        debug: bool = False,
    ) -> None:
        super().__init__(folder, [], bad_rows=bad_rows, shard_timeout=shard_timeout, notice=notice)
        self._making, self._number = making, workers
        self._actors: dict[Place[Member], Any] = {}
        self._held = ExitStack()
        self._closed = False
        self._looked = self._last_up = time.monotonic()
        with ExitStack() as stack:
            here = None if workers is None else max(1, math.ceil(workers * cpus))
            require("ray.util.scheduling_strategies", "ray")
            self._ray = ray = stack.enter_context(connected(address, cpus=here, debug=debug))
            mark = stack.enter_context(claims.temporary(folder.absolute() / names.JOB))
            self._mark = str(mark.path)
            has_gpus = ray.cluster_resources().get("GPU", 0) > 0
            self._resources = {"num_cpus": cpus, "num_gpus": float(has_gpus) if gpus is None else gpus}
            fit = self._capacity()
            if fit == 0:
                raise InputError(
                    f"no node of the cluster has the {cpus:g} CPUs and {self._resources['num_gpus']:g} GPUs "
                    "that a worker is to have: change --cpus-per-worker or --gpus-per-worker"
                )
            check_nodes(ray, self._mark)
            self._places = [Place(making) for _ in range(workers or fit)]
            self._held = stack.pop_all()

    def open_places(self) -> int:
        """Shards that may be handed over now."""
        with self._lock:
            self._begin()
            self._grow()
            taken = len(self._waiting) + sum(len(place.handed) for place in self._places)
            return max(0, PER_WORKER * self.workers() - taken)

    def wait(self, seconds: float) -> list[Event]:
        """What has happened since; empty if nothing has within so many seconds."""
        found = super().wait(seconds)
        now = time.monotonic()
        if self.workers():
            self._last_up = now
        elif not found and now - self._last_up > LOST_SECONDS:
            self._last_up = now
            message = f"no node of the cluster has had a worker for {LOST_SECONDS / 60:g} minutes"
            found.append(Failed(None, UNABLE, message))
        return found

    def workers(self) -> int:
        """Workers whose process is there."""
        with self._lock:
            return sum(1 for place in self._places if place.child is not None and place.child.is_up)

    def close(self, *, now: bool = False) -> None:
        """End the workers: after the shards they have begun, or now; and the cluster, if it was for them."""
        if self._closed:
            return
        super().close(now=now)
        self._closed = True
        for place in list(self._places):
            if place.child is not None:
                place.child.leave()
        for actor in self._actors.values():
            with suppress(Exception):  # of an actor or a cluster that is gone
                self._ray.kill(actor)
        self._held.close()

    def _hire(self, place: Place[Member], hear: Hear) -> Member:
        if place not in self._actors:
            kind = self._ray.remote(max_restarts=-1, **self._resources)(Actor)
            self._actors[place] = kind.options(scheduling_strategy="SPREAD").remote()
        return Member(self._ray, self._actors[place], self._mark, hear)

    def _capacity(self) -> int:
        return capacity(alive(self._ray), self._resources["num_cpus"], self._resources["num_gpus"])

    def _grow(self) -> None:
        """Have a worker for each that fits on the cluster, where nobody has said how many."""
        now = time.monotonic()
        if self._number is not None or self._closing or now - self._looked < GROW_SECONDS:
            return
        self._looked = now
        for _ in range(self._capacity() - len(self._places)):
            place: Place[Member] = Place(self._making)
            self._places.append(place)
            self._start(place)
            self._open_at(place)
