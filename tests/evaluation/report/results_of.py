"""Result folders, written as mteb writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from youtu_st.evaluation.report.benchmarks import Benchmark, benchmark_of
from youtu_st.evaluation.report.published import models

CMN = "MTEB(cmn, v1)"
REFERENCE = Path(__file__).parents[4] / "shared" / "reference"
Scores = Mapping[str, Mapping[str, Mapping[str, float]]]
"""By task, split and subset."""


def write_result(folder: Path, task: str, scores: Mapping[str, Mapping[str, float]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "dataset_revision": "1",
        "task_name": task,
        "mteb_version": "2.26.24",
        "scores": {
            split: [
                {"main_score": score, "hf_subset": subset, "languages": ["eng-Latn"]}
                for subset, score in subsets.items()
            ]
            for split, subsets in scores.items()
        },
        "evaluation_time": 1.0,
    }
    path = folder / f"{task}.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_run(
    folder: Path,
    scores: Scores,
    *,
    model: str = "",
    revision: str = "1",
    run: Mapping[str, Any] | None = None,
) -> Path:
    """A folder of results; with a model, mteb's ``model_meta.json`` too, and with ``run``, ours."""
    for task, splits in scores.items():
        write_result(folder, task, splits)
    if model:
        (folder / "model_meta.json").write_text(json.dumps({"name": model, "revision": revision}))
    if run is not None:
        (folder / "run").mkdir(exist_ok=True)
        (folder / "run" / "run.json").write_text(json.dumps(run), encoding="utf-8")
    return folder


def flat(benchmark: Benchmark, scores: Mapping[str, float]) -> dict[str, dict[str, dict[str, float]]]:
    """One score for every split and subset of each task."""
    return {
        task: {
            split: dict.fromkeys(benchmark.tasks[task].subsets or (), score)
            for split in benchmark.tasks[task].splits
        }
        for task, score in scores.items()
    }


def published_cmn(name: str) -> dict[str, dict[str, dict[str, float]]]:
    """A model's published scores of CMTEB, with both splits of the one task that has two."""
    model = models()[name]
    scores = flat(benchmark_of(CMN), model.benchmarks[CMN])
    scores["MultilingualSentiment"] = {one.split: {one.subset: one.score} for one in model.apart}
    return scores
