"""What a run wrote beside its results, in ``run.json``: read leniently, for a report needs none of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from youtu_st.evaluation.report.files import as_float, read_object

RUN_FILE = "run/run.json"
_REMEDY = "move it away: the results are read without it, and the same run writes it again"


@dataclass(frozen=True, slots=True)
class Prompt:
    """What stood before the texts of one side, and who says so."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class TaskAbout:
    """What is known of one task's run; None: nothing was written.

    Attributes:
        prompts: By side: ``query``, ``document``, or ``both``.
        seconds: How long it took.
        encoded: Texts that were encoded, and not found in the cache of vectors.
        tokens: Of those.
        cut: Texts that were longer than the model reads.
        blank: Texts that were blank.
        error: Why it failed, ``""`` where it did not.
    """

    prompts: Mapping[str, Prompt] = field(default_factory=dict)
    seconds: float | None = None
    encoded: float | None = None
    tokens: float | None = None
    cut: float | None = None
    blank: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a run; all of it may be absent.

    Attributes:
        model: What was run.
        revision: The digest of what makes a score.
        fingerprint: The encoder's.
        profile: ``published``, ``plain``, or another.
        benchmark: What was asked for.
        partial: How much of the data was run, in words; ``""``: all of it.
        differences: What the machine did otherwise than the profile says.
        runtime: How it ran: dtype, device, backend.
        versions: Of the packages that ran it.
        tasks: By name.
    """

    model: str = ""
    revision: str = ""
    fingerprint: str = ""
    profile: str = ""
    benchmark: str = ""
    partial: str = ""
    differences: tuple[str, ...] = ()
    runtime: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, TaskAbout] = field(default_factory=dict)

    def total(self, name: str) -> float | None:
        """The sum of one number over all tasks, or None where no task has it."""
        found = [value for task in self.tasks.values() if (value := getattr(task, name)) is not None]
        return sum(found) if found else None


def read_about(folder: Path) -> About:
    """What ``run.json`` says, as far as it says it.

    Raises:
        InputError: Naming the file, if it is no JSON object.
    """
    path = folder / RUN_FILE
    if not path.exists():
        return About()
    content = read_object(path, _REMEDY)
    return About(
        **{name: _text(content.get(name)) for name in _TEXTS},
        partial=_partial(content),
        differences=tuple(filter(None, map(_text, _listed(content.get("differences"))))),
        runtime=_texts(content.get("runtime")),
        versions=_texts(content.get("versions")),
        tasks={name: _task(name, task) for name, task in _mapping(content.get("tasks")).items()},
    )


_TEXTS = ("model", "revision", "fingerprint", "profile", "benchmark")


def _partial(content: Mapping[str, Any]) -> str:
    limit = content.get("limit") or _mapping(content.get("settings")).get("limit")
    if not (limit or content.get("partial")):
        return ""
    return f"limit {limit}" if isinstance(limit, int | str) and limit is not True else "not all of the data"


def _task(name: str, value: Any) -> TaskAbout:
    task = _mapping(value)
    prompts = {
        side: Prompt(_text(told.get("prompt")), _text(told.get("source")))
        for side, told in _mapping(task.get("prompts")).items()
        if isinstance(told, dict)
    }
    numbers = {number: as_float(task.get(number)) for number in _NUMBERS}
    return TaskAbout(prompts, **numbers, error=_error(task).removeprefix(f"{name}: "))


_NUMBERS = ("seconds", "encoded", "tokens", "cut", "blank")


def _error(task: Mapping[str, Any]) -> str:
    """The last line of a traceback says what went wrong."""
    lines = _text(task.get("error")).strip().splitlines()
    return lines[-1][:300] if lines else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> dict[str, str]:
    return {name: str(item) for name, item in _mapping(value).items() if isinstance(item, str | int | float)}
