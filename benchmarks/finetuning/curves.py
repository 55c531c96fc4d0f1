"""The ways of training along their runs as a picture: losses, or how good they are on what is held out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Any

import youtu_st
from finetuning.arms import ARMS, MIXED, ONE, Settings, train
from finetuning.data import Files
from finetuning.student import choose_by

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EVERY = 10
"""Steps between measurements of what is held out."""
LOSSES = {
    "Loss of the scored pairs": ("pairs",),
    "Loss of retrieval, SciFact and SQuAD": ("scifact", "squad"),
}
HELD_OUT = {"STS-B dev, Spearman": "sts", "Held-out SciFact, nDCG@10": "ndcg"}
COLORS = {"IR only": "#b7791f", "STS only": "#6b46c1", ONE: "#c53030", MIXED: "#6b7280", "CoDiEmb": "#0b7a75"}
INK, QUIET = "#1f2430", "#6b7280"
FONT = {
    "font.family": "sans-serif",
    "font.size": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "youtu-st",
    "text.color": INK,
}
Points = list[tuple[float, float]]
"""How much of a run is done, and a value."""
Panels = Mapping[str, Mapping[str, list[Points]]]
"""By title and by way of training: one for each seed."""


def losses(out: Path) -> Panels:
    """From the logs of all seeds: of each task, the ways that have its own loss."""
    found: dict[str, dict[str, list[Points]]] = {}
    for title, names in LOSSES.items():
        for arm in ARMS:
            logs = sorted(out.glob(f"seed*/runs/{arm.replace(' ', '-')}/log.jsonl"))
            points = [list(_losses(log, names)) for log in logs]
            if all(points) and points:
                found.setdefault(title, {})[arm] = points
    return found


def _losses(log: Path, names: Sequence[str]) -> Iterator[tuple[float, float]]:
    """The mean of some data sets' losses, each of the last batch before a line of the log."""
    for line in map(json.loads, log.read_text("utf-8").splitlines()):
        every = [line.get(f"loss/{name}") for name in names]
        if None not in every and "grad_norm" in line:
            yield line["epoch"], mean(every)


def held_out(files: Files, student: Path, settings: Settings, out: Path) -> Panels:
    """Train each way once more, and measure on the way what is not in ``out`` yet.

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
    return {
        title: {arm: [[(one["step"], one[name]) for one in lines if one["arm"] == arm]] for arm in ARMS}
        for title, name in HELD_OUT.items()
    }


def draw(panels: Panels, path: Path, label: str) -> None:
    """Draw a panel beside another, with a line for each way of training: of each seed, and their median.

    Args:
        panels: What to draw.
        path: A PNG or SVG file to write.
        label: Of the axis below.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with plt.rc_context(FONT):
        figure, axes = plt.subplots(1, len(panels), figsize=(9, 3.4), layout="constrained")
        for one, (title, ways) in zip(axes, panels.items(), strict=True):
            one.set_title(title, loc="left", fontweight="bold", fontsize=10.5, pad=8)
            one.set_xlabel(label, loc="left", color=QUIET)
            _lines(one, ways)
        figure.savefig(path, facecolor="white", metadata={"Date": None} if path.suffix == ".svg" else None)
        plt.close(figure)


def _lines(axes: Axes, ways: Mapping[str, list[Points]]) -> None:
    ends = []
    for arm, seeds in ways.items():
        style: dict[str, Any] = {"color": COLORS[arm], "zorder": 3 if arm == "CoDiEmb" else 2}
        at = sorted(set.intersection(*({place for place, _ in points} for points in seeds)))
        middle = [median([dict(points)[one] for points in seeds]) for one in at]
        for points in seeds:
            axes.plot(*zip(*points, strict=True), linewidth=0.7, alpha=0.4, **style)
        axes.plot(at, middle, linewidth=2.2, marker="o", markersize=3, **style)
        ends.append((middle[-1], at[-1], arm))
    low, high = axes.get_ylim()
    if low > 0 and high / low > 4:
        axes.set_yscale("log")
        axes.set_yticks([0.5, 1, 2, 5], ["0.5", "1", "2", "5"], minor=False)
        axes.set_yticks([], minor=True)
        axes.set_ylim(0.5, high)
    last = max(place for _, place, _ in ends)
    axes.set_xlim(0, last * (1.3 if len(ways) < 3 else 1.6))
    height = float("-inf")
    for value, place, arm in sorted(ends):
        at = axes.transAxes.inverted().transform(axes.transData.transform((place, value)))
        height = max(at[1], height + 0.07)  # names beside their lines, none over another
        told: dict[str, Any] = {"va": "center", "fontsize": 9, "color": COLORS[arm]}
        told["fontweight"] = "bold" if arm == "CoDiEmb" else "normal"
        line = {"arrowstyle": "-", "color": COLORS[arm], "linewidth": 0.5, "alpha": 0.5}
        where = (last * 1.05 / axes.get_xlim()[1], height)
        axes.annotate(arm, (place, value), where, textcoords="axes fraction", arrowprops=line, **told)
    axes.set_xticks([last * part / 4 for part in range(5)], [f"{last * part / 4:.3g}" for part in range(5)])
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=QUIET)
