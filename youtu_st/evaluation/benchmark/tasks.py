"""Names of benchmarks, tasks, languages and splits to tasks of mteb."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from youtu_st.errors import InputError, brief, require
from youtu_st.spec.registry import hint

if TYPE_CHECKING:
    from mteb import AbsTask

Found = TypeVar("Found")

SHOWN = 12
"""Names of a list that a message gives."""


def load_benchmark(name: str) -> list[AbsTask]:
    """The tasks of a benchmark, in its own order; copies that may be changed.

    Raises:
        InputError: If mteb has no benchmark of that name; near matches are named.
        MissingDependencyError: If mteb is not installed.
    """
    mteb = require("mteb", "eval")
    found = _or_none(mteb.get_benchmark, name)
    if found is None:
        known = [benchmark.name for benchmark in mteb.get_benchmarks()]
        near = hint(name, known) or f" There are: {_some(known)}"
        raise InputError(f"mteb has no benchmark {brief(name)}.{near}")
    return [copy.copy(task) for task in found.tasks]


def load_task(name: str) -> AbsTask:
    """A task by its name.

    Raises:
        InputError: If mteb has no task of that name; near matches are named.
        MissingDependencyError: If mteb is not installed.
    """
    mteb = require("mteb", "eval")
    found: AbsTask | None = _or_none(mteb.get_task, name)
    if found is None:
        known = {
            task.metadata.name for task in mteb.get_tasks(exclude_superseded=False, exclude_private=False)
        }
        raise InputError(f"mteb has no task {brief(name)}.{hint(name, sorted(known))}")
    return found


def select(
    benchmark: str | None = None,
    tasks: Sequence[str] = (),
    languages: Sequence[str] = (),
    splits: Sequence[str] = (),
) -> list[AbsTask]:
    """Tasks by name, each with the languages and splits that are asked for.

    Args:
        benchmark: A benchmark of mteb. None: ``tasks`` are any of mteb's.
        tasks: Names of tasks, of the benchmark where there is one; none: all of it.
        languages: Codes, such as ``eng`` or ``eng-Latn``: tasks without any of them go; none: all.
        splits: Names of splits, ``test`` for all tasks or ``TASK=test`` for one; none: all that are
            evaluated.

    Raises:
        InputError: If one of the names is not known, a task has none of the splits, or nothing is left; near
            matches are named.
        MissingDependencyError: If mteb is not installed.
    """
    if benchmark is None and not tasks:
        raise InputError("say what to run: a benchmark, or names of tasks")
    if benchmark is None:
        chosen = [load_task(name) for name in dict.fromkeys(tasks)]
    else:
        chosen = _named(load_benchmark(benchmark), tasks, benchmark)
    chosen = _in_languages(chosen, languages)
    _set_splits(chosen, splits)
    return chosen


def languages_of(task: AbsTask) -> list[str]:
    """Languages of the parts of a task that are to be run, as mteb writes them: ``eng-Latn``."""
    by_subset = task.metadata.hf_subsets_to_langscripts
    return sorted({language for subset in task.hf_subsets for language in by_subset[subset]})


def _named(found: list[AbsTask], names: Sequence[str], benchmark: str) -> list[AbsTask]:
    by_name = {task.metadata.name: task for task in found}
    for name in names:
        if name not in by_name:
            near = hint(name, by_name) or f" It has: {_some(list(by_name))}"
            raise InputError(f"{benchmark} has no task {brief(name)}.{near}")
    return [task for name, task in by_name.items() if not names or name in names]


def _in_languages(tasks: list[AbsTask], wanted: Sequence[str]) -> list[AbsTask]:
    """Tasks in some languages, and of each the parts in them: those that a benchmark leaves out stay out."""
    if not wanted:
        return tasks
    known = {code for task in tasks for code in _codes(languages_of(task))}
    for language in wanted:
        if language not in known:
            near = hint(language, sorted(known)) or f" There are: {_some(sorted(known))}"
            raise InputError(f"no task is in the language {brief(language)}, a code such as 'eng'.{near}")
    kept = []
    for task in tasks:
        by_subset = task.metadata.hf_subsets_to_langscripts
        subsets = [subset for subset in task.hf_subsets if _codes(by_subset[subset]).intersection(wanted)]
        if subsets:
            kept.append(task.filter_languages(None, hf_subsets=subsets))
    return kept


def _codes(languages: Sequence[str]) -> set[str]:
    """Languages as they may be asked for: with their script and without."""
    return {code for whole in languages for code in (whole, whole.split("-")[0])}


def _set_splits(tasks: list[AbsTask], wanted: Sequence[str]) -> None:
    """Keep some splits of each task.

    Raises:
        InputError: If a split or the task before it is not known, or a task would have none left.
    """
    by_name = {task.metadata.name: task for task in tasks}
    general = [one for one in wanted if "=" not in one]
    special = dict[str, list[str]]()
    for name, split in (one.split("=", 1) for one in wanted if "=" in one):
        if name not in by_name:
            raise InputError(f"--splits: no task {brief(name)} is to be run.{hint(name, by_name)}")
        _check_split(split, by_name[name].eval_splits, name)
        special.setdefault(name, []).append(split)
    for split in general:
        _check_split(split, sorted({split for task in tasks for split in task.eval_splits}), "no task")
    kept = {
        name: [split for split in task.eval_splits if split in special.get(name, general)]
        for name, task in by_name.items()
        if special.get(name, general)
    }
    without = [name for name, splits in kept.items() if not splits]
    if without:
        raise InputError(
            f"{len(without)} tasks have no split {', '.join(general)}: {_some(without)}. Leave them out, or "
            f"give them theirs: {without[0]}={by_name[without[0]].eval_splits[0]}"
        )
    for name, splits in kept.items():
        by_name[name].filter_eval_splits(splits)


def _check_split(split: str, known: Sequence[str], whose: str) -> None:
    if split not in known:
        who = "no task is" if whose == "no task" else f"{whose} is not"
        raise InputError(
            f"{who} evaluated on a split {brief(split)}.{hint(split, known)} There are: {', '.join(known)}"
        )


def _or_none(get: Callable[[str], Found], name: str) -> Found | None:
    """What mteb has by a name; it raises a ``KeyError`` for what it has not."""
    try:
        return get(name)
    except KeyError:
        return None


def _some(names: Sequence[Any]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(map(str, names[:SHOWN]))}{more}"
