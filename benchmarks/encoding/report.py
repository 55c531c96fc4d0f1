"""From times to figures: rates, ratios, agreement, and what the project promised."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from encoding.contestants import BASELINE, HALF_BASELINE, OURS
from encoding.players import First, Turn
from encoding.workloads import Workload

Figures = dict[str, Any]


def figures(
    workload: Workload,
    firsts: dict[str, First],
    turns: dict[str, list[Turn]],
    multiplied: Sequence[dict[str, float]],
) -> Figures:
    """One workload's figures: medians over turns.

    Args:
        workload: What was encoded.
        firsts: What each contestant said of itself.
        turns: Each contestant's times.
        multiplied: In each turn, floating-point operations per second of the matrix products, by dtype.
    """
    speeds = {dtype: statistics.median(each[dtype] for each in multiplied) for dtype in multiplied[0]}
    rows = {name: row(workload, firsts[name], turns[name], speeds) for name in firsts}
    for name, own in rows.items():
        base, reference = rows[BASELINE], firsts[BASELINE].vectors
        for task, own_task in own["tasks"].items():
            own_task["ratio"] = own_task["texts_per_second"] / base["tasks"][task]["texts_per_second"]
        if own["query_ms"] is not None:
            own["query_ratio"] = own["query_ms"]["p50"] / base["query_ms"]["p50"]
        own["memory_ratio"] = own["peak_memory_mb"] / base["peak_memory_mb"]
        cosines = [lowest_cosine(firsts[name].vectors[task], reference[task]) for task in reference]
        own["cosine"] = min(cosines)
    assert workload.shape is not None
    return {
        "tasks": {
            name: {"texts": len(task.texts), "tokens": sum(task.lengths), "longest": max(task.lengths)}
            for name, task in workload.tasks.items()
        },
        "queries": len(workload.questions),
        "parameters_multiplied": workload.shape.parameters,
        "matmul_flops_per_second": speeds,
        "tuned": list(workload.tuned) if f"{BASELINE}-tuned" in rows else None,
        "contestants": rows,
    }


def row(workload: Workload, own: First, turns: list[Turn], speeds: dict[str, float]) -> Figures:
    """One contestant's figures by itself."""
    assert workload.shape is not None
    tasks = {}
    for name, task in workload.tasks.items():
        seconds = statistics.median(each.tasks[name] for each in turns)
        achieved = workload.shape.flops(task.lengths) / seconds
        tasks[name] = {
            "texts_per_second": len(task.texts) / seconds,
            "tokens_per_second": sum(task.lengths) / seconds,
            "padding_waste": own.waste[name],
            "flops_per_second": achieved,
            # With a shared instruction, what a text needs is not what must be computed for it.
            "matmul_share": achieved / speeds[own.dtype]
            if own.dtype in speeds and not workload.prompt
            else None,
            "seconds": [each.tasks[name] for each in turns],
        }
    return {
        "dtype": own.dtype,
        "tasks": tasks,
        "query_ms": latency([each.queries for each in turns]) if workload.questions else None,
        "peak_memory_mb": own.memory / 1e6,
        "peak_gpu_memory_mb": own.gpu_memory / 1e6,
    }


def latency(turns: Sequence[Sequence[float]]) -> dict[str, float]:
    """Milliseconds: medians over turns of each turn's 50th and 95th percentile."""
    return {
        f"p{percent}": 1000 * statistics.median(float(np.percentile(turn, percent)) for turn in turns)
        for percent in (50, 95)
    }


def lowest_cosine(rows: np.ndarray, others: np.ndarray) -> float:
    rows, others = rows.astype(np.float64), others.astype(np.float64)
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(others, axis=1)
    return float(np.min(np.einsum("ij,ij->i", rows, others) / norms))


OFF = {"int8-dynamic": 0.008, "int8": 0.003, "float32": 0.00005}
"""How far nDCG@10 may be off, by the end of a contestant's name."""


