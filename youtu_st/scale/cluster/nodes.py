"""Nodes: whether each sees the job's folder, with the same Python and youtu-st; and how many workers fit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import youtu_st
from youtu_st.errors import InputError, in_one_line
from youtu_st.scale.cluster.actor import sees

SECONDS = 60.0
"""For a node to answer: it may have to start a process for that."""


class Sight(NamedTuple):
    """What a node says of itself.

    Attributes:
        sees: Whether the file is there.
        python: Its release.
        version: Of youtu-st.
    """

    sees: bool
    python: str
    version: str


def look(mark: str) -> Sight:
    """Look for a file, on whichever node this runs."""
    return Sight(sees(Path(mark)), _python(), youtu_st.__version__)


def check_nodes(ray: Any, mark: str) -> None:
    """Raise unless all nodes of a cluster see a file, and have what this process has.

    Args:
        ray: The module, connected.
        mark: The file's absolute path.

    Raises:
        InputError: Naming a node, and the folder or both versions.
    """
    nodes = alive(ray)
    remote = ray.remote(num_cpus=0, max_retries=0)(look)
    kind = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    asked = [
        remote.options(scheduling_strategy=kind(node_id=node["NodeID"], soft=False)).remote(mark)
        for node in nodes
    ]
    done, _ = ray.wait(asked, num_returns=len(asked), timeout=SECONDS)
    for node, reference in zip(nodes, asked, strict=True):
        name = node["NodeManagerAddress"]
        if reference not in done:
            raise InputError(f"the node {name} does not answer within {SECONDS:g} s")
        try:
            sight = ray.get(reference)
        except ray.exceptions.RayError as error:
            if _is_gone(ray, error):
                continue  # it was to be asked, and is no node any more
            raise InputError(_why_not(name, error)) from error
        check_sight(name, sight, mark)


def check_sight(name: str, sight: Sight, mark: str) -> None:
    """Raise unless a node sees a file, and has what this process has.

    Raises:
        InputError: Naming the node, and the folder or both versions.
    """
    for what, theirs, mine in (
        ("Python", sight.python, _python()),
        ("youtu-st", sight.version, youtu_st.__version__),
    ):
        if theirs != mine:
            raise InputError(
                f"the node {name} has {what} {theirs}, and this machine {mine}: install the same"
            )
    if not sight.sees:
        raise InputError(not_seen(name, mark))


def not_seen(name: str, mark: str) -> str:
    """That a node does not see the job's folder."""
    return (
        f"the node {name} does not see {Path(mark).parent}: on a cluster the job's folder, the input and the "
        "model must be on a file system that all machines have under the same path"
    )


def alive(ray: Any) -> list[dict[str, Any]]:
    """The nodes that live now."""
    return [node for node in ray.nodes() if node["Alive"]]


def capacity(nodes: Sequence[dict[str, Any]], cpus: float, gpus: float) -> int:
    """How many workers fit on some nodes.

    Args:
        nodes: As :func:`alive` gives them.
        cpus: CPUs of a worker.
        gpus: GPUs of a worker.
    """
    return sum(
        min(
            int(node["Resources"].get(name, 0.0) / each + 1e-9)
            for name, each in (("CPU", cpus), ("GPU", gpus))
            if each
        )
        for node in nodes
    )


def _python() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _is_gone(ray: Any, error: BaseException) -> bool:
    kinds = ("NodeDiedError", "TaskUnschedulableError")
    return isinstance(error, tuple(getattr(ray.exceptions, name) for name in kinds))


def _why_not(name: str, error: BaseException) -> str:
    text = str(error)
    if "No module named 'youtu_st'" in text:
        return f"the node {name} has no youtu-st: install the same there as on this machine"
    return in_one_line(f"the node {name} cannot work", text.strip().rpartition("\n")[2] or error)
