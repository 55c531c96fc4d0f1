"""Where this machine's workers run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace

from youtu_st.scale.settings import Making

_PATIENCE = 20.0


def makings(making: Making, workers: int | None, devices: Sequence[str] | None) -> list[Making]:
    """What each worker makes its encoder from.

    Args:
        making: What they have in common.
        workers: How many. None: one for each device.
        devices: Where they run, in turn. None: on all GPUs, where there are several; else on what the library
            takes for the best.
    """
    where: Sequence[str | None] = devices or (() if making.server else gpus()) or [making.device]
    return [replace(making, device=where[i % len(where)]) for i in range(workers or len(where))]


def gpus() -> list[str]:
    """This machine's GPUs, if there are several; nothing is loaded to know."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        number = len([part for part in visible.split(",") if part.strip() not in ("", "-1")])
    elif (command := shutil.which("nvidia-smi")) is not None:
        try:
            listed = subprocess.run(
                [command, "-L"], capture_output=True, text=True, timeout=_PATIENCE, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return []
        number = sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
    else:
        number = 0
    return [f"cuda:{i}" for i in range(number)] if number > 1 else []
