"""Documents a second: on this machine's cores, and on two Ray nodes with a core each."""

from __future__ import annotations

from functools import partial

from scaling import contestants
from scaling.contestants import Contestant
from scaling.stage import Figures, Stage


def embed(stage: Stage) -> dict[str, list[Figures]]:
    """Two worker processes, one process on both cores, and the loop."""
    return _all(stage, contestants.ours, contestants.stream, contestants.loop)


def ray(stage: Stage) -> dict[str, list[Figures]]:
    """Two workers as processes and as actors, and Ray Data."""
    return _all(stage, contestants.ours, contestants.on_ray, contestants.ray_data, contestants.ray_blocks)


def _all(stage: Stage, *there: Contestant) -> dict[str, list[Figures]]:
    return stage.take_turns({one.name: partial(stage.play, one) for one in there})
