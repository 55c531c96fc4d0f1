"""Does fine-tuning by CoDiEmb do what its paper says? One student, the same rows, steps and settings for all.

    python benchmarks/training.py DATA OUT [--quick]
    python benchmarks/training.py DATA OUT --speed [--quick]    time and memory, see finetuning/speed.py
    python benchmarks/training.py DATA OUT --plot FILE.svg      draw the losses that OUT's logs have
    python benchmarks/training.py DATA OUT --plot FILE.svg --held-out    train again, for what is held out

The student is all-MiniLM-L6-v2 cut to its first three layers. It is trained on STS Benchmark's training
pairs, SciFact's training queries and questions of SQuAD from DATA: on retrieval alone, on pairs alone, with
one InfoNCE loss over all (pairs scored 4 and more being positives), with CoDiEmb's losses in mixed batches,
and as CoDiEmb does it, with every step of one task. Then the first two are fused. Printed are Spearman's
correlation on STS Benchmark's test part and nDCG@10 on SciFact's, over the whole corpus; the mean over
seeds, and the lowest and highest. What was measured is kept in OUT, and not measured again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finetuning import curves
from finetuning.arms import ARMS, Settings, train
from finetuning.data import Files, prepare
from finetuning.speed import speed
from finetuning.student import Figures, cut, measure

import youtu_st
from youtu_st.training.fusion import fuse

# Chosen on what is held out, see docs/training.md; the same for all.
LEARNING_RATE, TEMPERATURE = 2e-4, 0.02
UNTRAINED = "untrained"
FUSIONS = {"delta-guided": "delta", "soup": "soup", "task arithmetic": "task-arithmetic"}
SEEDS = (0, 1, 2)


def measured(files: Files, out: Path, seeds: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """Train and measure what is not in OUT yet; then all of it."""
    path = out / "figures.jsonl"
    known = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    student = out / "student"
    if not student.exists():
        cut(student)

    def figures(arm: str, seed: int, model: Any, seconds: float) -> dict[str, Any]:
        found = measure(model, files)
        line = {"arm": arm, "seed": seed, "sts": found.sts, "ndcg": found.ndcg, "seconds": round(seconds)}
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(line, flush=True)
        return line

    done = {(line["arm"], line["seed"]): line for line in known}
    for seed in seeds:
        if (UNTRAINED, 0) not in done:
            done[UNTRAINED, 0] = figures(UNTRAINED, 0, youtu_st.load(student, device="cpu"), 0.0)
        folder = out / f"seed{seed}"
        for arm in ARMS:
            place = folder / arm.replace(" ", "-").replace("'", "").replace(",", "")
            if (arm, seed) in done:
                continue
            start = time.perf_counter()
            model = train(
                arm, student, files, Settings(LEARNING_RATE, TEMPERATURE, seed), folder / "runs" / place.name
            )
            seconds = time.perf_counter() - start
            model.save_pretrained(str(place))
            done[arm, seed] = figures(arm, seed, model, seconds)
        for name, method in FUSIONS.items():
            if (name, seed) in done:
                continue
            place = folder / f"fused-{method}"
            if not place.exists():
                fuse(student, [folder / "IR-only", folder / "STS-only"], out=place, method=method)
            done[name, seed] = figures(name, seed, youtu_st.load(place, device="cpu"), 0.0)
    yield from done.values()


def table(lines: list[dict[str, Any]]) -> list[str]:
    """A Markdown table: mean over seeds, and the lowest and highest."""
    rows = ["| | STS-B test Spearman | SciFact nDCG@10 | mean of both |", "|---|---|---|---|"]
    for arm in (UNTRAINED, *ARMS, *FUSIONS):
        found = [Figures(line["sts"], line["ndcg"]) for line in lines if line["arm"] == arm]
        columns = [[getattr(one, name) for one in found] for name in ("sts", "ndcg", "mean")]
        rows.append(f"| {arm} | {' | '.join(map(_shown, columns))} |")
    return rows


def _shown(values: list[float]) -> str:
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


def plot(data: Path, out: Path, path: Path, *, held_out: bool) -> None:
    """Draw how the ways of training go along their runs."""
    if not held_out:
        curves.draw(curves.losses(out), path, "share of its rows that are seen")
        return
    student = out / "student"
    if not student.exists():
        cut(student)
    settings = Settings(LEARNING_RATE, TEMPERATURE, SEEDS[0])
    curves.draw(curves.held_out(prepare(data, out), student, settings, out), path, "step")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--quick", action="store_true", help="one seed")
    parser.add_argument("--speed", action="store_true", help="measure time and memory, and nothing else")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw losses, and do nothing else")
    parser.add_argument("--held-out", action="store_true", help="draw what is held out, measured for it")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.speed:
        for line in speed(arguments.data, arguments.out, quick=arguments.quick):
            print(line, flush=True)
        return
    if arguments.plot:
        plot(arguments.data, arguments.out, arguments.plot, held_out=arguments.held_out)
        return
    seeds = SEEDS[:1] if arguments.quick else SEEDS
    lines = list(measured(prepare(arguments.data, arguments.out), arguments.out, seeds))
    print("\n".join(table(lines)))


if __name__ == "__main__":
    main()
