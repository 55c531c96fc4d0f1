"""As many threads as a worker of Ray was given CPUs."""

from __future__ import annotations

import os
import sys

WAITING = "OMP_WAIT_POLICY"


def assigned_cpus() -> int | None:
    """Whole CPUs that Ray has given to this actor or task, at least one; None: Ray has not started it."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    try:
        assigned = ray.get_runtime_context().get_assigned_resources()
    except AssertionError:  # whoever asked for the work
        return None
    return max(1, int(assigned.get("CPU", 0)))


def use_assigned_cpus() -> None:
    """Let PyTorch compute with the CPUs of this worker, if it is one of Ray's.

    Threads that wait for each other in a loop do so on cores that other workers need: where PyTorch is not
    loaded yet, it is told not to.
    """
    cpus = assigned_cpus()
    if cpus is None:
        return
    os.environ.setdefault(WAITING, "PASSIVE")
    import torch

    if torch.get_num_threads() != cpus:
        torch.set_num_threads(cpus)
