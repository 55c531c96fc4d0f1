"""What a run was: recipe, data, versions. It lies beside the model, and says whether a run may be resumed."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import youtu_st
from youtu_st.disk import write_whole
from youtu_st.errors import InputError, brief
from youtu_st.training.preparing import Prepared

FILE = "training.json"
_PACKAGES = ("torch", "transformers", "sentence-transformers", "accelerate", "datasets", "peft")
_OF_LOGS = ("train.log_every", "train.keep")
"""Fields that change nothing in what comes out."""


@dataclass(frozen=True)
class Record:
    """A run, as JSON has it.

    Attributes:
        recipe: All of its fields.
        data: Name, rows and digest of each file, those that are measured too.
        ranks: Processes.
        base: The fingerprint of the model that it began with.
        versions: Of Python and the packages that matter.
        before: What was measured before.
        after: What was measured at the end.
        steps: How many there were.
        seconds: How long they took.
    """

    recipe: Mapping[str, Any]
    data: tuple[Mapping[str, Any], ...]
    ranks: int
    base: str
    versions: Mapping[str, str] = field(default_factory=lambda: _versions())
    before: Mapping[str, float] = field(default_factory=dict)
    after: Mapping[str, float] = field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0

    def write(self, directory: Path) -> None:
        """Write it whole."""
        text = json.dumps(self.__dict__, ensure_ascii=False, indent=2, default=str)
        write_whole(directory / FILE, f"{text}\n".encode())


def record_of(prepared: Prepared, base: str) -> Record:
    """What is known before the first step."""
    sets = (*prepared.sets, *prepared.held_out)
    return Record(
        recipe=prepared.recipe.model_dump(mode="json"),
        data=tuple({"name": one.name, "rows": one.rows, "digest": one.digest} for one in sets),
        ranks=prepared.plan.ranks,
        base=base,
    )


def check_same(record: Record, directory: Path) -> Mapping[str, float]:
    """Raise unless the run that left a record in a directory is this one.

    Returns:
        What was measured before that run's first step.

    Raises:
        InputError: Listing what differs.
    """
    path = directory / FILE
    try:
        before = json.loads(path.read_bytes())
        former = {name: before[name] for name in ("recipe", "data", "ranks", "base")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"there is no run to resume in {directory}: {FILE} cannot be read") from error
    now = json.loads(json.dumps({name: getattr(record, name) for name in former}, default=str))
    differences = [
        f"{name}: {brief(old)} then, {brief(new)} now"
        for name, (old, new) in _differences(former, now).items()
        if name.removeprefix("recipe.") not in _OF_LOGS
    ]
    if differences:
        raise InputError(f"another run was begun in {directory}: {'; '.join(differences[:8])}")
    measured = before.get("before")
    return measured if isinstance(measured, dict) else {}


def _differences(old: Any, new: Any, where: str = "") -> dict[str, tuple[Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for name in {**old, **new}:
            found |= _differences(old.get(name), new.get(name), f"{where}.{name}" if where else name)
        return found
    return {} if old == new else {where: (old, new)}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "youtu-st": youtu_st.__version__}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
