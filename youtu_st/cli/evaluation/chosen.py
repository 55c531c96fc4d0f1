"""What a command of ``youtu-st eval`` is to judge: found and checked before a model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from youtu_st.cli.console import UsageError, absolute_model, loading, say
from youtu_st.cli.evaluation.options import listed

if TYPE_CHECKING:
    from youtu_st.evaluation.benchmark.local import LocalData
    from youtu_st.evaluation.benchmark.plan import PlannedTask
    from youtu_st.evaluation.benchmark.prompts import TaskPrompts
    from youtu_st.evaluation.profiles import Profile
    from youtu_st.spec.model import ModelSpec


@dataclass(frozen=True)
class Chosen:
    """What is to be judged.

    Attributes:
        name: The model, as it is loaded.
        spec: With the profile's template, boundary and length; None: a directory or hub id without a spec.
        filed: The name that results are filed under.
        profile: How it is judged.
        benchmark: Its name, if one was given.
        tasks: mteb's, those that run.
        prompts: Of every task of the benchmark, or of those that were named.
        revisions: Of the same, the revision or digest of the data.
        local: Data that lies here.
        planned: What each task is.
    """

    name: str
    spec: ModelSpec | None
    filed: str
    profile: Profile
    benchmark: str | None
    tasks: Sequence[Any]
    prompts: dict[str, TaskPrompts]
    revisions: dict[str, str]
    local: dict[str, LocalData]
    planned: Sequence[PlannedTask]

    @property
    def without_instruction(self) -> list[str]:
        """Tasks for which the profile has instructions of the authors, and none for them."""
        if self.profile.table is None:
            return []
        return [task.metadata.name for task in self.tasks if not self._is_told(task)]

    def _is_told(self, task: Any) -> bool:
        return self.prompts[task.metadata.name].instructed or task.metadata.type in self.profile.fixed


def choose(
    model: str,
    *,
    benchmark: str | None,
    tasks: Sequence[str] | None,
    languages: Sequence[str] | None,
    splits: Sequence[str] | None,
    data: Sequence[str] | None,
    profile: str | None,
    allow_missing: bool = False,
) -> Chosen:
    """Find all that was named, and read the data that lies here.

    Raises:
        UsageError: If nothing says what to run.
        YoutuError: If something that was named is not there: near matches are named.
    """
    from youtu_st.evaluation.profiles import load_profile, spec_for
    from youtu_st.spec.model import MODELS

    name = absolute_model(model)
    own = MODELS.resolve(name)
    found = load_profile(name, profile)
    spec = spec_for(found, own) if own is not None else None
    given, named = list(data or ()), listed(tasks)
    with loading("loading mteb ..."):
        from youtu_st.evaluation.benchmark.local import data_of, names_of
        from youtu_st.evaluation.benchmark.plan import plan
        from youtu_st.evaluation.benchmark.prompts import prompts_of
        from youtu_st.evaluation.benchmark.tasks import load_benchmark, select

        here = names_of(given)
        if benchmark is None and not named and not here:
            raise UsageError("say what to run: --benchmark NAME, --tasks A,B, or --data NAME=PATH")
        wanted = named if benchmark is not None or named else here
        chosen = select(benchmark, wanted, listed(languages), listed(splits))
        types = {task.metadata.name: task.metadata for task in chosen}
        whole = load_benchmark(benchmark) if benchmark is not None else chosen
        local = data_of(given, types, allow_missing=allow_missing)
        prompts = {each.metadata.name: prompts_of(found, own, each.metadata) for each in whole}
        revisions = {
            each.metadata.name: local[each.metadata.name].digest
            if each.metadata.name in local
            else str(each.metadata.dataset.get("revision"))
            for each in whole
        }
        for task in chosen:
            if task.metadata.name in local:
                local[task.metadata.name].attach(task)
        return Chosen(
            name=name,
            spec=spec,
            filed=own.hub_id if own is not None else Path(name).name if Path(name).exists() else name,
            profile=found,
            benchmark=benchmark,
            tasks=chosen,
            prompts=prompts,
            revisions=revisions,
            local=local,
            planned=plan(chosen, local),
        )


def check_instructions(chosen: Chosen, *, strict: bool) -> None:
    """Say which tasks have no instruction of the authors.

    Raises:
        UsageError: If that is an error.
    """
    without = chosen.without_instruction
    if not without:
        return
    told = (
        f"{len(without)} of {len(chosen.tasks)} tasks have no instruction of {chosen.profile.name}'s authors"
    )
    names = ", ".join(without[:12]) + (f" and {len(without) - 12} more" if len(without) > 12 else "")
    if strict:
        raise UsageError(f"{told}: {names}. Leave out --strict to run them with mteb's own, or none")
    say("eval", f"{told}, and get mteb's own, or none: {names}")
