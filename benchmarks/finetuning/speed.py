"""How fast training is, and in how much memory: what ``benchmarks/training.py --speed`` measures.

Every turn is a process of its own on one thread, and turns are interleaved: figures are medians of the
turns, and ratios are of medians. Memory is the peak by the end of the last step, less what was resident when
the model had been loaded. Speed is the median over steps from the third, by the clock and by
the CPU's time, which other work on the machine changes less.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from finetuning.arms import BATCH, LENGTH
from finetuning.data import Files, prepare
from finetuning.student import cut
from youtu_st.training.data.rows import Row, dump, read_rows
from youtu_st.training.objectives import PROLoss

TURNS, STEPS, WARM = 3, 6, 2
CACHED_TURNS, CACHED_BATCH, CACHED_STEPS = 1, 1024, 2
"""Two steps: in the second, AdamW has its state."""
SIDES = {
    "ours": "ours",
    "same": "the stock trainer and loss, our modules",
    "stock": "the stock trainer, loss and modules",
}
LOSSES = {
    "ir": "InfoNCE beside MultipleNegativesRankingLoss",
    "sts": "CoSENT beside the stock CoSENTLoss",
}
PAIRS = {32: 15, 128: 5, 512: 3}
"""Pairs of a batch, and how often the loop is timed."""
TEMPERATURE = 0.05


@dataclass(frozen=True)
class Work:
    """Where things are."""

    student: Path
    rows: dict[str, Path]
    out: Path

    def write(self, **line: Any) -> None:
        """Keep what was measured."""
        with (self.out / "speed.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")


def speed(data: Path, out: Path, *, quick: bool = False) -> Iterator[str]:
    """Measure; the lines of the tables, as they come.

    Args:
        data: The folder of public data.
        out: Where the student, the rows and ``speed.jsonl`` go.
        quick: One turn of each.
    """
    files = prepare(data, out)
    student = out / "student"
    if not student.exists():
        cut(student)
    rows = out / "speed-ir.jsonl"
    rows.write_text(dump(all_different(files)), encoding="utf-8")
    work = Work(student, {"ir": rows, "sts": files.pairs}, out)
    for task in LOSSES:
        yield from beside_stock(work, task, 1 if quick else TURNS)
        yield ""
    yield from cached_beside_plain(work, 1 if quick else CACHED_TURNS)
    yield ""
    yield from pro_beside_loops(work)


def all_different(files: Files) -> list[Row]:
    """Rows of retrieval that have one positive, no text being in two: then no loss leaves anything out."""
    seen: set[str] = set()
    chosen = []
    for path in (files.squad, files.scifact):
        for _, row in read_rows(path):
            if not isinstance(row, Row) or len(row.positives) != 1:
                continue
            texts = {row.query.content, row.positives[0].content}
            if not texts & seen:
                seen |= texts
                chosen.append(row)
    return chosen


def turn(work: Work, task: str, side: str, **settings: Any) -> dict[str, Any]:
    """Some steps in a process of its own."""
    here = Path(__file__).parents[1]
    paths = [str(here), *filter(None, [os.environ.get("PYTHONPATH")])]
    further = [f"--{name}={value}" for name, value in settings.items()]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "finetuning.turn"),
            *map(str, (work.student, work.rows[task], work.out / "turns" / side)),
            *(f"--side={side}", f"--task={task}", *further),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def beside_stock(work: Work, task: str, turns: int) -> Iterator[str]:
    """Our training beside the host's, in the same batches."""
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for number in range(turns):
        for side in SIDES:
            made = turn(work, task, side, steps=STEPS, batch=BATCH)
            found[side].append(made)
            work.write(part="beside stock", task=task, side=side, turn=number, **made)
    if len({tuple(made["batches"]) for each in found.values() for made in each}) != 1:
        raise SystemExit("the batches were not the same")
    losses = [made["loss"] for each in found.values() for made in each]
    yield (
        f"{LOSSES[task]}: interleaved turns ({turns}) of {STEPS} steps, {BATCH} rows, at most {LENGTH} "
        "tokens a text; the same tokens in the same batches, mean loss "
        f"{min(losses):.5f} to {max(losses):.5f}"
    )
    yield ""
    yield "| | tokens/s (turns) | ours to it | tokens/s of CPU time | ours to it | memory, MB | ours to it |"
    yield "|---|---|---|---|---|---|---|"
    columns = {
        side: {
            "wall": [_rate(made, "wall") for made in each],
            "cpu": [_rate(made, "cpu") for made in each],
            "memory": [made["memory"] / 1e6 for made in each],
        }
        for side, each in found.items()
    }
    for side, name in SIDES.items():
        cells = [name]
        for what, values in columns[side].items():
            own, ours = statistics.median(values), statistics.median(columns["ours"][what])
            spread = f" ({min(values):,.0f} to {max(values):,.0f})" if what == "wall" else ""
            cells += [f"{own:,.0f}{spread}", "" if side == "ours" else f"{ours / own:.3f}"]
        yield f"| {' | '.join(cells)} |"


