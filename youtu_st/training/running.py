"""A run from its recipe to a directory that loads."""

from __future__ import annotations

import re
import shutil
import time
import warnings
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import get_world_size
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments, set_seed

from youtu_st.backends.quiet import quiet_host
from youtu_st.disk import beside, take_place
from youtu_st.encoder import Encoder
from youtu_st.errors import NonFiniteError, PeerError, TrainingError
from youtu_st.loading import load
from youtu_st.loading.weights import check_loaded
from youtu_st.training.checkpoints import (
    STATE,
    check_apart,
    check_out,
    checkpoints_of,
    claimed,
    cut_log,
    last_whole,
    remove_torn,
    step_of,
)
from youtu_st.training.guards import Notify
from youtu_st.training.instructions import check_instructions
from youtu_st.training.leaks import check_held_out
from youtu_st.training.lora import add_adapter, check_no_adapter, merged
from youtu_st.training.preparing import Prepared, prepare_run
from youtu_st.training.preview import check_cut, check_masked
from youtu_st.training.processes import processes
from youtu_st.training.progress import shown
from youtu_st.training.recipe import Recipe
from youtu_st.training.record import Record, check_same, record_of
from youtu_st.training.storing import storing
from youtu_st.training.trainer import Assembled, assemble

CARD = "README.md"
"""A model's card, as the host names it."""


_OF_PEERS = re.compile(r"\bgloo\b|NCCL|Connection (closed|reset)")
"""In what PyTorch raises where another process is not there any more."""


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
        TrainingError: If the run cannot come to any good: the loss is no number, nothing is learnt, ...
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
        begun = any(checkpoints_of(written).glob("checkpoint-*"))
        record = _train_stage(
            stage,
            written,
            resume=resume and (begun or len(stages) == 1),
            keep_adapter=keep_adapter and is_last,
            trust_remote_code=trust_remote_code,
            notify=notify or warnings.warn,
        )
    return record


def _train_stage(
    recipe: Recipe, out: Path, *, resume: bool, keep_adapter: bool, trust_remote_code: bool, notify: Notify
) -> Record:
    checkpoints = checkpoints_of(out)
    of_all = processes()
    is_first = of_all.is_first
    if is_first:
        check_apart(out, recipe.model, recipe.checkpoint)
        check_out(out, resume=resume)
    check_no_adapter(recipe.checkpoint or recipe.model)
    say = notify if is_first else _silent
    prepared = prepare_run(recipe, ranks=of_all.count)
    model = _load(recipe, trust_remote_code)
    record = record_of(prepared, Encoder(model).fingerprint)
    claim = claimed(out, resume=resume) if is_first else nullcontext()
    with storing("the run's record", checkpoints, "make room, and try again"), claim, quiet_host():
        last = None
        if resume:
            record = replace(record, before=check_same(record, checkpoints))
            sharded = bool(recipe.train.fsdp or recipe.train.deepspeed)
            last = last_whole(checkpoints, say, sharded=sharded)
        elif is_first:
            record.write(checkpoints)
        card = None
        if last is not None and step_of(last) == prepared.steps:
            card = last / CARD
            model, record = _trained(prepared, record, last, trust_remote_code)
        else:
            if last is not None and is_first:
                cut_log(checkpoints, step_of(last))
            record = _train(model, prepared, record, checkpoints, last=last, say=say)
        if is_first:
            merges = recipe.lora is not None and not keep_adapter
            base = _load(recipe, trust_remote_code) if merges else None
            with storing("the result", out, "make room, and go on with --resume: nothing is trained again"):
                _save(model, out, record, base=base, card=card)
    if get_world_size() > 1:
        torch.distributed.barrier()
    return record


def _train(
    model: SentenceTransformer,
    prepared: Prepared,
    record: Record,
    checkpoints: Path,
    *,
    last: Path | None,
    say: Notify,
) -> Record:
    recipe = prepared.recipe
    set_seed(recipe.train.seed)  # an adapter begins at random
    if recipe.lora is not None:
        add_adapter(model, recipe.lora)
    before = dict(record.before)

    def measured(found: dict[str, float]) -> None:
        # Kept with the checkpoints: a run that goes on does not measure it again.
        before.update(found)
        if processes().is_first:
            replace(record, before=before).write(checkpoints)

    begun = 0 if last is None else step_of(last)
    assembled = assemble(prepared, model, checkpoints, say, begun=begun, measured=None if begun else measured)
    check_instructions(assembled.collator, prepared)
    check_masked(assembled.collator, prepared)
    check_cut(assembled.collator, prepared, say)
    check_held_out(prepared, say)
    return replace(_run(assembled, prepared, record, last=last), before=before)


