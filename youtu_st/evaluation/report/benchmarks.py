"""Benchmarks: which tasks they have, of which types, and which splits and subsets count.

The usual four are known without mteb, which takes long to import; any other is asked of mteb.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from youtu_st.errors import InputError, brief, did_you_mean, require
from youtu_st.spec.registry import configs_directory

OTHER = "Other"
"""The type of a task that mteb does not have."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task of a benchmark.

    Attributes:
        name: In mteb.
        type: ``Retrieval``, ``STS``, and so on.
        splits: Its evaluation splits; empty: all that were run.
        subsets: Those that count; None: all, of which there are ``count``.
        count: How many subsets there are; 0: however many were run.
    """

    name: str
    type: str
    splits: tuple[str, ...] = ()
    subsets: frozenset[str] | None = None
    count: int = 0


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Tasks whose mean goes by a name.

    Attributes:
        name: In mteb; ``""``: these tasks are no benchmark.
        tasks: By name.
    """

    name: str
    tasks: Mapping[str, Task]

    @property
    def title(self) -> str:
        """The name, or how many tasks there are."""
        return self.name or ("1 task" if len(self.tasks) == 1 else f"{len(self.tasks)} tasks")

    @property
    def types(self) -> tuple[str, ...]:
        """The types of its tasks, in the order of the alphabet."""
        return tuple(sorted({task.type for task in self.tasks.values()}))


def shipped_names() -> list[str]:
    """Benchmarks that are known without mteb."""
    return list(_shipped())


def benchmark_of(name: str) -> Benchmark:
    """A benchmark by its name in mteb.

    Raises:
        InputError: If there is none: near matches are named.
        MissingDependencyError: If it is none of the usual ones, and mteb is not installed.
    """
    return _shipped().get(name) or by_mteb(name)


def by_mteb(name: str) -> Benchmark:
    """What the installed mteb says of a benchmark.

    Raises:
        InputError: As for :func:`benchmark_of`.
        MissingDependencyError: If mteb is not installed.
    """
    mteb = require("mteb", "eval")
    known = [benchmark.name for benchmark in mteb.get_benchmarks()]
    if name not in known:
        meant = did_you_mean(name, known, most=3)
        raise InputError(
            f"there is no benchmark {brief(name)} in mteb: {meant}the usual ones are "
            f"{', '.join(map(repr, shipped_names()))}"
        )
    return Benchmark(name, {task.metadata.name: _by_mteb(task) for task in mteb.get_benchmark(name).tasks})


def _by_mteb(task: Any) -> Task:
    subsets = frozenset({"default"} if task.is_aggregate else task.hf_subsets)
    meta = task.metadata
    return Task(meta.name, str(meta.type), tuple(sorted(task.eval_splits)), subsets, len(subsets))


def guess(tasks: Collection[str]) -> Benchmark:
    """The benchmark at least half of whose tasks are there; failing that, these tasks by themselves."""
    held = {one.name: len(one.tasks.keys() & set(tasks)) / len(one.tasks) for one in _shipped().values()}
    best = max(held, key=lambda name: held[name])
    return _shipped()[best] if held[best] >= 0.5 else Benchmark("", _by_themselves(sorted(tasks)))


def _by_themselves(names: Sequence[str]) -> dict[str, Task]:
    """Tasks of no benchmark: all that was run of each counts."""
    types = {task.name: task.type for one in _shipped().values() for task in one.tasks.values()}
    unknown = [name for name in names if name not in types]
    types |= _types_by_mteb(unknown) if unknown else {}
    return {name: Task(name, types.get(name, OTHER)) for name in names}


def _types_by_mteb(names: Sequence[str]) -> dict[str, str]:
    mteb = require("mteb", "eval")
    types = {}
    for name in names:
        try:
            types[name] = str(mteb.get_task(name).metadata.type)
        except KeyError:  # a task of the user's own
            types[name] = OTHER
    return types


def with_splits(benchmark: Benchmark, splits: Mapping[str, tuple[str, ...]]) -> Benchmark:
    """The benchmark with other splits for some of its tasks.

    Raises:
        InputError: If it has no such task: near matches are named.
    """
    for task in splits:
        if task not in benchmark.tasks:
            meant = did_you_mean(task, benchmark.tasks, most=3)
            raise InputError(
                f"--splits: {benchmark.title} has no task {brief(task)}: {meant}it has "
                f"{len(benchmark.tasks)}, such as {next(iter(benchmark.tasks))!r}"
            )
    changed = {name: replace(benchmark.tasks[name], splits=chosen) for name, chosen in splits.items()}
    return replace(benchmark, tasks={**benchmark.tasks, **changed})


@lru_cache(maxsize=1)
def _shipped() -> dict[str, Benchmark]:
    content = json.loads((configs_directory() / "evaluation" / "benchmarks.json").read_bytes())
    return {
        name: Benchmark(name, {task: _of_file(task, facts) for task, facts in tasks.items()})
        for name, tasks in content["benchmarks"].items()
    }


def _of_file(name: str, facts: Mapping[str, Any]) -> Task:
    subsets = facts["subsets"]
    listed = frozenset(subsets) if isinstance(subsets, list) else None
    return Task(name, facts["type"], tuple(facts["splits"]), listed, len(listed) if listed else subsets)
