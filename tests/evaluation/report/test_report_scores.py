"""Scores and means against sums written here; what has none, and why."""

from __future__ import annotations

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_of import CMN, REFERENCE, flat, published_cmn, write_result, write_run

from youtu_st.errors import InputError
from youtu_st.evaluation.report import make_report
from youtu_st.evaluation.report.benchmarks import Benchmark, Task, benchmark_of, guess
from youtu_st.evaluation.report.published import models
from youtu_st.evaluation.report.results import Result
from youtu_st.evaluation.report.scores import Summary, task_score

COLUMNS = [
    "Mean (Task)",
    "Mean (TaskType)",
    "Classification",
    "Clustering",
    "PairClassification",
    "Reranking",
    "Retrieval",
    "STS",
]


def rounded(summary: Summary) -> list[float | None]:
    return [
        value if value is None else round(100 * value, 2)
        for value in (summary.figures[name] for name in COLUMNS)
    ]


def test_the_published_files_give_the_leaderboards_figures():
    folder = REFERENCE / "youtu_cmteb_results"
    if not folder.is_dir():
        pytest.skip("../shared/reference is not there: it is not part of this repository")
    report = make_report([str(folder)])
    assert report.benchmark.name == CMN
    (entry,) = report.entries
    assert rounded(entry.summary) == [77.60, 78.87, 78.72, 84.27, 86.12, 75.10, 80.21, 68.82]


def test_both_splits_or_the_one_that_is_asked_for(tmp_path):
    folder = str(write_run(tmp_path / "run", published_cmn("youtu-embedding")))
    (entry,) = make_report([folder]).entries
    assert rounded(entry.summary) == [77.60, 78.87, 78.72, 84.27, 86.12, 75.10, 80.21, 68.82]
    (entry,) = make_report([folder], splits={"MultilingualSentiment": ("validation",)}).entries
    assert rounded(entry.summary) == [77.58, 78.86, 78.65, 84.27, 86.12, 75.10, 80.21, 68.82]
    with pytest.raises(
        InputError, match="no task 'MultilingualSentment': did you mean 'MultilingualSentiment'"
    ):
        make_report([folder], splits={"MultilingualSentment": ("validation",)})
    with pytest.raises(InputError, match="no split 'valid' in these results, which have test, validation"):
        make_report([folder], splits={"MultilingualSentiment": ("valid",)})


@given(
    st.dictionaries(
        st.sampled_from("abc"),
        st.dictionaries(st.sampled_from("wxyz"), st.floats(0, 1), min_size=1),
        min_size=1,
    )
)
def test_a_task_is_the_mean_over_its_splits_and_subsets(scores):
    result = Result("t", None, scores)  # type: ignore[arg-type]
    everything = [score for subsets in scores.values() for score in subsets.values()]
    assert task_score(result, Task("t", "STS")) == pytest.approx(fmean(everything))
    first = min(scores)
    one = min(scores[first])
    assert task_score(result, Task("t", "STS", (first,), frozenset({one}), 1)) == pytest.approx(
        scores[first][one]
    )


@given(
    st.dictionaries(
        st.text("abcdefgh", min_size=1, max_size=3),
        st.tuples(st.sampled_from("xyz"), st.floats(0, 1)),
        min_size=1,
    )
)
def test_means_over_tasks_and_over_types(tasks):
    benchmark = Benchmark("B", {name: Task(name, kind) for name, (kind, _) in tasks.items()})
    summary = Summary(benchmark, {name: score for name, (_, score) in tasks.items()})
    by_type = {
        kind: fmean(score for other, score in tasks.values() if other == kind) for kind, _ in tasks.values()
    }
    assert summary.mean_task == pytest.approx(fmean(score for _, score in tasks.values()))
    assert summary.mean_type == pytest.approx(fmean(by_type.values()))
    assert summary.by_type == pytest.approx(by_type)
    lacking = Summary(benchmark, dict(list(summary.scores.items())[1:]))
    assert lacking.mean_task is lacking.mean_type is None
    assert lacking.coverage == f"{len(tasks) - 1} of {len(tasks)} tasks"


