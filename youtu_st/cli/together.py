"""Several processes of one command, as torchrun starts them: what all of them would say is said by one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE = 10.0
"""Seconds in which the first process comes to an error that is of all of them."""


@contextmanager
def told_once() -> Iterator[None]:
    """Leave it to the first process to say what all of them would.

    An error that is of all processes ends the first one too, and torchrun then ends the others: so another
    than the first waits for that before it tells of an error, and tells what is its own.
    """
    from youtu_st.training.processes import processes

    if processes().is_first:
        yield
        return
    # PyTorch reads it when it is imported: its warnings to standard error are those of the first process.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        from youtu_st.errors import PeerError, TrainingError, YoutuError

        if not isinstance(error, PeerError) and not _is_ended(PATIENCE):
            raise
        mistake = isinstance(error, YoutuError | OSError) and not isinstance(error, TrainingError)
        raise SystemExit(2 if mistake else 1) from error


def _is_ended(seconds: float) -> bool:
    """Whether this process is asked to end before so many seconds have passed."""
    asked = False

    def ask(number: int, frame: Any) -> None:
        nonlocal asked
        asked = True

    before = signal.signal(signal.SIGTERM, ask)
    try:
        end = time.monotonic() + seconds
        while not asked and time.monotonic() < end:
            time.sleep(0.05)
        return asked
    finally:
        signal.signal(signal.SIGTERM, before)
