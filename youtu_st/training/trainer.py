"""The host's trainer, with our losses, sampler, collator and callbacks passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss
from torch import nn
from transformers import PrinterCallback, ProgressCallback
from transformers.integrations.integration_utils import TensorBoardCallback

from youtu_st.errors import InputError, TrainingError, require
from youtu_st.training.checkpoints import LOG, TENSORBOARD
from youtu_st.training.collator import TaskCollator
from youtu_st.training.evaluators import evaluator_of
from youtu_st.training.guards import Guards, Journal, Notify
from youtu_st.training.interruption import Interruption
from youtu_st.training.objectives import (
    CachedInfoNCELoss,
    DistillationLoss,
    InfoNCELoss,
    Objective,
    SimilarityLoss,
)
from youtu_st.training.preparing import Prepared
from youtu_st.training.processes import processes
from youtu_st.training.progress import Progress
from youtu_st.training.recipe import Evaluation, Train
from youtu_st.training.sampling.sampler import Clock, Epochs, SingleTaskBatchSampler
from youtu_st.training.tasks import ContrastTask, PairTask

_TOLD = ("name", "size", "columns", "loss")
"""What the model's card says of a data set."""
_ARGUMENTS = {field.name for field in fields(SentenceTransformerTrainingArguments)}
# The host has renamed it in the middle of version 5.
_CHECKPOINTING = next(
    name for name in ("activation_checkpointing", "gradient_checkpointing") if name in _ARGUMENTS
)


@dataclass
class Assembled:
    """A trainer, and what it was made of."""

    trainer: SentenceTransformerTrainer
    collator: TaskCollator
    interruption: Interruption


def objective_of(model: SentenceTransformer, name: str, way: ContrastTask | PairTask) -> Objective:
    """The loss of a data set."""
    if isinstance(way, PairTask):
        codiemb = way.loss == "codiemb"
        return SimilarityLoss(
            model,
            name=name,
            pearson=way.pearson if codiemb else 0.0,
            rank_kl=way.rank_kl if codiemb else 0.0,
            pro=way.pro if codiemb else 0.0,
            cosent=0.0 if codiemb else 1.0,
            temperature=way.temperature,
            middle_layer=way.middle_layer,
            middle_temperature=way.middle_temperature,
        )
    if way.loss == "distillation":
        return DistillationLoss(
            model, name=name, temperature=way.temperature, teacher_temperature=way.teacher_temperature
        )
    settings: dict[str, Any] = {
        "name": name,
        "temperature": way.temperature,
        "query_query": way.query_query,
    }
    if way.loss == "cached-infonce":
        return CachedInfoNCELoss(model, mini_batch_size=way.mini_batch_size, **settings)
    return InfoNCELoss(model, **settings)


def assemble(
    prepared: Prepared,
    model: SentenceTransformer,
    checkpoints: Path,
    notify: Notify,
    *,
    begun: int = 0,
    measured: Callable[[dict[str, float]], None] | None = None,
) -> Assembled:
    """A trainer for a model.

    Args:
        prepared: What is trained on.
        model: The model; it is trained in place.
        checkpoints: Where checkpoints and logs go.
        notify: Takes what is to be said, in one line.
        begun: The step after which the run goes on: then nothing is measured before its first step. 0: it
            begins.
        measured: Takes what is measured before the first step.

    Raises:
        InputError: If the machine cannot do what the recipe asks for.
        MissingDependencyError: If the extra ``train`` is not installed.
    """
    _check_possible(prepared.recipe.train)
    datasets = require("datasets", "train")
    require("accelerate", "train")
    recipe, clock, journal = prepared.recipe, Clock(), Journal()
    collator = TaskCollator(
        model,
        {found.key: prepared.batching(found) for found in prepared.sets},
        clock=clock,
        seed=recipe.train.seed,
        max_length=recipe.train.max_length,
    )
    objectives = {
        found.name: objective_of(model, found.name, recipe.tasks.of(found.task)) for found in prepared.sets
    }
    for objective in objectives.values():
        objective.record = journal.record
    losses: dict[str, nn.Module] = {found.key: objectives[found.name] for found in prepared.sets}
    if recipe.matryoshka:
        lengths = _lengths(model, recipe.matryoshka)
        losses = {name: MatryoshkaLoss(model, loss, lengths) for name, loss in losses.items()}
    evaluator = evaluator_of(prepared, collator)
    evaluated = evaluator is not None
    arguments = _arguments(prepared, checkpoints, clock, evaluated=evaluated, begun=begun > 0)
    contrastive = {found.name for found in prepared.sets if found.task != "sts"}
    interruption = Interruption(notify)
    progress = Progress(journal, notify, measured)
    # The first batches are made before the trainer says so: all are to be alike.
    model.train()
    card = model.model_card_data
    card.widget = [{"text": ""}]  # or the host would look for some in the rows
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=datasets.DatasetDict({found.key: found.dataset() for found in prepared.sets}),
        loss=losses,
        evaluator=evaluator,
        data_collator=collator,  # type: ignore[arg-type]
        callbacks=[
            Epochs(prepared.plan, clock),
            Guards(objectives, contrastive, journal, checkpoints / LOG, notify),
            progress,
            interruption,
            *_tensorboard(checkpoints, begun),
        ],
    )
    # Not the host's tables of rows: a card goes where the model goes, and rows need not.
    card.widget = []
    for entry, found in zip(card.train_datasets, prepared.sets, strict=True):
        entry["name"] = found.name
        for name in [name for name in entry if name not in _TOLD]:
            del entry[name]
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    _check_in_force(recipe.train, trainer)
    return Assembled(trainer, collator, interruption)


