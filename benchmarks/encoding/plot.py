"""The benchmark's figures as a picture: MiniLM's paragraphs a second, and the latency of one query.

python benchmarks/encoding/plot.py docs/encode-speed.json docs/encode-speed.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABELS = {
    "sentence-transformers": "sentence-transformers",
    "sentence-transformers-tuned": "sentence-transformers, tuned",
    "langchain": "LangChain HuggingFaceEmbeddings",
    "llama-index": "LlamaIndex HuggingFaceEmbedding",
    "fastembed": "fastembed",
    "onnxruntime": "ONNX Runtime",
    "encoder-float32": "youtu-st",
    "encoder-bfloat16": "youtu-st, bfloat16",
    "encoder-openvino-float32": "youtu-st, OpenVINO",
    "encoder-openvino-bfloat16": "youtu-st, OpenVINO, bfloat16",
    "encoder-openvino-int8": "youtu-st, OpenVINO, int8 weights",
    "encoder-onnx-float32": "youtu-st, ONNX Runtime",
    "encoder-onnx-int8-dynamic": "youtu-st, ONNX Runtime, dynamic int8",
}
OURS, OTHERS, INK, QUIET = "#0b7a75", "#c9ced6", "#1f2430", "#6b7280"
FONT = {"font.family": "sans-serif", "font.size": 10.5, "svg.fonttype": "none", "text.color": INK}


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw the MiniLM workload of a result.

    Args:
        result: What ``encode.py --json`` writes.
        path: A PNG or SVG file to write.

    Raises:
        SystemExit: If the result has no such workload.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    if "minilm" not in result["workloads"]:
        raise SystemExit("the plot shows the minilm workload, which was not run")
    report = result["workloads"]["minilm"]
    rows = sorted(report["contestants"].items(), key=lambda row: row[1]["tasks"]["paragraphs"]["ratio"])
    title: dict[str, Any] = {"fontweight": "bold", "fontsize": 10.5, "pad": 8}
    with plt.rc_context(FONT):
        figure, (left, right) = plt.subplots(
            1,
            2,
            figsize=(9, 1.35 + 0.38 * len(rows)),
            sharey=True,
            width_ratios=[2.1, 1],
            layout="constrained",
        )
        figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06, wspace=0.06)  # type: ignore[union-attr]  # it has one
        done = [own["tasks"]["paragraphs"] for _, own in rows]
        rates = [f"{each['ratio']:.2f}×" for each in done]
        counts = [f"{each['texts_per_second']:.0f}/s" for each in done]
        names = [name for name, _ in rows]
        bars(left, names, [each["ratio"] for each in done], rates, counts)
        left.set_title("Documents a second", loc="left", **title)
        latencies = [own["query_ms"]["p50"] for _, own in rows]
        bars(right, names, latencies, [f"{value:.1f} ms" for value in latencies])
        right.set_title("One query", loc="left", **title)
        left.set_yticks(range(len(names)), [LABELS.get(name, name) for name in names])
        for label, name in zip(left.get_yticklabels(), names, strict=True):
            label.set_color(OURS if is_ours(name) else INK)
            label.set_fontweight("bold" if is_ours(name) else "normal")
        figure.supxlabel(caption(result), x=0.01, ha="left", fontsize=8.5, color=QUIET)
        figure.savefig(path, dpi=200, facecolor="white")
        plt.close(figure)


def bars(
    axes: Axes, names: list[str], values: list[float], labels: list[str], more: list[str] | None = None
) -> None:
    """Horizontal bars without an axis: each says its value itself."""
    axes.barh(range(len(names)), values, height=0.66, color=[OURS if is_ours(n) else OTHERS for n in names])
    for y, (name, value, label) in enumerate(zip(names, values, labels, strict=True)):
        weight = "bold" if is_ours(name) else "normal"
        told = axes.annotate(
            label, (value, y), (5, 0), textcoords="offset points", va="center", fontweight=weight
        )
        if more is not None:
            axes.annotate(
                more[y],
                (1, 0.5),
                (6, 0),
                xycoords=told,
                textcoords="offset points",
                va="center",
                color=QUIET,
                fontsize=9,
            )
    axes.set_xlim(0, max(values) * (1.3 if more else 1.35))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks([])


def is_ours(name: str) -> bool:
    return name.startswith("encoder")


def caption(result: dict[str, Any]) -> str:
    machine = result["machine"]
    task = result["workloads"]["minilm"]["tasks"]["paragraphs"]
    turns = result["settings"]["turns"]
    hardware = machine["gpu"] or f"{machine['processor']}, {machine['cores']} cores"
    return (
        f"all-MiniLM-L6-v2, {task['texts']} paragraphs of {task['tokens'] / task['texts']:.0f} tokens on "
        f"average; {hardware}; medians of {turns} interleaved turns, each contestant in its own process"
    )


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2]))
