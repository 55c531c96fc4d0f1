"""One turn of ``benchmarks/training.py --speed``: a few steps of one way of training, in its own process.

    python -m finetuning.turn STUDENT ROWS FOLDER --side ours|same|stock --task ir|sts --steps N [...]

The last line printed is the result, in JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import psutil
from encoding.machine import peak_memory
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.modules import Transformer
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.sentence_transformer import losses
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from torch.utils.data import SequentialSampler
from torch.utils.tensorboard import SummaryWriter  # noqa: F401 - loaded before memory is counted
from transformers import TrainerCallback, set_seed

import youtu_st
from finetuning.arms import LENGTH
from youtu_st.disk import checksum
from youtu_st.training.preparing import Prepared, prepare_run
from youtu_st.training.recipe import load_recipe
from youtu_st.training.trainer import assemble

SEED, LEARNING_RATE, WARMUP, LOG_EVERY = 0, 2e-4, 0.1, 10
TEMPERATURES = {"ir": 0.02, "sts": 0.05}
COLUMNS = {"ir": ("query", "candidates"), "sts": ("first", "second")}
STOCK_COLUMNS = {"ir": ("question", "positive"), "sts": ("first", "second")}


class Watch(TrainerCallback):
    """Notes when each step ends, and the peak of memory by then."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self.peak = 0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take note; what is saved at the end comes later."""
        self.wall.append(time.perf_counter())
        self.cpu.append(time.process_time())
        self.peak = peak_memory()


def prepared_run(arguments: argparse.Namespace) -> Prepared:
    """Our run; its plan is the order of rows for all."""
    task = arguments.task
    changes = [
        f"model={arguments.student}",
        f"data={arguments.rows}",
        "train.device=cpu",
        "train.precision=fp32",
        "train.gradient_checkpointing=false",
        f"train.epochs={arguments.epochs}",
        f"train.max_steps={arguments.steps}",
        f"train.max_length={LENGTH}",
        f"train.learning_rate={LEARNING_RATE}",
        f"train.warmup={WARMUP}",
        f"train.log_every={LOG_EVERY}",
        f"train.seed={SEED}",
        "train.save_every=100000",
        f"tasks.{task}.batch_size={arguments.batch}",
        f"tasks.{task}.temperature={TEMPERATURES[task]}",
    ]
    if task == "sts":
        changes += ["tasks.sts.loss=cosent", "tasks.sts.middle_layer=0"]
    else:
        changes += ["tasks.ir.positives=1", "tasks.ir.negatives=0", f"tasks.ir.loss={arguments.loss}"]
    return prepare_run(load_recipe("codiemb", changes))


def model_of(student: Path, side: str) -> SentenceTransformer:
    """The student; on the side ``stock`` of the host's own modules."""
    if side != "stock":
        return youtu_st.load(student, device="cpu", dtype="float32")
    network = Transformer(str(student))
    modules = [network, Pooling(network.get_embedding_dimension(), pooling_mode="mean"), Normalize()]
    return SentenceTransformer(modules=modules, device="cpu")


def stock_trainer(
    arguments: argparse.Namespace, prepared: Prepared, model: SentenceTransformer
) -> SentenceTransformerTrainer:
    """The host's trainer with its own loss, collator and arguments, given the rows in our order."""
    (found,) = prepared.sets
    source, (first, second) = found.dataset(), STOCK_COLUMNS[arguments.task]
    batches = [rows for _, rows in prepared.plan.batches(0)][: arguments.steps]
    rows = [source[i] for batch in batches for i in batch]
    loss: Any
    if arguments.task == "ir":
        columns = {first: [row["query"] for row in rows], second: [row["positives"][0] for row in rows]}
        loss = losses.MultipleNegativesRankingLoss(model, scale=50.0)
    else:
        columns = {name: [row[name] for row in rows] for name in (first, second)}
        low, high = prepared.batching(found).scale
        columns["score"] = [(row["score"] - low) / (high - low) for row in rows]
        loss = losses.CoSENTLoss(model, scale=20.0)
    model.max_seq_length = LENGTH
    made = SentenceTransformerTrainingArguments(
        output_dir=str(arguments.folder),
        per_device_train_batch_size=arguments.batch,
        max_steps=arguments.steps,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="linear",
        warmup_steps=WARMUP,
        weight_decay=0.0,
        max_grad_norm=1.0,
        seed=SEED,
        use_cpu=True,
        save_strategy="no",
        logging_steps=LOG_EVERY,
        report_to=["tensorboard"],
        dataloader_drop_last=True,
        batch_sampler=in_order,
        disable_tqdm=True,
    )
    return SentenceTransformerTrainer(
        model=model, args=made, train_dataset=datasets.Dataset.from_dict(columns), loss=loss
    )


def in_order(dataset: Any, batch_size: int, drop_last: bool, **others: Any) -> DefaultBatchSampler:
    """Rows as they come."""
    return DefaultBatchSampler(SequentialSampler(dataset), batch_size=batch_size, drop_last=drop_last)


def batches_of(trainer: Any, names: tuple[str, str], steps: int) -> Iterator[tuple[int, int]]:
    """Tokens of each batch, and a number that equal batches share."""
    for _, batch in zip(range(steps), trainer.get_train_dataloader(), strict=False):
        masks = [batch[f"{name}_attention_mask"] for name in names]
        numbers = [batch[f"{name}_input_ids"].flatten().tolist() for name in names]
        yield sum(int(mask.sum()) for mask in masks), checksum(json.dumps(numbers).encode())


def main() -> None:
    """Take the turn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("student", type=Path)
    parser.add_argument("rows", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", choices=("ours", "same", "stock"), required=True)
    parser.add_argument("--task", choices=("ir", "sts"), required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--loss", default="infonce")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    prepared, side = prepared_run(arguments), arguments.side
    model = model_of(arguments.student, side)
    loaded, watch = psutil.Process().memory_info().rss, Watch()
    set_seed(SEED)
    trainer: Any
    if side == "ours":
        trainer = assemble(prepared, model, arguments.folder, print).trainer
    else:
        trainer = stock_trainer(arguments, prepared, model)
    trainer.add_callback(watch)
    trainer.train()
    names = COLUMNS[arguments.task] if side == "ours" else STOCK_COLUMNS[arguments.task]
    seen = list(batches_of(trainer, names, arguments.steps))
    result = {
        "tokens": [tokens for tokens, _ in seen],
        "batches": [number for _, number in seen],
        "wall": [after - before for before, after in zip(watch.wall, watch.wall[1:], strict=False)],
        "cpu": [after - before for before, after in zip(watch.cpu, watch.cpu[1:], strict=False)],
        "memory": watch.peak - loaded,
        "loss": trainer.state.log_history[-1]["train_loss"],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