def _trained(
    prepared: Prepared, record: Record, last: Path, trust_remote_code: bool
) -> tuple[SentenceTransformer, Record]:
    """What a run had come to whose last step is done, and whose result was not written."""
    state = TrainerState.load_from_json(str(last / STATE))
    kept = last
    if prepared.held_out and prepared.recipe.evaluation.keep_best and state.best_model_checkpoint:
        kept = last.with_name(Path(state.best_model_checkpoint).name)
    found = prepared.recipe.model_copy(update={"model": str(kept), "checkpoint": None})
    after = _figures(state, step_of(kept)) if prepared.held_out else {}
    return _load(found, trust_remote_code), replace(record, after=after, steps=state.global_step)


def _silent(message: str) -> None:
    pass


def _load(recipe: Recipe, trust_remote_code: bool) -> SentenceTransformer:
    """The model on this process's device, with weights that small steps move: float32."""
    device = "cpu"
    if recipe.train.device is None and torch.cuda.is_available():
        device = f"cuda:{processes().local}"
    assert recipe.model is not None  # or the run would not have been prepared
    return load(
        recipe.model,
        recipe.checkpoint,
        device=device,
        dtype="float32",
        trust_remote_code=trust_remote_code,
    )


def _run(assembled: Assembled, prepared: Prepared, record: Record, *, last: Path | None) -> Record:
    trainer: Any = assembled.trainer
    model, start = assembled.collator.model, time.perf_counter()
    if last is not None:
        trainer.add_callback(_PutBack(model, last))
    checkpoints = Path(trainer.args.output_dir)

    def remedy() -> str:
        remove_torn(checkpoints, trainer.state.global_step)
        begun = any(checkpoints.glob("checkpoint-*"))
        return f"make room, and {'go on with --resume' if begun else 'begin anew'}"

    try:
        with assembled.interruption.listening(), storing("a checkpoint", checkpoints, remedy):
            trainer.train(resume_from_checkpoint=None if last is None else str(last))
    except NonFiniteError as error:
        raise TrainingError(f"step {trainer.state.global_step + 1}: {error}") from error
    except RuntimeError as error:
        if get_world_size() > 1 and _OF_PEERS.search(str(error)):
            raise PeerError("another process of this run has ended: what it has said tells why") from error
        raise
    seconds = time.perf_counter() - start
    steps = trainer.state.global_step
    if assembled.interruption.stopped:
        raise TrainingInterrupted(f"stopped after step {steps} of {prepared.steps}, with a checkpoint")
    if steps != prepared.steps:
        raise TrainingError(f"{prepared.steps:,} steps were planned, and of these {steps:,} run")
    if trainer.args.load_best_model_at_end and trainer.state.best_model_checkpoint:
        check_loaded(model, Path(trainer.state.best_model_checkpoint))
    after = _measured(trainer) if prepared.held_out else {}
    return replace(record, after=after, steps=steps, seconds=round(seconds, 1))


def _measured(trainer: Any) -> dict[str, float]:
    """The figures of the weights that are kept: as they were measured on the way, or else now."""
    state = trainer.state
    kept = trainer.args.load_best_model_at_end and state.best_model_checkpoint
    step = step_of(Path(state.best_model_checkpoint)) if kept else state.global_step
    return _figures(state, step) or shown(trainer.evaluate())


def _figures(state: TrainerState, step: int) -> dict[str, float]:
    """What was measured after a step, the last time; nothing, if it was not."""
    found = [shown(entry) for entry in state.log_history if entry["step"] == step]
    return next(filter(None, reversed(found)), {})


class _PutBack(TrainerCallback):
    """The host reads a checkpoint, and changes what it has read: it gets its own values again."""

    def __init__(self, model: SentenceTransformer, checkpoint: Path) -> None:
        self._model, self._checkpoint = model, checkpoint

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        check_loaded(self._model, self._checkpoint)


def _save(
    model: SentenceTransformer,
    out: Path,
    record: Record,
    *,
    base: SentenceTransformer | None,
    card: Path | None,
) -> None:
    """Write the result under a name that nobody else has, then give it its own.

    Args:
        model: What was trained.
        out: The directory.
        record: Goes with it.
        base: The model as it was, which an adapter is merged into. None: the result is written as it is.
        card: What to take as its card, if it is there. None: what the model knows of its training.
    """
    written, adapter = beside(out), beside(out.with_name(out.name + "-adapter"))
    try:
        result = model
        if base is not None:
            model.save_pretrained(str(adapter), create_model_card=False)
            result = merged(base, adapter)
            result.model_card_data = model.model_card_data
        result.eval().save_pretrained(str(written))
        if card is not None and card.is_file():
            shutil.copyfile(card, written / CARD)
        record.write(written)
        take_place(written, out)
    finally:
        shutil.rmtree(adapter, ignore_errors=True)
        shutil.rmtree(written, ignore_errors=True)
