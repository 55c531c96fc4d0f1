"""mteb's tasks with sentence-transformers' own class, as mteb wraps it, and with ours: scores and seconds.

Both have the same weights and mteb's own evaluators; data is read from here, and loaded before the clock
starts. Turns are interleaved; a turn of ours keeps no vectors, and one more is run over the vectors that an
earlier one kept. Scores must be equal to four digits, or the script fails.

    python benchmarks/evaluation.py DATA [--turns 3] [--json PATH]

DATA has the folders ``stsbenchmark`` and ``xquad``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import datasets
import mteb
from sentence_transformers import SentenceTransformer

from youtu_st import Encoder
from youtu_st.evaluation.benchmark.encoder import BenchmarkEncoder
from youtu_st.evaluation.benchmark.judging import model_meta
from youtu_st.evaluation.benchmark.local import data_of
from youtu_st.evaluation.benchmark.prompts import prompts_of
from youtu_st.evaluation.benchmark.tasks import select
from youtu_st.evaluation.benchmark.vectors import VectorCache
from youtu_st.evaluation.profiles import load_profile
from youtu_st.spec.model import load_spec

TASKS, LANGUAGES = ["STSBenchmark", "XQuADRetrieval"], ["eng", "zho"]
MODEL = "minilm"
Run = Callable[[Any], dict[str, float]]


def main() -> None:
    """Print, and write, scores and seconds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    datasets.disable_progress_bars()
    encoder = Encoder(MODEL, device="cpu", truncation="ignore", unknown="ignore")
    stock = SentenceTransformer(stock_directory(), device="cpu")
    tasks = select(None, TASKS, LANGUAGES)
    local = data_of([str(options.data)], {task.metadata.name: task.metadata for task in tasks})
    profile, spec = load_profile(MODEL, "published"), load_spec(MODEL)
    prompts = {task.metadata.name: prompts_of(profile, spec, task.metadata) for task in tasks}
    meta = model_meta(MODEL, "benchmark", encoder.dimension, {})
    seconds: dict[str, dict[str, list[float]]] = {}
    scores: dict[str, dict[str, list[dict[str, float]]]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(VectorCache(Path(folder), encoder.fingerprint, encoder.dimension)) as vectors,
    ):
        runs = {
            "stock": stock,
            "ours": BenchmarkEncoder(encoder, prompts, meta),
            "ours, vectors kept": BenchmarkEncoder(encoder, prompts, meta, vectors=vectors),
        }
        for turn in range(options.turns + 1):  # the first one warms up, and keeps the vectors
            for task in tasks:
                name = task.metadata.name
                local[name].attach(task)
                local[name].load(task)
                for who, model in runs.items():
                    start = time.perf_counter()
                    found = mteb.evaluate(model, task, cache=None, co2_tracker=False, show_progress_bar=False)
                    if turn:
                        seconds.setdefault(name, {}).setdefault(who, []).append(time.perf_counter() - start)
                    scores.setdefault(name, {}).setdefault(who, []).append(main_scores(found))
    report = {
        name: {
            who: {"scores": each[-1], "seconds": round(statistics.median(seconds[name][who]), 2)}
            for who, each in by_who.items()
        }
        for name, by_who in scores.items()
    }
    show(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    unequal = [
        name
        for name, by_who in scores.items()
        if not equal([one for each in by_who.values() for one in each])
    ]
    sys.exit(f"scores differ: {', '.join(unequal)}" if unequal else 0)


def stock_directory() -> str:
    """The directory of the real MiniLM, as sentence-transformers saved it."""
    from importlib.resources import files

    package = load_spec(MODEL).package
    assert package is not None
    return str(files(package.module).joinpath(package.path))


def main_scores(found: Any) -> dict[str, float]:
    """The main score of each subset."""
    (result,) = found.task_results
    return {each["hf_subset"]: each["main_score"] for scores in result.scores.values() for each in scores}


def equal(found: list[dict[str, float]]) -> bool:
    """Whether all are the same, to four digits."""
    return all(abs(one[subset] - found[0][subset]) < 5e-5 for one in found for subset in found[0])


def show(report: dict[str, Any]) -> None:
    """Print a row for each task and class."""
    print(f"{'task':<16}{'class':<20}{'seconds':>8}  scores")
    for name, by_who in report.items():
        for who, each in by_who.items():
            scores = "  ".join(f"{subset} {score:.6f}" for subset, score in each["scores"].items())
            print(f"{name:<16}{who:<20}{each['seconds']:>8.2f}  {scores}")


if __name__ == "__main__":
    main()
