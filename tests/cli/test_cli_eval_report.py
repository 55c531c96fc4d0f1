"""``youtu-st eval report`` on folders of results."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Result

from youtu_st.evaluation.report.published import models

Run = Callable[..., Result]
CMN = "MTEB(cmn, v1)"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Youtu-Embedding's published scores as result files."""
    from youtu_st.evaluation.report.benchmarks import benchmark_of

    folder = tmp_path / "results"
    folder.mkdir()
    model = models()["youtu-embedding"]
    for task, score in model.benchmarks[CMN].items():
        splits = dict.fromkeys(benchmark_of(CMN).tasks[task].splits, score)
        if task == "MultilingualSentiment":
            splits = {one.split: one.score for one in model.apart}
        scores = {split: [{"hf_subset": "default", "main_score": x}] for split, x in splits.items()}
        (folder / f"{task}.json").write_text(json.dumps({"task_name": task, "scores": scores}))
    return folder


def test_means(run: Run, results: Path) -> None:
    done = run("eval", "report", results)
    assert done.code == 0
    title, _, row = done.out.splitlines()
    assert title.split()[:4] == ["MTEB(cmn,", "v1)", "Mean", "(Task)"]
    assert row.split() == ["results", "77.60", "78.87", "78.72", "84.27", "86.12", "75.10", "80.21", "68.82"]
    assert done.err == f"youtu-st: note: the tasks are those of {CMN}: --benchmark takes another\n"


def test_published_figures_and_files(run: Run, results: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "report"
    done = run("eval", "report", f"youtu-embedding={results}", "--published", "--splits",
               "MultilingualSentiment=validation", "--out", out)  # fmt: skip
    assert done.code == 0
    lines = done.out.splitlines()
    assert "40 of 40 published figures" in lines
    assert "youtu-embedding beside the published youtu-embedding: equal to all 31 published scores" in lines
    assert any(
        line.startswith("youtu-embedding and qzhou-embedding (published) cannot be told apart")
        for line in lines
    )
    assert any(
        line.startswith("youtu-embedding is ahead of qwen3-embedding-8b (published)") for line in lines
    )
    assert lines[-1] == f"written to {out}/index.html, report.md and report.csv"
    assert {path.name for path in out.iterdir()} == {"index.html", "report.md", "report.csv"}
    assert (out / "index.html").read_text("utf-8").startswith("<!doctype html>")


def test_json(run: Run, results: Path) -> None:
    (results / "ATEC.json").unlink()
    done = run("eval", "report", results, "--json", "--benchmark", CMN)
    (entry,) = json.loads(done.out)["entries"]
    assert (entry["tasks"], entry["means"]["Mean (Task)"], entry["problems"]) == (
        "30 of 31 tasks",
        None,
        {"ATEC": "missing"},
    )


def test_nothing_of_a_name_reaches_the_terminal(run: Run, results: Path, tmp_path: Path) -> None:
    (results / "model_meta.json").write_text(
        json.dumps({"name": "\x1b[31mred\u202e[bold]", "revision": "1\x1b"})
    )
    (results / "run").mkdir()
    (results / "run" / "run.json").write_text(json.dumps({"tasks": {"ATEC": {"error": "\x1b]0;title\x07"}}}))
    done = run("eval", "report", results)
    assert done.code == 0
    assert "\\x1b[31mred\\u202e[bold]" in done.out
    assert not {"\x1b", "\x07", "\u202e"} & set(done.out + done.err)
    assert "\x1b" not in run("eval", "report", results, "--json").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["nowhere"],
            "nowhere: there is no such folder: name a folder of TASK.json files, as mteb writes them",
        ),
        (
            ["results", "--splits", "ATEC"],
            "--splits must be TASK=SPLIT, such as MultilingualSentiment=validation, not 'ATEC'",
        ),
        (
            ["results", "--splits", "ATEC=test", "--splits", "ATEC=dev"],
            "--splits names 'ATEC' twice: several splits are TASK=SPLIT,SPLIT",
        ),
        (
            ["results", "--splits", "ATEK=test"],
            f"--splits: {CMN} has no task 'ATEK': did you mean 'ATEC'? it has 31, such as 'AFQMC'",
        ),
        (
            ["results", "--splits", "ATEC=dev"],
            "--splits: ATEC has no split 'dev' in these results, which have test",
        ),
        (
            ["results", "--out", "file"],
            "file is a file: --out is the folder to write report.md, report.csv, index.html to",
        ),
    ],
)
def test_mistakes(
    run: Run, results: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(results.parent)
    Path("file").touch()
    done = run("eval", "report", *arguments)
    assert (done.code, done.out, done.err) == (2, "", f"youtu-st: error: {message}\n")


def test_a_damaged_file(run: Run, results: Path) -> None:
    path = results / "ATEC.json"
    path.write_text(path.read_text()[:20])
    done = run("eval", "report", results)
    assert done.code == 2
    assert done.err.startswith(f"youtu-st: error: {path}: damaged: ")
    assert done.err.endswith("move it away, and run that task again\n")


@pytest.mark.slow
def test_neither_torch_nor_mteb_is_loaded(results: Path, tmp_path: Path) -> None:
    arguments = ["eval", "report", str(results), "--published", "--out", str(tmp_path / "out")]
    code = (
        "import sys; from youtu_st.cli import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'mteb', 'transformers', 'datasets', 'pandas', 'matplotlib.pyplot'} & set(sys.modules); "
        "sys.exit(f'loaded {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
