"""Two Ray nodes on this machine, in a process of their own, which ends with its input.

python -m scaling.cluster CPUS
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from scaling.processes import Failed, environment, stop

OBJECTS = 256 * 2**20
"""Bytes of shared memory of each node."""


def main(cpus: str) -> None:
    from ray.cluster_utils import Cluster

    node = {"num_cpus": int(cpus), "object_store_memory": OBJECTS}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        cluster.add_node(**node)
        cluster.wait_for_nodes()
        print(f"address {cluster.address}", flush=True)
        sys.stdin.read()
    finally:
        cluster.shutdown()


@contextmanager
def two_nodes(log: Path, cpus: int = 1, further: Mapping[str, str] | None = None) -> Iterator[str]:
    """Start them, and give their address.

    Args:
        log: Gets what they print.
        cpus: That each says it has.
        further: Of the environment, theirs and that of all that runs on them.
    """
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "scaling.cluster", str(cpus)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment({"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", **(further or {})}),
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith(b"address "):
                yield line.split()[1].decode()
                break
        else:
            raise Failed(f"the cluster ended with code {process.wait()}")
    finally:
        process.stdin.close()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            stop(process)


if __name__ == "__main__":
    main(sys.argv[1])
