"""What was published: the table follows from the scores of tasks, and a run stands beside both."""

from __future__ import annotations

import json

import pytest
from results_of import CMN, REFERENCE, published_cmn, write_run

from youtu_st.evaluation.report import make_report
from youtu_st.evaluation.report.benchmarks import benchmark_of, with_splits
from youtu_st.evaluation.report.published import check, models, name_of, summary_of, table
from youtu_st.evaluation.report.words import checked, distance, moved

VALIDATION = {"MultilingualSentiment": ("validation",)}


def test_all_figures_of_the_table_follow():
    """Each of 40, to the second decimal, once the split is the table's."""
    today = benchmark_of(CMN)
    then = with_splits(today, VALIDATION)
    printed = {
        row.model: dict(zip(table().columns, row.figures, strict=True)) for row in table().rows if row.model
    }
    assert len(printed) == 5
    for name, figures in printed.items():
        summary = summary_of(name, then)
        assert summary is not None
        assert {column: round(100 * (value or 0), 2) for column, value in summary.figures.items()} == figures
    found, before = check(then), check(today)
    assert found is not None
    assert before is not None
    assert (found.equal, found.total) == (40, 40)
    assert (before.equal, before.total) == (25, 40)
    assert table().made_with(then)
    assert not table().made_with(today)
    assert check(benchmark_of("MTEB(Code, v1)")) is None


def test_the_shipped_figures_are_the_published_ones():
    if not REFERENCE.is_dir():
        pytest.skip("../shared/reference is not there: it is not part of this repository")
    scores = json.loads((REFERENCE / "published_scores.json").read_text("utf-8"))
    assert {row.name: list(row.figures) for row in table().rows} == {
        name: row for name, row in scores["cmteb"].items() if name != "source"
    }
    tasks = json.loads((REFERENCE / "published_per_task.json").read_text("utf-8"))["models"]
    for name, model in tasks.items():
        ours = models()[name]
        assert (ours.hub, ours.revision) == (model["hub"], model["revision"])
        assert ours.benchmarks == {b: found["tasks"] for b, found in model["benchmarks"].items()}
        assert {one.split: one.score for one in ours.apart} == model["multilingual_sentiment"]
        for benchmark, found in model["benchmarks"].items():
            if "summary" in found:
                summary = summary_of(name, benchmark_of(benchmark))
                assert summary is not None
                got = {column: 100 * (value or 0) for column, value in summary.figures.items()}
                assert got == pytest.approx(found["summary"], abs=0.0051)
    apart = {(one.task, one.subset): one.score for one in models()["minilm"].apart}
    assert sorted(apart.values()) == sorted(v for v in scores["minilm"].values() if not isinstance(v, str))


def test_a_split_that_was_not_published_apart():
    summary = summary_of("youtu-embedding", with_splits(benchmark_of(CMN), {"LCQMC": ("train",)}))
    assert summary is not None
    assert summary.problems == {"LCQMC": "not published by split"}
    assert summary.mean_task is None


@pytest.mark.parametrize("name", ["youtu-embedding", "tencent/Youtu-Embedding", "TENCENT/youtu-embedding"])
def test_a_model_by_its_name_or_hub_id(name):
    assert name_of(name) == "youtu-embedding"
    assert name_of("") == name_of("embedding") == ""


def test_a_run_beside_its_model(tmp_path):
    scores = published_cmn("youtu-embedding")
    scores["BQ"]["test"]["default"] -= 0.01
    folder = write_run(tmp_path, scores, model="tencent/Youtu-Embedding")
    report = make_report([str(folder)], splits=VALIDATION, with_published=True)
    assert checked(report) == "40 of 40 published figures"
    assert [row.name for row in report.printed][-1] == "Seed1.6-embedding"
    rows = report.beside_of("tencent/Youtu-Embedding")
    assert len(rows) == 31
    assert {one.task: round(one.found - one.published, 6) for one in rows if one.found != one.published} == {
        "BQ": -0.01
    }
    assert distance(rows) == "−0.03 on the mean of 31 published scores, at most −1.00 (BQ)"
    names = [entry.name for entry in report.entries]
    assert names[:2] == ["tencent/Youtu-Embedding", "youtu-embedding (published)"]
    today = make_report([str(folder)], with_published=True)
    assert today.printed == ()
    assert checked(today).endswith("the table was made with --splits MultilingualSentiment=validation")


def test_scores_of_splits_and_subsets_beside_each_other(tmp_path):
    """MiniLM's figures are of single subsets, of tasks that are no benchmark together."""
    scores = {
        "STSBenchmark": {"test": {"default": 0.820325}},
        "XQuADRetrieval": {"validation": {"en": 0.94357, "zh": 0.25225}},
        "Banking77Classification": {"test": {"default": 0.800422}},
    }
    folder = write_run(tmp_path, scores, model="minilm", run={"tasks": {}})
    report = make_report([str(folder)], with_published=True)
    assert [(one.task, one.part, round(one.found - one.published, 6)) for one in report.beside] == [
        ("Banking77Classification", "test", 0),
        ("STSBenchmark", "test", 0),
        ("XQuADRetrieval", "validation, en", 0),
        ("XQuADRetrieval", "validation, zh", 0.01),
    ]
    assert report.check is None
    exact = write_run(tmp_path / "b", {"STSBenchmark": scores["STSBenchmark"]}, model="minilm")
    rows = make_report([str(exact)], with_published=True).beside
    assert distance(rows) == "equal to the published score"


def test_the_tasks_that_differ_most(tmp_path):
    scores = {f"T{i}": {"test": {"default": 0.5}} for i in range(7)}
    other = {task: {"test": {"default": 0.5 + (-1) ** i * i / 100}} for i, task in enumerate(scores)}
    del other["T6"]
    runs = [write_run(tmp_path / name, one) for name, one in (("a", scores), ("b", other), ("c", scores))]
    report = make_report([str(run) for run in runs])
    assert moved(report) == [
        "b against a: T5 −5.00, T4 +4.00, T3 −3.00, T2 +2.00, T1 −1.00",
        "c against a: equal in every task",
    ]
    assert moved(make_report([str(runs[0])])) == []
