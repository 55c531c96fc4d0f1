"""Benchmarks and means are those of the installed mteb."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from results_of import CMN, REFERENCE, published_cmn, write_result, write_run

from youtu_st.errors import InputError
from youtu_st.evaluation.report import make_report
from youtu_st.evaluation.report.benchmarks import (
    OTHER,
    Benchmark,
    benchmark_of,
    by_mteb,
    guess,
    shipped_names,
)

mteb = pytest.importorskip("mteb")


@pytest.mark.parametrize(
    "name", ["MTEB(cmn, v1)", "MTEB(eng, v2)", "MTEB(Multilingual, v2)", "MTEB(Code, v1)"]
)
def test_what_is_shipped_is_what_mteb_says(name):
    """Another release of mteb may differ: ``python tools/benchmark_facts.py`` writes the file anew."""
    ours, theirs = benchmark_of(name), by_mteb(name)
    assert list(ours.tasks) == sorted(theirs.tasks)
    for task in theirs.tasks.values():
        found = ours.tasks[task.name]
        assert (found.type, found.splits, found.count) == (task.type, task.splits, task.count)
        assert found.subsets == (task.subsets if task.count <= 60 else None)


def summary_by_mteb(folder: Path, name: str) -> dict[str, float]:
    """The leaderboard's own table, as mteb makes it of a folder."""
    results = [mteb.TaskResult.from_disk(path) for path in sorted(folder.glob("*.json"))]
    model = mteb.results.ModelResult(
        model_name="intfloat/multilingual-e5-small", model_revision="1", task_results=results
    )
    benchmark = mteb.get_benchmark(name)
    chosen = mteb.results.BenchmarkResults(model_results=[model]).select_tasks(benchmark.tasks)
    chosen.benchmark = benchmark
    table = chosen.get_benchmark_result()
    return {column: value for column, value in table.iloc[0].items() if isinstance(value, float)}


def assert_same_means(folder: Path, name: str) -> None:
    (entry,) = make_report([str(folder)], benchmark=name).entries
    expected = summary_by_mteb(folder, name)
    assert len(entry.summary.figures) == 2 + len(benchmark_of(name).types)
    for column, value in entry.summary.figures.items():
        assert value == pytest.approx(expected[column], abs=1e-6), column


def test_means_of_the_published_files_are_mtebs():
    folder = REFERENCE / "youtu_cmteb_results"
    if not folder.is_dir():
        pytest.skip("../shared/reference is not there: it is not part of this repository")
    assert_same_means(folder, CMN)


def test_means_of_published_scores_are_mtebs(tmp_path):
    assert_same_means(write_run(tmp_path, published_cmn("qzhou-embedding")), CMN)


@pytest.mark.parametrize("name", ["MTEB(eng, v2)", "MTEB(Code, v1)"])
def test_means_over_splits_and_subsets_are_mtebs(tmp_path, name):
    """Tasks with several subsets, splits that do not count, and subsets that do not."""
    rng = random.Random(3)
    for task in benchmark_of(name).tasks.values():
        subsets = [*sorted(task.subsets or ()), "a-subset-that-does-not-count"]
        splits = [*task.splits, "a-split-that-does-not-count"]
        write_result(tmp_path, task.name, {s: {subset: rng.random() for subset in subsets} for s in splits})
    assert_same_means(tmp_path, name)


def test_any_benchmark_of_mteb_has_a_name():
    found = benchmark_of("MTEB(fra, v1)")
    assert found.name not in shipped_names()
    assert found.tasks["AlloprofRetrieval"].type == "Retrieval"
    with pytest.raises(
        InputError, match=r"no benchmark 'MTEB\(cnm, v1\)' in mteb: did you mean 'MTEB\(cmn, v1\)'"
    ):
        benchmark_of("MTEB(cnm, v1)")


def test_types_of_further_tasks_are_asked_of_mteb():
    found = guess(["AlloprofRetrieval", "OurOwnTask"])
    assert isinstance(found, Benchmark)
    assert {task.name: task.type for task in found.tasks.values()} == {
        "AlloprofRetrieval": "Retrieval",
        "OurOwnTask": OTHER,
    }
