"""``youtu-st eval run --rerank``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from youtu_st.cli.console import UsageError, loading, say
from youtu_st.cli.evaluation.options import listed
from youtu_st.cli.evaluation.progress import Progress

if TYPE_CHECKING:
    from youtu_st.evaluation.benchmark.judging import Judgement


def rerank_run(
    model: str,
    first: Path,
    top: int,
    *,
    tasks: Sequence[str] | None,
    data: Sequence[str] | None,
    allow_missing: bool,
    out: Path,
    checkpoint: str | None,
    device: Sequence[str],
    trust_remote_code: bool,
) -> Judgement:
    """Order what a first run has found by a reranker.

    Raises:
        YoutuError: If a name is not known, ``first`` is no run's folder, or a task has no predictions there.
    """
    from youtu_st.evaluation.benchmark.reranking import check_data, judge_reranker, predicted, subsets_of
    from youtu_st.spec.registry import hint
    from youtu_st.spec.reranker import RERANKERS

    spec = RERANKERS.resolve(model)
    there = predicted(first)
    wanted = listed(tasks) or there
    for name in wanted:
        if name not in there:
            raise UsageError(f"--tasks: {first} has no predictions of {name!r}.{hint(name, there)}")
    with loading("loading mteb ..."):
        from youtu_st.evaluation.benchmark.local import data_of
        from youtu_st.evaluation.benchmark.plan import check_present, plan
        from youtu_st.evaluation.benchmark.prompts import reranker_instructions
        from youtu_st.evaluation.benchmark.tasks import load_task

        chosen = [load_task(name) for name in wanted]
        local = data_of(
            list(data or ()),
            {task.metadata.name: task.metadata for task in chosen},
            allow_missing=allow_missing,
        )
        for task in chosen:
            kept = set(subsets_of(first, task.metadata.name))
            task.hf_subsets = [subset for subset in task.hf_subsets if subset in kept]
            if task.metadata.name in local:
                local[task.metadata.name].attach(task)
        check_data(first, chosen)
        planned = plan(chosen, local)
        check_present(planned)
        told = reranker_instructions(spec.name if spec else model, [task.metadata for task in chosen])
    with loading(f"loading {model} ..."):
        from youtu_st.rerank import Reranker

        devices: Any = list(device) if len(device) > 1 else device[0] if device else None
        reranker = Reranker(
            model,
            checkpoint=checkpoint,
            device=devices,
            truncation="ignore",
            trust_remote_code=trust_remote_code,
        )

    def score(queries: Sequence[str], documents: Sequence[str], instruction: str | None) -> Any:
        pairs = list(zip(queries, documents, strict=True))
        return reranker.score(pairs, instruction=instruction, show_progress=True)

    progress = Progress(planned)
    return judge_reranker(
        score,
        chosen,
        first=first,
        top=top,
        model=spec.hub_id if spec else Path(model).name,
        identity=reranker.identity,
        runtime=reranker.runtime,
        instructions=told,
        out=out,
        local=local,
        notify=lambda message: say("eval", message),
        begin=progress.begin,
        done=progress.done,
    )
