"""The ways of training that are compared, each of the same rows, steps, learning rate and temperature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback, get_linear_schedule_with_warmup, set_seed

import youtu_st
from finetuning.data import Files
from youtu_st.training.collator import NAME
from youtu_st.training.preparing import Prepared, prepare_run
from youtu_st.training.recipe import load_recipe
from youtu_st.training.trainer import assemble, objective_of

BATCH, LENGTH = 64, 40
MIXED = "CoDiEmb's losses, mixed batches"
ONE = "one InfoNCE, mixed"
ARMS = ("IR only", "STS only", ONE, MIXED, "CoDiEmb")
Watch = Callable[[int, Any], None]
"""Takes the number of steps that are done, and the model."""


@dataclass(frozen=True)
class Settings:
    """What is chosen once, and is the same for all."""

    learning_rate: float
    temperature: float
    seed: int


class _Watching(TrainerCallback):
    """Hands the model on after every step."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Hand it on."""
        self._watch(state.global_step, kwargs["model"])


def train(
    arm: str, student: Path, files: Files, settings: Settings, out: Path, watch: Watch | None = None
) -> Any:
    """A student trained one way; its checkpoints and log are in ``out``."""
    together = f"{files.retrieval},{files.pairs}"
    data = {"IR only": files.retrieval, "STS only": str(files.pairs), ONE: str(files.one)}.get(arm, together)
    prepared = prepare_run(_recipe(student, data, settings))
    if arm == ONE:
        # As many steps as the others have together.
        steps = prepare_run(_recipe(student, together, settings)).steps
        prepared = prepare_run(_recipe(student, data, settings, "train.epochs=9", f"train.max_steps={steps}"))
    model = youtu_st.load(student, device="cpu")
    if arm == MIXED:
        return _mixed(model, prepared, settings, out, watch)
    set_seed(settings.seed)
    assembled = assemble(prepared, model, out, print)
    if watch is not None:
        assembled.trainer.add_callback(_Watching(watch))
    assembled.trainer.train()
    return model.eval()


def _recipe(student: Path, data: str, settings: Settings, *further: str) -> Any:
    changes = (
        f"model={student}",
        f"data={data}",
        "train.gradient_checkpointing=false",
        "train.epochs=1",
        "train.warmup=0.1",
        f"train.max_length={LENGTH}",
        f"train.learning_rate={settings.learning_rate}",
        f"train.seed={settings.seed}",
        "train.precision=fp32",
        "train.save_every=100000",
        f"tasks.ir.batch_size={BATCH}",
        f"tasks.ir.temperature={settings.temperature}",
        f"tasks.sts.batch_size={BATCH}",
        *further,
    )
    return load_recipe("codiemb", changes)


def _mixed(model: Any, prepared: Prepared, settings: Settings, out: Path, watch: Watch | None) -> Any:
    """Every batch has rows of all data sets in proportion; each row has its task's loss."""
    set_seed(settings.seed)
    collator = assemble(prepared, model, out, print).collator
    rows = {found.name: found.dataset() for found in prepared.sets}
    losses = {
        found.name: objective_of(model, found.name, prepared.recipe.tasks.of(found.task))
        for found in prepared.sets
    }
    total = sum(found.rows for found in prepared.sets)
    shares = {found.name: max(2, round(BATCH * found.rows / total)) for found in prepared.sets}
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=0.0)
    schedule = get_linear_schedule_with_warmup(optimizer, prepared.steps // 10, prepared.steps)
    random = np.random.default_rng(settings.seed)
    orders = {name: random.permutation(len(found)) for name, found in rows.items()}
    model.train()
    for step in range(prepared.steps):
        parts = []
        for name, share in shares.items():
            chosen = [int(orders[name][(step * share + i) % len(rows[name])]) for i in range(share)]
            batch = collator([{**rows[name][i], NAME: name} for i in chosen])
            features = [
                {
                    key[len(column) + 1 :]: value
                    for key, value in batch.items()
                    if key.startswith(f"{column}_")
                }
                for column in ("query", "candidates", "first", "second")
                if f"{column}_input_ids" in batch
            ]
            parts.append(losses[name](features, batch["label"]) * share / BATCH)
        torch.stack(parts).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if watch is not None:
            watch(step + 1, model)
    return model.eval()
