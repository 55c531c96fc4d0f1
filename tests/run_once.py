"""What several tests of a run use is made once, by the first of its processes that asks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
if not IS_WORKER:  # workers inherit it: what one has made or converted is there for all of them
    os.environ["YOUTU_ST_TEST_RUN"] = tempfile.mkdtemp(prefix="youtu-st-test-")
RUN = Path(os.environ["YOUTU_ST_TEST_RUN"])


def once(name: str, make: Callable[[Path], object]) -> Path:
    """The directory ``name`` of this run, made by the first process that asks. Not to be written to."""
    made = RUN / name
    with FileLock(RUN / f"{name}.lock"):
        if not made.exists():
            scratch = RUN / f"{name}.part"
            make(scratch)
            scratch.rename(made)
    return made