def _rate(made: dict[str, Any], clock: str) -> float:
    """Tokens a second: the median over steps, the first of them being left out."""
    # The first time is that of the second step.
    rates = [tokens / taken for tokens, taken in zip(made["tokens"][1:], made[clock], strict=True)]
    return statistics.median(rates[WARM - 1 :])


def cached_beside_plain(work: Work, turns: int) -> Iterator[str]:
    """Memory of the cached loss with many rows, beside that of the plain one with few."""
    ways = {
        f"plain, {BATCH} rows": {"loss": "infonce", "batch": BATCH},
        f"cached, {CACHED_BATCH:,} rows": {"loss": "cached-infonce", "batch": CACHED_BATCH},
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(turns):
        for name, way in ways.items():
            made = turn(work, "ir", "ours", steps=CACHED_STEPS, epochs=CACHED_STEPS, **way)
            found[name].append(made["memory"] / 1e6)
            work.write(part="cached", way=name, turn=number, **made)
    plain, cached = (statistics.median(values) for values in found.values())
    yield (
        f"Memory of InfoNCE: interleaved turns ({turns}) of {CACHED_STEPS} steps; the cached loss has 32 "
        "texts in memory at a time"
    )
    yield ""
    yield "| | memory, MB (turns) | to the plain |"
    yield "|---|---|---|"
    for (name, values), ratio in zip(found.items(), ("", f"{cached / plain:.3f}"), strict=True):
        shown = f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"
        yield f"| {name} | {shown} | {ratio} |"


def pro_beside_loops(work: Work) -> Iterator[str]:
    """PROLoss beside its formula in two loops, forward and backward, on people's scores."""
    torch.set_num_threads(1)
    scores = [
        row.positive_scores[0] / 5
        for _, row in read_rows(work.rows["sts"])
        if isinstance(row, Row) and row.positive_scores
    ]
    ours, loops = PROLoss(TEMPERATURE), partial(pro_by_loops, temperature=TEMPERATURE)
    yield "PROLoss beside two loops: forward and backward, one thread, medians of interleaved repetitions"
    yield ""
    yield "| pairs | repetitions | two loops, ms | PROLoss, ms | times faster |"
    yield "|---|---|---|---|---|"
    for n, repetitions in PAIRS.items():
        gold = torch.tensor(scores[:n])
        predicted = (torch.rand(n, generator=torch.Generator().manual_seed(0)) * 2 - 1).requires_grad_()
        _same(ours, loops, predicted, gold)
        times: list[tuple[float, float]] = []
        for _ in range(repetitions):
            fast = statistics.median(_timed(ours, predicted, gold) for _ in range(20))
            times.append((_timed(loops, predicted, gold), fast))
        slow, fast = (statistics.median(column) * 1000 for column in zip(*times, strict=True))
        work.write(part="pro", pairs=n, loops=[a for a, _ in times], ours=[b for _, b in times])
        yield f"| {n} | {repetitions} | {slow:,.1f} | {fast:.3f} | {slow / fast:,.0f} |"


Loss = Callable[[Tensor, Tensor], Tensor]


def pro_by_loops(predicted: Tensor, gold: Tensor, *, temperature: float) -> Tensor:
    """What PROLoss computes, one pair after the other."""
    losses = []
    for k in range(len(gold)):
        lower = [j for j in range(len(gold)) if gold[k] - gold[j] > 1e-8]
        if lower:
            differences = [gold[k] - gold[j] for j in lower]
            logits = [max(differences) * predicted[k] / temperature]
            logits += [d * predicted[j] / temperature for d, j in zip(differences, lower, strict=True)]
            losses.append(torch.stack(logits).logsumexp(0) - logits[0])
    return torch.stack(losses).mean() if losses else predicted.sum() * 0


def _timed(loss: Loss, predicted: Tensor, gold: Tensor) -> float:
    start = time.perf_counter()
    torch.autograd.grad(loss(predicted, gold), predicted)
    return time.perf_counter() - start


def _same(one: Loss, other: Loss, predicted: Tensor, gold: Tensor) -> None:
    """Both must give the same before it matters which is faster."""
    values = [loss(predicted, gold) for loss in (one, other)]
    grads = [torch.autograd.grad(value, predicted)[0] for value in values]
    if not (torch.allclose(*values, rtol=1e-4) and torch.allclose(*grads, rtol=1e-3, atol=1e-5)):
        raise SystemExit("the loops compute something else")
