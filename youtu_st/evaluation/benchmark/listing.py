"""The prompts of many tasks, for people: each with its source, counted, and beside those of mteb."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from youtu_st.evaluation.benchmark.prompts import Source, prompts_of
from youtu_st.evaluation.benchmark.registered import (
    Likeness,
    Registered,
    compare,
    likeness,
    registered_prompts,
)
from youtu_st.evaluation.benchmark.tasks import select
from youtu_st.evaluation.profiles import Profile, table_of
from youtu_st.spec.model import ModelSpec

SOURCES: dict[Source, str] = {
    "authors": "of the authors",
    "mteb task": "of the task in mteb",
    "mteb type": "of its type in mteb",
    "model": "the model's own",
    "none": "none",
}


@dataclass(frozen=True, slots=True)
class SidePrompt:
    """What stands before the texts of one side of a task.

    Attributes:
        side: ``query``, ``document`` or ``both``.
        prompt: The whole prompt.
        source: Where it is from.
        beside: What mteb's class for the model would send; None: not asked for.
        likeness: How like the two are.
    """

    side: str
    prompt: str
    source: Source
    beside: str | None = None
    likeness: Likeness | None = None


@dataclass(frozen=True, slots=True)
class TaskListing:
    """A task's prompts.

    Attributes:
        task: Its name.
        type: Its type, by mteb.
        instructed: Whether the authors have published an instruction for it.
        sides: One prompt for each side that it has.
        likeness: How like they are to those of mteb's class, all sides together.
    """

    task: str
    type: str
    instructed: bool
    sides: tuple[SidePrompt, ...]
    likeness: Likeness | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The prompts of many tasks.

    Attributes:
        model: Whose they are.
        profile: How it is evaluated.
        tasks: One entry for each task.
        by_copy: Names among them that the copier of the authors' table may have added to it.
        has_table: Whether the authors have published instructions at all.
    """

    model: str
    profile: Profile
    tasks: tuple[TaskListing, ...]
    by_copy: tuple[str, ...]
    has_table: bool

    @property
    def uninstructed(self) -> list[str]:
        """Tasks without an instruction of the authors."""
        return [task.task for task in self.tasks if not task.instructed]

    def summary(self) -> list[str]:
        """How many tasks have which prompts, in lines."""
        n, by_authors = len(self.tasks), len(self.tasks) - len(self.uninstructed)
        copied = f", {len(self.by_copy)} of them under names that a copy added" if self.by_copy else ""
        sides = Counter(side.source for task in self.tasks for side in task.sides)
        counted = ", ".join(f"{sides[source]} {text}" for source, text in SOURCES.items() if sides[source])
        lines = [
            f"{self.model}, profile {self.profile.name} ({self.profile.kind}): {by_authors} of {n} by the "
            f"authors{copied}",
            f"{sum(sides.values())} prompts: {counted}",
        ]
        if self.has_table and self.uninstructed:
            lines.append(f"without an instruction of the authors: {', '.join(self.uninstructed)}")
        like = Counter(task.likeness for task in self.tasks)
        if None not in like:
            lines.append(
                f"beside mteb's class: {like['equal']} of {n} tasks equal to the letter, "
                f"{like['but for spaces']} but for spaces, {like['other']} other"
            )
        return lines

    def as_json(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {
            "model": self.model,
            "profile": self.profile.model_dump(mode="json"),
            "by_the_authors": len(self.tasks) - len(self.uninstructed),
            "names_added_by_copy": list(self.by_copy),
            "tasks": [asdict(task) for task in self.tasks],
        }


def list_prompts(
    profile: Profile,
    spec: ModelSpec | None,
    benchmark: str | None,
    tasks: Sequence[str] = (),
    *,
    beside: bool = False,
) -> Listing:
    """The prompts of the tasks of a benchmark.

    Args:
        profile: How the model is evaluated.
        spec: The model; None: one without a spec.
        benchmark: One of mteb's; None: ``tasks`` are any of mteb's.
        tasks: Names of tasks; none: all of the benchmark.
        beside: Compare with what mteb's class for the model would send.

    Raises:
        InputError: As for :func:`~youtu_st.evaluation.benchmark.tasks.select`, or if mteb has no class for
            the model.
    """
    theirs = registered_prompts(spec) if beside and spec is not None else None
    table = table_of(profile)
    listed = tuple(_of(profile, spec, task.metadata, theirs) for task in select(benchmark, tasks))
    added = table.added_by_copy if table is not None else ()
    return Listing(
        model=spec.name if spec is not None else profile.models[0],
        profile=profile,
        tasks=listed,
        by_copy=tuple(task.task for task in listed if task.task in added),
        has_table=table is not None,
    )


def _of(profile: Profile, spec: ModelSpec | None, metadata: Any, theirs: Registered | None) -> TaskListing:
    ours, sides = prompts_of(profile, spec, metadata), []
    for side in ours.sides:
        told = ours.of(side)
        beside = theirs(metadata, side) if theirs is not None else None
        like = compare(told.prompt, beside) if beside is not None else None
        sides.append(SidePrompt(side or "both", told.prompt, told.source, beside, like))
    whole = likeness(ours, metadata, theirs) if theirs is not None else None
    return TaskListing(metadata.name, metadata.type, ours.instructed, tuple(sides), whole)
