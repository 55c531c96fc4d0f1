"""How many threads a network may have on this machine's processor, as a program around it says."""

from __future__ import annotations

import os


def threads() -> int:
    """Cores that this process may run on, or fewer where ``OMP_NUM_THREADS`` says so."""
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # a list has one for each level
    if given.isdecimal() and int(given):
        return int(given)
    has_affinity = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


def batch_tokens(threads: int) -> int:
    """Padded tokens that go through a network at once on a processor: about a thousand for each thread.

    A product of matrices is as fast as it gets by then, and what it works on still lies in the caches.
    """
    return min(max(1024 * threads, 2048), 16384)