def test_a_benchmark_that_is_not_whole_has_no_mean(tmp_path):
    """Missing, failed, without a split, and not finite: each is named, and types that are whole keep theirs."""
    scores = published_cmn("youtu-embedding")
    del scores["ATEC"], scores["BQ"], scores["MultilingualSentiment"]["test"]
    scores["T2Retrieval"]["dev"]["default"] = float("nan")
    run = {"tasks": {"Cmnli": {"error": "Traceback ...\n  File ...\nValueError: out of memory\n"}}}
    (entry,) = make_report([str(write_run(tmp_path, scores, run=run))]).entries
    summary = entry.summary
    assert summary.coverage == "26 of 31 tasks"
    assert summary.mean_task is summary.mean_type is None
    assert summary.problems == {
        "ATEC": "missing",
        "BQ": "missing",
        "Cmnli": "failed: ValueError: out of memory",
        "MultilingualSentiment": "partial: no split test",
        "T2Retrieval": "failed: no finite score of dev, default",
    }
    assert rounded(summary) == [None, None, None, 84.27, None, 75.10, None, None]


def test_subsets_that_are_lacking_make_a_task_partial(tmp_path):
    english = benchmark_of("MTEB(Code, v1)")
    scores = flat(english, dict.fromkeys(english.tasks, 0.5))
    name = "CodeSearchNetRetrieval"
    del scores[name]["test"]["go"], scores[name]["test"]["ruby"]
    (entry,) = make_report([str(write_run(tmp_path, scores))]).entries
    assert entry.summary.problems == {name: "partial: 4 of 6 subsets, without go, ruby"}


def test_subsets_that_are_counted_only(tmp_path):
    name = "BibleNLPBitextMining"
    many = benchmark_of("MTEB(Multilingual, v2)")
    assert many.tasks[name].subsets is None
    write_result(tmp_path, name, {"train": {f"s{i}": 0.5 for i in range(1655)}})
    (entry,) = make_report([str(tmp_path)], benchmark=many.name).entries
    assert entry.summary.problems[name] == "partial: 1,655 of 1,656 subsets"
    write_result(tmp_path, name, {"train": {f"s{i}": i / 1655 for i in range(1656)}})
    (entry,) = make_report([str(tmp_path)], benchmark=many.name).entries
    assert entry.summary.scores == {name: pytest.approx(0.5)}


def test_half_of_a_benchmark_gives_its_name():
    tasks = list(benchmark_of(CMN).tasks)
    assert guess(tasks[:16]).name == CMN
    few = guess(tasks[:15])
    assert (few.name, list(few.tasks)) == ("", tasks[:15])
    assert guess([*tasks, "SciFact"]).name == CMN


def test_tasks_of_no_benchmark_count_whole(tmp_path):
    """What one run has and the other lacks is partial there: never their intersection in silence."""
    both = {"STSBenchmark": {"test": {"default": 0.8}}, "ATEC": {"test": {"default": 0.3, "other": 0.5}}}
    write_run(tmp_path / "a", both)
    write_run(tmp_path / "b", {**both, "ATEC": {"test": {"default": 0.3}}})
    report = make_report([str(tmp_path / "a"), str(tmp_path / "b")])
    first, second = report.entries
    assert report.benchmark.title == "2 tasks"
    assert first.summary.mean_task == pytest.approx((0.8 + 0.4) / 2)
    assert second.summary.problems == {"ATEC": "partial: 1 of 2 subsets, without other"}
    assert report.differences == ()
    assert "goes by no name" in report.notes[0]


def test_a_benchmark_without_any_result(tmp_path):
    write_run(tmp_path, {"ATEC": {"test": {"default": 0.3}}})
    with pytest.raises(InputError, match=r"no results of 'MTEB\(Code, v1\)' in "):
        make_report([str(tmp_path)], benchmark="MTEB(Code, v1)")


def test_the_shipped_scores_are_whole():
    for name, model in models().items():
        for benchmark, scores in model.benchmarks.items():
            known = benchmark_of(benchmark).tasks
            assert scores.keys() <= known.keys()
            lacking = known.keys() - scores.keys()
            assert lacking <= {"FloresBitextMining"}, (name, benchmark)
            assert all(-1 <= score <= 1 for score in scores.values())