def _tensorboard(checkpoints: Path, begun: int) -> list[TensorBoardCallback]:
    """What writes for TensorBoard, in the process that writes; it hides what will be written again."""
    if not processes().is_first:
        return []
    require("tensorboard", "train")
    board = require("torch.utils.tensorboard", "train")
    writer = board.SummaryWriter(str(checkpoints / TENSORBOARD), purge_step=begun + 1 if begun else None)
    return [TensorBoardCallback(writer)]  # type: ignore[no-untyped-call]  # untyped in the host


def _lengths(model: SentenceTransformer, shorter: tuple[int, ...]) -> list[int]:
    full = model.get_embedding_dimension() or 0
    if max(shorter) > full:
        raise InputError(f"matryoshka: the model's vectors have {full} values, fewer than {max(shorter)}")
    return sorted({*shorter, full})


def _arguments(
    prepared: Prepared, checkpoints: Path, clock: Clock, *, evaluated: bool, begun: bool
) -> SentenceTransformerTrainingArguments:
    recipe = prepared.recipe
    train = recipe.train
    on_cpu = train.device == "cpu" or not torch.cuda.is_available()
    bf16, fp16 = _precision(train, on_cpu)
    return SentenceTransformerTrainingArguments(
        output_dir=str(checkpoints),
        learning_rate=train.learning_rate,
        lr_scheduler_type=train.schedule,
        warmup_steps=train.warmup,
        num_train_epochs=train.epochs,
        max_steps=-1 if train.max_steps is None else prepared.steps,
        gradient_accumulation_steps=train.accumulation,
        weight_decay=train.weight_decay,
        max_grad_norm=train.max_grad_norm,
        seed=train.seed,
        bf16=bf16,
        fp16=fp16,
        use_cpu=on_cpu,
        fsdp=train.fsdp,
        deepspeed=train.deepspeed,
        multi_dataset_batch_sampler=partial(SingleTaskBatchSampler, plan=prepared.plan, clock=clock),
        dataloader_drop_last=True,
        dataloader_num_workers=train.workers,
        logging_steps=train.log_every,
        logging_nan_inf_filter=False,
        report_to="none",  # or it would look for TensorBoard's directory in the environment
        # Its evaluate() before its train() leaves the processes without shared gradients.
        eval_on_start=evaluated and not begun,
        disable_tqdm=None,
        **{_CHECKPOINTING: train.gradient_checkpointing},  # type: ignore[arg-type]
        **_saving(recipe.evaluation, train, evaluated=evaluated),
    )


def _saving(evaluation: Evaluation, train: Train, *, evaluated: bool) -> dict[str, Any]:
    save, every = train.save_every, evaluation.every
    if not evaluated:
        return {**_when("save", save), "save_total_limit": train.keep, "eval_strategy": "no"}
    if evaluation.keep_best:
        # What is kept must have been measured.
        save = save or every
        if every is not None and save is not None and save % every:
            raise InputError(
                f"the best checkpoint is kept, so train.save_every ({save}) must be a multiple of "
                f"evaluation.every ({every}): change one, or evaluation.keep_best=false"
            )
    best = {
        "load_best_model_at_end": evaluation.keep_best,
        "metric_for_best_model": "eval_sequential_score",
        "greater_is_better": True,
    }
    return {**_when("save", save), **_when("eval", every or save), "save_total_limit": train.keep, **best}


def _when(what: str, steps: int | None) -> dict[str, Any]:
    return {f"{what}_strategy": "epoch" if steps is None else "steps", f"{what}_steps": steps or 1}


def _precision(train: Train, on_cpu: bool) -> tuple[bool, bool]:
    """Whether to compute in bfloat16, and in float16."""
    if train.precision == "auto":
        return not on_cpu and torch.cuda.is_bf16_supported(), False
    if train.precision == "fp16" and on_cpu:
        raise InputError("train.precision=fp16 is for a GPU: fp32, or bf16")
    return train.precision == "bf16", train.precision == "fp16"


def _check_possible(train: Train) -> None:
    for name, asked in (("fsdp", train.fsdp), ("deepspeed", train.deepspeed)):
        if asked and torch.cuda.device_count() < 2:
            raise TrainingError(
                f"train.{name} needs several GPUs, and this machine has {torch.cuda.device_count()}"
            )


def _check_in_force(train: Train, trainer: SentenceTransformerTrainer) -> None:
    """What was asked for must be what runs: on a CPU the host takes ``fsdp``, and runs without it."""
    for name, asked, runs in (
        ("fsdp", train.fsdp, trainer.is_fsdp_enabled),
        ("deepspeed", train.deepspeed, trainer.is_deepspeed_enabled),
    ):
        if asked and not runs:
            raise TrainingError(
                f"train.{name} was asked for, and is not in force here: it needs several GPUs"
            )
