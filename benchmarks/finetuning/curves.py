"""How good each way of training is along its steps, on what is held out; and the picture of it.

python -m finetuning.curves OUT/curves.jsonl docs/training-curves.svg    draw what was measured
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import youtu_st
from finetuning.arms import ARMS, MIXED, ONE, Settings, train
from finetuning.data import Files
from finetuning.student import choose_by

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EVERY = 10
"""Steps between measurements."""
COLORS = {"IR only": "#b7791f", "STS only": "#6b46c1", ONE: "#c53030", MIXED: "#6b7280", "CoDiEmb": "#0b7a75"}
INK, QUIET = "#1f2430", "#6b7280"
FONT = {"font.family": "sans-serif", "font.size": 10, "svg.fonttype": "none", "text.color": INK}


def measured(files: Files, student: Path, settings: Settings, out: Path) -> Iterator[dict[str, Any]]:
    """Train each way, and measure on the way what is not in ``out`` yet; then all of it.

    Measured are STS Benchmark's development part, and a tenth of SciFact's training queries among some of its
    documents: what learning rate and temperature were chosen by, and not what the table shows.
    """
    path = out / "curves.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    for arm in ARMS:
        if arm in {line["arm"] for line in lines}:
            continue
        found: list[dict[str, Any]] = []

        def watch(step: int, model: Any, arm: str = arm, found: list[dict[str, Any]] = found) -> None:
            if step % EVERY == 0:
                length = model.max_seq_length
                figures = choose_by(model.eval(), files)
                model.max_seq_length = length
                model.train()
                found.append({"arm": arm, "step": step, "sts": figures.sts, "ndcg": figures.ndcg})
                print(found[-1], flush=True)

        watch(0, youtu_st.load(student, device="cpu"))
        train(arm, student, files, settings, out / "curves" / arm.replace(" ", "-"), watch)
        with path.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in found)
        lines += found
    yield from lines


def draw(lines: list[dict[str, Any]], path: Path) -> None:
    """Draw a line for each way of training, pairs on the left and retrieval on the right."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with plt.rc_context(FONT):
        figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
        titles = ("Pairs: STS-B dev, Spearman", "Retrieval: held-out SciFact, nDCG@10")
        for axes, measure, title in zip(panels, ("sts", "ndcg"), titles, strict=True):
            axes.set_title(title, loc="left", fontweight="bold", fontsize=10.5, pad=8)
            _lines(axes, lines, measure)
        figure.savefig(path, facecolor="white", metadata={"Date": None})
        plt.close(figure)


def _lines(axes: Axes, lines: list[dict[str, Any]], measure: str) -> None:
    ends = []
    for arm in ARMS:
        own = [(line["step"], line[measure]) for line in lines if line["arm"] == arm]
        steps, values = zip(*own, strict=True)
        ours = arm == "CoDiEmb"
        axes.plot(steps, values, color=COLORS[arm], linewidth=2.4 if ours else 1.4, zorder=3 if ours else 2)
        ends.append((values[-1], steps[-1], arm))
    low, high = axes.get_ylim()
    last = max(step for _, step, _ in ends)
    height = float("-inf")
    for value, step, arm in sorted(ends):  # names beside the ends of their lines, none over another
        height = max(value, height + (high - low) * 0.065)
        axes.annotate(
            arm,
            (step, value),
            (last * 1.03, height),
            va="center",
            fontsize=9,
            color=COLORS[arm],
            fontweight="bold" if arm == "CoDiEmb" else "normal",
            arrowprops={"arrowstyle": "-", "color": COLORS[arm], "linewidth": 0.5, "alpha": 0.5},
        )
    axes.set_xlim(0, last * 1.5)
    axes.set_xticks(range(0, last + 1, 30))
    axes.set_xlabel("step", loc="left", color=QUIET)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=QUIET)


if __name__ == "__main__":
    draw([json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()], Path(sys.argv[2]))
