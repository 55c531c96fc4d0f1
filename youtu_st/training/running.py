"""A run from its recipe to a directory that loads."""

from __future__ import annotations

import os
import shutil
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import get_world_size
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint

from youtu_st.backends.quiet import quiet_host
from youtu_st.disk import beside
from youtu_st.encoder import Encoder
from youtu_st.errors import InputError, NonFiniteError
from youtu_st.loading import load
from youtu_st.loading.weights import check_loaded
from youtu_st.training.guards import Notify, TrainingError
from youtu_st.training.lora import add_adapter, merged
from youtu_st.training.preparing import Prepared, prepare_run
from youtu_st.training.preview import check_cut, check_masked
from youtu_st.training.progress import shown
from youtu_st.training.recipe import Recipe
from youtu_st.training.record import Record, check_same, record_of
from youtu_st.training.trainer import Assembled, assemble

CHECKPOINTS = ".checkpoints"
"""Added to the name of the result: where its checkpoints and logs are, and all that is no model."""


class TrainingInterrupted(KeyboardInterrupt):
    """A run that was asked to stop, and has left a checkpoint."""


def train(
    recipe: Recipe,
    *,
    out: str | Path,
    resume: bool = False,
    keep_adapter: bool = False,
    trust_remote_code: bool = False,
    notify: Notify | None = None,
) -> Record:
    """Train a model, and write it to a directory that :func:`youtu_st.load` opens.

    Checkpoints and logs go to ``out`` with ``.checkpoints`` added, so that the model's own directory holds no
    pickle. Under ``torchrun`` each process calls this.

    Args:
        recipe: What to do, see :func:`~youtu_st.training.recipe.load_recipe`.
        out: The directory to write; must be absent or empty.
        resume: Go on from the last checkpoint of the same run.
        keep_adapter: Of a recipe with ``lora``: write the adapter alone.
        trust_remote_code: As for :func:`youtu_st.load`.
        notify: Takes what is to be said, a line each. None: warnings.

    Returns:
        What was done and measured.

    Raises:
        InputError: If the recipe, its data or ``out`` are not what they may be.
        ModelLoadError: As for :func:`youtu_st.load`.
        TrainingError: If the run cannot come to any good.
        NonFiniteError: If the loss is no number.
        TrainingInterrupted: After Ctrl-C; a checkpoint is there.
    """
    stages, target = recipe.staged(), Path(out)
    trained: Path | None = None
    for number, stage in enumerate(stages, 1):
        is_last = number == len(stages)
        written = target if is_last else target.with_name(f"{target.name}.stage{number}")
        if trained is not None:
            stage = stage.model_copy(update={"model": str(trained), "checkpoint": None})
        trained = written
        if resume and not is_last and written.exists():
            continue
        begun = any(_checkpoints(written).glob("checkpoint-*"))
        record = _train_stage(
            stage,
            written,
            resume=resume and (begun or len(stages) == 1),
            keep_adapter=keep_adapter and is_last,
            trust_remote_code=trust_remote_code,
            notify=notify or warnings.warn,
        )
    return record


def _checkpoints(out: Path) -> Path:
    return out.with_name(out.name + CHECKPOINTS)


def _train_stage(
    recipe: Recipe, out: Path, *, resume: bool, keep_adapter: bool, trust_remote_code: bool, notify: Notify
) -> Record:
    checkpoints = _checkpoints(out)
    is_first = os.environ.get("RANK", "0") == "0"
    if is_first:
        _check_out(out, checkpoints, resume)
    say = notify if is_first else _silent
    prepared = prepare_run(recipe, ranks=int(os.environ.get("WORLD_SIZE", "1")))
    model = _load(recipe, trust_remote_code)
    record = record_of(prepared, Encoder(model).fingerprint)
    if resume:
        check_same(record, checkpoints)
    elif is_first:
        checkpoints.mkdir(parents=True, exist_ok=True)
        record.write(checkpoints)
    set_seed(recipe.train.seed)  # an adapter begins at random
    if recipe.lora is not None:
        add_adapter(model, recipe.lora)
    with quiet_host():
        assembled = assemble(prepared, model, checkpoints, say, begun=resume)
        check_masked(assembled.collator, prepared)
        check_cut(assembled.collator, prepared, say)
        record = _run(assembled, prepared, record, resume=resume)
        if is_first:
            merges = recipe.lora is not None and not keep_adapter
            _save(model, out, record, base=_load(recipe, trust_remote_code) if merges else None)
    if get_world_size() > 1:
        torch.distributed.barrier()
    return record