def targets(workloads: dict[str, Figures], quality: dict[str, float]) -> list[Figures]:
    """What was promised, beside what was measured; ``got`` is None where this run cannot tell."""
    minilm, decoder, instruction = (
        workloads.get(name, {}).get("contestants", {}) for name in ("minilm", "decoder", "instruction")
    )
    found: list[Figures] = []

    def add(what: str, wanted: float, got: float | None, *, at_most: bool = False) -> None:
        reached = None if got is None else got <= wanted if at_most else got >= wanted
        found.append({"what": what, "limit": "<=" if at_most else ">=", "wanted": wanted, "got": got})
        found[-1]["reached"] = reached

    wanted = {"encoder-float32": 1.4, "encoder-bfloat16": 3.0, "encoder-openvino-bfloat16": 5.0}
    for name, ratio in wanted.items():
        for task in ("paragraphs", "abstracts"):
            got = minilm[name]["tasks"][task]["ratio"] if name in minilm else None
            add(f"{task}/s, {name}, times baseline", ratio, got)
    ours = [name for name in OURS if name in minilm]
    latencies = [minilm[name]["query_ratio"] for name in ours]
    add("query latency, fastest mode, share of baseline", 0.25, min(latencies, default=None), at_most=True)
    for name, cosine in {"encoder-bfloat16": 0.9998, "encoder-openvino-bfloat16": 0.9999}.items():
        add(f"lowest cosine, {name}", cosine, minilm[name]["cosine"] if name in minilm else None)
    for name in ours:
        add(f"peak memory, {name}, share of baseline", 1.0, minilm[name]["memory_ratio"], at_most=True)
    for dtype in ("float32", "bfloat16"):
        shares = [
            own["tasks"]["passages"]["matmul_share"]
            for name, own in decoder.items()
            if name in OURS and own["dtype"] == dtype and "int8" not in name
        ]
        add(
            f"220M decoder, fastest {dtype} mode, share of matmul speed",
            0.85,
            max(shares, default=None),
        )
    for dtype, base, ratio in (("float32", BASELINE, 3.0), ("bfloat16", HALF_BASELINE, 2.0)):
        both = [instruction.get(name) for name in (f"encoder-{dtype}", base)]
        rates = [own["tasks"]["queries"]["texts_per_second"] for own in both if own is not None]
        got = rates[0] / rates[1] if len(rates) == 2 else None
        add(f"queries/s with an instruction, encoder-{dtype}, times baseline", ratio, got)
    for name in quality if BASELINE in quality else ():
        if name != BASELINE:
            gap = abs(quality[name] - quality[BASELINE])
            most = next((most for end, most in OFF.items() if name.endswith(end)), 0.002)
            add(f"SciFact nDCG@10, {name}, off baseline", most, gap, at_most=True)
    return found


def table(workload: str, report: Figures) -> str:
    """One workload's figures as lines of text."""
    lines = []
    for task, about in report["tasks"].items():
        mean = about["tokens"] / about["texts"]
        lines.append(f"{workload}, {about['texts']} {task}, mean {mean:.0f} tokens")
        lines.append(
            f"  {'':34}{'texts/s':>9}{'ratio':>7}{'tokens/s':>10}{'matmul':>8}{'padding':>9}"
            f"{'p50 ms':>8}{'p95 ms':>8}{'MB':>7}{'cosine':>11}"
        )
        for name, own in report["contestants"].items():
            done, query = own["tasks"][task], own["query_ms"] or {"p50": None, "p95": None}
            lines.append(
                f"  {name:34}{done['texts_per_second']:9.1f}{done['ratio']:7.2f}"
                f"{done['tokens_per_second']:10.0f}{cell(done['matmul_share'], 8, '.0%')}"
                f"{cell(done['padding_waste'], 9, '.1%')}{cell(query['p50'], 8, '.2f')}"
                f"{cell(query['p95'], 8, '.2f')}{own['peak_memory_mb']:7.0f}{own['cosine']:11.6f}"
            )
        lines.append("")
    speeds = report["matmul_flops_per_second"].items()
    lines.append(f"  matrix products: {', '.join(f'{s / 1e9:.0f} GFLOP/s in {d}' for d, s in speeds)}")
    if report["tuned"]:
        lines.append("  tuned: batches of {} in {}".format(*report["tuned"]))
    lines += [f"  skipped: {name}: {reason}" for name, reason in report["skipped"].items()]
    lines += [f"  FAILED: {name}: {reason}" for name, reason in report["failed"].items()]
    return "\n".join(lines) + "\n"


def target_table(found: Sequence[Figures]) -> str:
    lines = ["targets"]
    for each in found:
        mark = {True: "reached", False: "missed", None: "not measured"}[each["reached"]]
        got = cell(each["got"], 10, ".4f")
        lines.append(f"  {each['what']:66} {each['limit']} {each['wanted']:<7}{got}  {mark}")
    return "\n".join(lines)


def cell(value: float | None, width: int, form: str) -> str:
    return f"{'' if value is None else format(value, form):>{width}}"
