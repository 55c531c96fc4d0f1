"""What makes a score, as one digest and as a file beside it: ``run.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from youtu_st.disk import read_bounded, write_whole
from youtu_st.evaluation.benchmark.results import RUN
from youtu_st.protocol import canonical, digest

_PACKAGES = (
    "youtu-st",
    "mteb",
    "sentence-transformers",
    "transformers",
    "torch",
    "datasets",
    "flash-attn",
    "numpy",
)
_MOST_BYTES = 1 << 26


@dataclass
class Run:
    """A run, as ``run.json`` has it.

    Attributes:
        model: The model's name.
        fingerprint: The encoder's.
        profile: ``published`` or ``plain``.
        benchmark: Its name; None: tasks that were named.
        revision: Digest of all that makes a score, see :func:`revision_of`.
        identity: The named parts of the fingerprint.
        runtime: dtype, device, backend.
        differences: What this machine does otherwise than the profile says.
        settings: Off the profile, in force for all tasks: dimensions, weights, limit, splits.
        partial: Whether tasks were cut short; enters no average then.
        versions: Of the packages that have a say.
        tasks: By task: prompts, seconds, counts; ``error`` where it failed.
    """

    model: str
    fingerprint: str
    profile: str
    benchmark: str | None
    revision: str
    identity: Mapping[str, str]
    runtime: Mapping[str, str]
    differences: list[str] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)
    partial: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Put it beside the scores, whole or not at all."""
        told = {**asdict(self), "written": datetime.now(timezone.utc).isoformat(timespec="seconds")}
        write_whole(folder / RUN, (json.dumps(told, ensure_ascii=False, indent=1) + "\n").encode())


def tasks_before(folder: Path) -> dict[str, dict[str, Any]]:
    """What an earlier run into the same folder says of its tasks; nothing where that cannot be read."""
    try:
        tasks = json.loads(read_bounded(folder / RUN, _MOST_BYTES))["tasks"]
        return {str(name): dict(told) for name, told in tasks.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def revision_of(
    identity: Mapping[str, str],
    profile: str,
    prompts: Mapping[str, Mapping[str, str]],
    data: Mapping[str, str],
    **further: Any,
) -> str:
    """Sixteen hexadecimal digits over all that makes a score: what a result is filed under.

    Args:
        identity: The encoder's. The length of its vectors does not count: another is an experiment apart.
        profile: The profile's name.
        prompts: By task and side, whole prompts.
        data: By task, the revision or digest of its data.
        **further: What else makes one, such as the run that a reranker begins from.
    """
    parts = {name: part for name, part in identity.items() if name != "dimension"}
    whole = {"encoder": parts, "profile": profile, "prompts": prompts, "data": data, **further}
    return digest(canonical(whole).encode())


def precision(runtime: Mapping[str, str]) -> dict[str, str]:
    """What rounds vectors that mean the same: backend, dtype and weights; not the device.

    A fingerprint does not tell them apart, and a score may not stand for another precision's.
    """
    return {name: runtime[name] for name in ("backend", "dtype", "weights") if name in runtime}


def versions() -> dict[str, str]:
    """Versions of the packages that have a say in a score, where they are installed."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
