"""A model judged on tasks: what is filed where, what runs, and what is written beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from youtu_st.evaluation.benchmark.encoder import BenchmarkEncoder, Blank
from youtu_st.evaluation.benchmark.limits import limit as cut_short
from youtu_st.evaluation.benchmark.local import LocalData
from youtu_st.evaluation.benchmark.record import Run, precision, revision_of, versions
from youtu_st.evaluation.benchmark.running import Notify, Outcome, folder_of, run
from youtu_st.evaluation.benchmark.vectors import GIB, VectorCache
from youtu_st.protocol import TextEncoder, fingerprint

if TYPE_CHECKING:
    from youtu_st.evaluation.benchmark.prompts import TaskPrompts

SIDES = ("query", "document", "both")


@dataclass(frozen=True)
class Plan:
    """What is judged, and how.

    Attributes:
        model: The name that results are filed under: a hub id, or one of its own.
        tasks: mteb's, those that run.
        prompts: Of these, and of every other task of the benchmark, so that a run of some of its tasks is
            filed with a run of all.
        data: By task, the revision or digest of its data, likewise.
        out: mteb's ``cache_path``.
        profile: ``published`` or ``plain``.
        benchmark: Its name; None: tasks that were named.
        local: Data that lies here, by task.
        limit: Texts or queries of each split; None: all.
        experiment: Settings off the profile, such as ``{"dimensions": 128}``.
        differences: What this machine does otherwise than the profile says.
    """

    model: str
    tasks: Sequence[Any]
    prompts: Mapping[str, TaskPrompts]
    data: Mapping[str, str]
    out: Path
    profile: str
    benchmark: str | None = None
    local: Mapping[str, LocalData] = field(default_factory=dict)
    limit: int | None = None
    experiment: Mapping[str, Any] = field(default_factory=dict)
    differences: Sequence[str] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """What makes this an experiment, in mteb's word: its results are filed apart."""
        return {**self.experiment, **({"limit": self.limit} if self.limit is not None else {})}

    def prepare(self, task: Any) -> None:
        """Load a task's data, and cut it short where that is asked for."""
        name = task.metadata.name
        if name in self.local:
            self.local[name].load(task)
        elif self.limit is not None:
            task.load_data()
        if self.limit is not None:
            cut_short(task, self.limit)


@dataclass(frozen=True)
class Judgement:
    """What came of a run.

    Attributes:
        folder: Where the scores are.
        revision: Their revision.
        outcomes: In the order of the tasks.
    """

    folder: Path
    revision: str
    outcomes: Sequence[Outcome]

    @property
    def failed(self) -> list[Outcome]:
        """Those of tasks that failed."""
        return [outcome for outcome in self.outcomes if outcome.error is not None]


def judge(
    encoder: TextEncoder,
    plan: Plan,
    *,
    blank: Blank | None = None,
    cache: Path | None = None,
    cache_size: int = 20 * GIB,
    show_progress: bool = False,
    notify: Notify = print,
    begin: Callable[[str], None] = lambda task: None,
    done: Callable[[Outcome], None] = lambda outcome: None,
) -> Judgement:
    """Run tasks with an encoder.

    Args:
        encoder: Any encoder; its template is that of the profile.
        plan: What is judged, and how.
        blank: The vector of a blank text.
        cache: Where vectors are kept; None: nowhere.
        cache_size: Bytes that may be kept there.
        show_progress: Show a bar for each block of texts.
        notify: Is told in one line what a user should know.
        begin: As for :func:`~youtu_st.evaluation.benchmark.running.run`.
        done: Likewise.

    Raises:
        InputError: If another run writes to the results or to the vectors.
        OSError: If a folder cannot be written.
    """
    rounded = precision(encoder.runtime)
    told = whole_prompts(plan.prompts)
    revision = revision_of(encoder.identity, plan.profile, told, plan.data, precision=rounded)
    meta = model_meta(plan.model, revision, encoder.dimension, plan.settings)
    record = Run(
        model=encoder.model_name,
        fingerprint=encoder.fingerprint,
        profile=plan.profile,
        benchmark=plan.benchmark,
        revision=revision,
        identity=dict(encoder.identity),
        runtime=dict(encoder.runtime),
        differences=list(plan.differences),
        settings=plan.settings,
        partial=plan.limit is not None,
        versions=versions(),
    )
    for task in plan.tasks:
        if task.metadata.name in plan.local:
            plan.local[task.metadata.name].attach(task)
    with ExitStack() as stack:
        vectors = None
        if cache is not None:
            name = fingerprint({**encoder.identity, **rounded})
            kept = VectorCache(cache, name, encoder.dimension, size=cache_size, notify=notify)
            vectors = stack.enter_context(kept)
        model = BenchmarkEncoder(
            encoder, plan.prompts, meta, vectors=vectors, blank=blank, show_progress=show_progress
        )
        outcomes = run(
            model, plan.tasks, plan.out, record, prepare=plan.prepare, notify=notify, begin=begin, done=done
        )
    return Judgement(folder_of(plan.out, meta), revision, outcomes)


def whole_prompts(prompts: Mapping[str, TaskPrompts]) -> dict[str, dict[str, str]]:
    """By task and side, what stands before a text, to the letter."""
    return {
        name: {side: getattr(told, side).prompt for side in SIDES} for name, told in sorted(prompts.items())
    }


def model_meta(name: str, revision: str, dimension: int, settings: Mapping[str, Any]) -> Any:
    """What mteb files results under.

    Args:
        name: ``owner/name``; a name without an owner gets ``local``.
        revision: See :func:`~youtu_st.evaluation.benchmark.record.revision_of`.
        dimension: Length of the vectors; 0 for a reranker.
        settings: Each set of them is filed in a folder of its own, below ``experiments``.
    """
    from mteb.models import ModelMeta

    filed = {
        "name": name
        if "/" in name
        else f"local/{re.sub(r'[^A-Za-z0-9._-]+', '-', name).strip('-.') or 'model'}",
        "revision": revision,
        "embed_dim": dimension or None,
        "experiment_kwargs": dict(settings) or None,
    }
    return ModelMeta.create_empty().model_copy(update=filed)