def _silent(message: str) -> None:
    pass


def _check_out(out: Path, checkpoints: Path, resume: bool) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not an empty directory")
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out}: there is no directory {out.absolute().parent}")
    begun = checkpoints.exists() and (not checkpoints.is_dir() or any(checkpoints.iterdir()))
    if begun and not resume:
        raise InputError(f"{checkpoints} has a run in it: go on with it by --resume, or choose another --out")
    if resume and not any(checkpoints.glob("checkpoint-*")):
        raise InputError(f"there is no checkpoint to resume from in {checkpoints}")


def _load(recipe: Recipe, trust_remote_code: bool) -> SentenceTransformer:
    """The model on this process's device, with weights that small steps move: float32."""
    device = "cpu"
    if recipe.train.device is None and torch.cuda.is_available():
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    assert recipe.model is not None  # or the run would not have been prepared
    return load(
        recipe.model,
        recipe.checkpoint,
        device=device,
        dtype="float32",
        trust_remote_code=trust_remote_code,
    )


def _run(assembled: Assembled, prepared: Prepared, record: Record, *, resume: bool) -> Record:
    trainer: Any = assembled.trainer
    model, start = assembled.collator.model, time.perf_counter()
    last = get_last_checkpoint(trainer.args.output_dir) if resume else None  # type: ignore[no-untyped-call]
    if last is not None:
        trainer.add_callback(_PutBack(model, Path(last)))
    try:
        with assembled.interruption.listening():
            trainer.train(resume_from_checkpoint=last)
    except NonFiniteError as error:
        raise NonFiniteError(f"step {trainer.state.global_step + 1}: {error}") from error
    seconds = time.perf_counter() - start
    steps = trainer.state.global_step
    if assembled.interruption.stopped:
        raise TrainingInterrupted(f"stopped after step {steps} of {prepared.steps}, with a checkpoint")
    if steps != prepared.steps:
        raise TrainingError(f"{steps} steps were run, and {prepared.steps} were planned")
    if trainer.args.load_best_model_at_end and trainer.state.best_model_checkpoint:
        check_loaded(model, Path(trainer.state.best_model_checkpoint))
    after = shown(trainer.evaluate()) if prepared.held_out else {}
    return replace(
        record, before=assembled.progress.first, after=after, steps=steps, seconds=round(seconds, 1)
    )


class _PutBack(TrainerCallback):
    """The host reads a checkpoint, and changes what it has read: it gets its own values again."""

    def __init__(self, model: SentenceTransformer, checkpoint: Path) -> None:
        self._model, self._checkpoint = model, checkpoint

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        check_loaded(self._model, self._checkpoint)


def _save(model: SentenceTransformer, out: Path, record: Record, *, base: SentenceTransformer | None) -> None:
    """Write the result under a name that nobody else has, then give it its own.

    Args:
        model: What was trained.
        out: The directory.
        record: Goes with it.
        base: The model as it was, which an adapter is merged into. None: the result is written as it is.
    """
    written, adapter = beside(out), beside(out.with_name(out.name + "-adapter"))
    try:
        result = model
        if base is not None:
            model.save_pretrained(str(adapter), create_model_card=False)
            result = merged(base, adapter)
            result.model_card_data = model.model_card_data
        result.eval().save_pretrained(str(written))
        record.write(written)
        if out.is_dir():
            out.rmdir()  # it is empty
        written.rename(out)
    finally:
        shutil.rmtree(adapter, ignore_errors=True)
        shutil.rmtree(written, ignore_errors=True)
