"""Replicas: something that answers, several times over, on Ray Serve."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

import youtu_st
from youtu_st.errors import EngineError, InputError, in_one_line, require
from youtu_st.scale.cluster.connection import check_cluster, connected
from youtu_st.scale.cluster.threads import use_assigned_cpus

DEPLOYMENT = "replica"
TIMES = 3
"""Replicas that may die of one request."""
EVERY = 0.5
"""Seconds between looks at replicas that are being started."""
AT_ONCE = 1 << 16
"""Requests under way in a replica: it is its own queue that refuses."""
TOLD_SECONDS = 5.0
"""For all replicas to tell what they count."""
ENDING_SECONDS = 2.0
"""For a replica to end, when nobody waits for it any more."""
HEALTH_SECONDS = 2.0
"""Between looks at whether a replica lives."""
_FAILURE = re.compile(r"youtu-st-replica\((\".*?(?<!\\)\")\)")
"""How a replica that cannot be made says why, in the midst of what Ray Serve says."""


class Answers(Protocol):
    """What a replica is."""

    async def answer(self, asked: Any) -> Any:
        """The answer to a request."""

    def families(self) -> Any:
        """What it counts."""


class Replicas:
    """Replicas of whatever a function makes, on the nodes of a cluster.

    Where a replica dies, another one takes its place, and its requests are asked of another one meanwhile.

    Args:
        name: Of the application on Ray Serve; what goes by it already, as after a kill, is replaced.
        make: Makes what answers, in the replica's process. Pickled by its name; its arguments go along.
        number: Replicas.
        cpus: CPUs of each.
        gpus: GPUs of each.
        address: Of the cluster, as for :func:`~youtu_st.scale.cluster.connection.connected`.
        debug: Let what Ray and the replicas write reach the terminal.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Answers],
        *,
        number: int,
        cpus: float = 1.0,
        gpus: float = 0.0,
        address: str | None = None,
        debug: bool = False,
    ) -> None:
        self._name, self._make, self._number = name, make, number
        self._resources = {"num_cpus": cpus, "num_gpus": gpus}
        self._address, self._debug = address, debug
        self._held = ExitStack()
        self._lock = threading.Lock()
        self._closed = self._alone = False
        self._serve: Any = None
        self._handle: Any = None
        self._gone: tuple[type[BaseException], ...] = ()

    def connect(self) -> None:
        """Connect with the cluster. In the main thread: the handlers of signals are set anew then.

        Raises:
            MissingDependencyError: If Ray Serve is not installed.
            InputError: If there is no cluster.
        """
        check_cluster(self._address)
        self._serve = require("ray.serve", "ray")
        needs = self._resources["num_cpus"] * self._number
        ray = self._held.enter_context(
            connected(self._address, cpus=max(2, int(needs + 0.999)), debug=self._debug)
        )
        self._gone = (ray.exceptions.RayActorError, ray.exceptions.WorkerCrashedError)

    def start(self) -> None:
        """Start them, and come back when one takes requests.

        Raises:
            InputError: If a replica cannot be made: with the reason that it gives.
        """
        serve = self._serve
        self._be_quiet()
        self._alone = not set(serve.status().applications) - {self._name}
        serve.start(proxy_location="Disabled", logging_config={"log_level": self._level})
        self._be_quiet()
        deployment = serve.deployment(
            _Replica,
            name=DEPLOYMENT,
            num_replicas=self._number,
            ray_actor_options=self._resources,
            max_ongoing_requests=AT_ONCE,
            graceful_shutdown_wait_loop_s=0.1,
            graceful_shutdown_timeout_s=ENDING_SECONDS,
            health_check_period_s=HEALTH_SECONDS,
            max_constructor_retry_count=1,
            logging_config={"log_level": self._level, "enable_access_log": False},
        )
        application = deployment.bind(self._make, youtu_st.__version__)
        failures: list[BaseException] = []

        def run() -> None:  # it comes back when all of them are there
            try:
                serve.run(application, name=self._name, route_prefix=None)
            except BaseException as error:
                failures.append(error)

        threading.Thread(target=run, name="youtu-st-starting", daemon=True).start()
        while not self.running():
            if failures:
                raise InputError(self._why(failures[0])) from failures[0]
            time.sleep(EVERY)
        self._handle = serve.get_deployment_handle(DEPLOYMENT, self._name)

    def running(self) -> int:
        """How many take requests now.

        Raises:
            EngineError: If the cluster does not say.
        """
        try:
            application = self._serve.status().applications.get(self._name)
        except Exception as error:  # of whichever part of a cluster is gone
            raise EngineError(in_one_line("Ray Serve does not answer", error)) from error
        deployment = application and application.deployments.get(DEPLOYMENT)
        return 0 if not deployment else deployment.replica_states.get("RUNNING", 0)

    async def ask(self, asked: Any) -> Any:
        """The answer of whichever has the least to do; of another one where that dies meanwhile.

        Where the caller is cancelled, the replica's work is cancelled.

        Raises:
            EngineError: If one after another has died.
        """
        reason: BaseException = EngineError("")
        for _ in range(TIMES):
            response = self._handle.answer.remote(asked)
            try:
                return await response
            except asyncio.CancelledError:
                response.cancel()
                raise
            except self._gone as error:
                reason = error
        raise EngineError(in_one_line(f"{TIMES} replicas died of the request", reason)) from reason

    async def told(self) -> Sequence[tuple[str, Any]]:
        """What each of them counts, by its name."""
        response = self._handle.broadcast("told")
        every = await response.results_async(timeout_s=TOLD_SECONDS, return_exceptions=True)
        return [one for one in every if not isinstance(one, BaseException)]

    def close(self) -> None:
        """End them, and the cluster where it was started for them. Once; a second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self._serve is not None:
            try:
                self._serve.shutdown() if self._alone else self._serve.delete(self._name)
            except Exception as error:  # of whichever part of a cluster is gone: then they are, too
                logging.getLogger(__name__).debug("%s", in_one_line("Ray Serve does not answer", error))
        self._held.close()

    def _why(self, error: BaseException) -> str:
        """What a replica said that could not be made, or else what Ray Serve says."""
        told = [str(error)]
        application = self._serve.status().applications.get(self._name)
        if application is not None:
            told += [application.message, *(one.message for one in application.deployments.values())]
        found = _FAILURE.search("\n".join(told))
        if found is not None:
            return str(json.loads(found[1]))
        return in_one_line("the replicas cannot be started", error)

    @property
    def _level(self) -> str:
        return "INFO" if self._debug else "ERROR"

    def _be_quiet(self) -> None:
        logging.getLogger("ray.serve").setLevel(self._level)  # it is set anew at each start


class _Replica:
    """What Ray Serve makes: in a process of its own, on any node.

    Raises:
        RuntimeError: If it cannot be made, in the words of :data:`_FAILURE`.
    """

    def __init__(self, make: Callable[[], Answers], version: str) -> None:
        use_assigned_cpus()
        try:
            if version != youtu_st.__version__:
                raise InputError(f"a node has youtu-st {youtu_st.__version__}, and this machine {version}")
            self._made = make()
        except Exception as error:
            raise RuntimeError(f"youtu-st-replica({json.dumps(_told(error))})") from error

    async def answer(self, asked: Any) -> Any:
        return await self._made.answer(asked)

    def told(self) -> tuple[str, Any]:
        from ray import serve

        return serve.get_replica_context().replica_id.unique_id, self._made.families()


def _told(error: Exception) -> str:
    known = isinstance(error, youtu_st.YoutuError)
    return " ".join(str(error).split()) if known else in_one_line(type(error).__name__, error)
