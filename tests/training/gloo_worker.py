"""One of several processes that train together: writes the gradients it ends up with, and those of one process.

python -m torch.distributed.run --nproc_per_node 2 gloo_worker.py MODEL ROWS OUT
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import youtu_st
from youtu_st.errors import TrainingError
from youtu_st.training.collator import CANDIDATES, FIRST, QUERY, SECOND, Batching, TaskCollator
from youtu_st.training.data.store import prepare
from youtu_st.training.guards import Guards, Journal
from youtu_st.training.objectives import (
    CachedInfoNCELoss,
    DistillationLoss,
    InfoNCELoss,
    Objective,
    SimilarityLoss,
)

GUARD = "guard"
Make = Callable[[Any], Objective]
CASES: dict[str, tuple[str, Batching, Make, int]] = {
    "ir, no negatives": ("ir", Batching("ir", 1, 0), lambda model: InfoNCELoss(model), 1),
    "ir, 1 negative": ("ir", Batching("ir", 1, 1), lambda model: InfoNCELoss(model), 1),
    "ir, 4 negatives, 2 positives": ("ir", Batching("ir", 2, 4), lambda model: InfoNCELoss(model), 1),
    "ir, queries too, accumulated": (
        "ir",
        Batching("ir", 2, 1),
        lambda model: InfoNCELoss(model, query_query=True),
        2,
    ),
    "cached": ("ir", Batching("ir", 2, 4), lambda model: CachedInfoNCELoss(model, mini_batch_size=3), 1),
    "cached, queries too, accumulated": (
        "ir",
        Batching("ir", 1, 1),
        lambda model: CachedInfoNCELoss(model, mini_batch_size=2, query_query=True),
        2,
    ),
    "distillation": (
        "ir",
        Batching("ir", 1, 2, taught=True),
        lambda model: DistillationLoss(model, temperature=0.1),
        1,
    ),
    "cls": ("cls", Batching("cls", 1, 2), lambda model: InfoNCELoss(model), 1),
    "codiemb": ("sts", Batching("sts", scale=(0, 5)), lambda model: SimilarityLoss(model), 1),
    "codiemb, accumulated": ("sts", Batching("sts", scale=(0, 5)), lambda model: SimilarityLoss(model), 2),
    "middle layer": (
        "sts",
        Batching("sts", scale=(0, 5)),
        lambda model: SimilarityLoss(model, middle_layer=1.0),
        1,
    ),
    "cosent": (
        "sts",
        Batching("sts", scale=(0, 5)),
        lambda model: SimilarityLoss(model, pearson=0, rank_kl=0, pro=0, cosent=1),
        1,
    ),
    "matryoshka": ("ir", Batching("ir", 1, 1), lambda model: InfoNCELoss(model), 1),
}


def gradients(
    model: Any, case: str, path: Path, ranks: int, rank: int | None, wrapped: nn.Module | None
) -> dict[str, torch.Tensor]:
    """Of one step: of a rank's part of every batch, or with ``rank=None`` of the whole."""
    _, batching, make, accumulation = CASES[case]
    (found,) = prepare(path)
    collator = TaskCollator(model, {found.name: batching})
    rows = [{**row, "dataset_name": found.name} for row in found.dataset()]
    objective: Any = make(model)
    objective.model = wrapped or model
    loss: nn.Module = objective
    if case == "matryoshka":
        loss = MatryoshkaLoss(model, objective, [8, 16, model.get_embedding_dimension()])
        loss.model = objective.model
    model.zero_grad()
    size = len(rows) // accumulation
    for micro in range(accumulation):
        batch = collator(rows[micro * size : (micro + 1) * size])
        if rank is not None:
            part = size // ranks
            start = micro * size + rank * part
            batch = collator(rows[start : start + part])
        (loss(list(features(batch)), batch["label"]) / accumulation).backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def features(batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for column in (QUERY, CANDIDATES, FIRST, SECOND):
        if f"{column}_input_ids" in batch:
            yield {
                name.removeprefix(f"{column}_"): value
                for name, value in batch.items()
                if name.startswith(f"{column}_")
            }


def different_weights_are_told(model: Any, rank: int) -> bool:
    """Whether a step that leaves the processes with weights of their own ends the run, and another does not."""
    guards = Guards({}, set(), Journal(), None, print)
    around: Any = {"args": None, "control": None, "model": model}
    guards.on_train_begin(state=SimpleNamespace(global_step=0), **around)
    after: Any = SimpleNamespace(global_step=1, max_steps=9)
    guards.on_step_end(state=after, **around)
    with torch.no_grad():
        next(iter(model.parameters())).add_(rank * 1e-3)
    try:
        guards.on_step_end(state=after, **around)
    except TrainingError as error:
        return "gradients are not shared" in str(error)
    return False


def main(checkpoint: str, folder: str, out: str) -> None:
    torch.manual_seed(0)
    model: Any = youtu_st.load(checkpoint, device="cpu").train()
    joined = {}
    for case, (task, *_) in CASES.items():
        joined[case] = gradients(model, case, Path(folder) / f"{task}.jsonl", 1, None, None)
    torch.distributed.init_process_group("gloo")
    rank, ranks = torch.distributed.get_rank(), torch.distributed.get_world_size()
    found = {}
    for case, (task, *_) in CASES.items():
        wrapped = DistributedDataParallel(model, find_unused_parameters=True)
        got = gradients(model, case, Path(folder) / f"{task}.jsonl", ranks, rank, wrapped)
        largest = max(float(grad.abs().max()) for grad in joined[case].values())
        assert got.keys() == joined[case].keys()
        off = max(float((got[name] - grad).abs().max()) for name, grad in joined[case].items())
        found[case] = {"largest": largest, "off": off / largest}
    found[GUARD] = {"told": different_weights_are_told(model, rank)}
    if rank == 0:
        Path(out).write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
