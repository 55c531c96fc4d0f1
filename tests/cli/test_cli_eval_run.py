"""``youtu-st eval run`` and ``plan``: from the command line, over data that lies here, and what is refused."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOUTU_ST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    words = ["a cat sits", "a dog runs", "rain falls", "the sun shines", "a cat runs", "snow falls"]
    rows = [
        f"{left}\t{right}\t{len({*left.split()} & {*right.split()})}" for left in words for right in words
    ]
    (tmp_path / "pairs").mkdir()
    (tmp_path / "pairs" / "test.tsv").write_text("sentence1\tsentence2\tscore\n" + "\n".join(rows) + "\n")
    return tmp_path / "pairs"


def test_a_run_and_the_same_again(run: Any, tiny: Path, pairs: Path) -> None:
    line = ("eval", "run", "--model", tiny, "--data", f"STSBenchmark={pairs}", "--profile", "plain", "--json")
    first, again = run(*line), run(*line)
    assert (first.code, again.code) == (0, 0)
    (before,), (after,) = (json.loads(found.out)["tasks"] for found in (first, again))
    assert (before["counts"]["encoded"], after["counts"]) == (6, None)
    assert before["score"] == after["score"]
    told = json.loads((Path(json.loads(first.out)["folder"]) / "run" / "run.json").read_text())
    assert told["tasks"]["STSBenchmark"]["prompts"]["both"]["prompt"] == ""
    assert "STSBenchmark (1 of 1, 768 characters) ..." in first.err
    assert "was there already" in again.err


def test_prompts_of_a_model_without_a_spec(run: Any, tiny: Path, pairs: Path, tmp_path: Path) -> None:
    """They are written down, and no vector with them is taken for one without."""
    import youtu_st

    model = youtu_st.load(tiny)
    model.prompts = {"query": "q ", "document": "d "}
    model.save(str(tmp_path / "asked"))
    (tmp_path / "none.yaml").write_text("name: none\nmodels: [asked]\nsource: me\nfixed: {STS: ''}\n")
    line = ("eval", "run", "--model", tmp_path / "asked", "--data", f"STSBenchmark={pairs}", "--json")
    own, none = (
        json.loads(run(*line, "--profile", name).out) for name in ("plain", str(tmp_path / "none.yaml"))
    )
    told = json.loads((Path(own["folder"]) / "run" / "run.json").read_text())["tasks"]["STSBenchmark"][
        "prompts"
    ]
    assert told == {"both": {"prompt": "q ", "source": "model"}}
    assert [each["tasks"][0]["counts"]["encoded"] for each in (own, none)] == [6, 6]


@pytest.mark.parametrize("field", ["fixed: {Sts: Rate}", "bare_documents: [Sts]"])
def test_a_profile_of_a_type_that_mteb_has_not(run: Any, pairs: Path, tmp_path: Path, field: str) -> None:
    (tmp_path / "own.yaml").write_text(f"name: own\nmodels: [minilm]\nsource: me\n{field}\n")
    found = run(
        *("eval", "run", "--model", "minilm", "--data", f"STSBenchmark={pairs}"),
        *("--profile", tmp_path / "own.yaml"),
    )
    assert found.code == 2
    assert "the profile own names 'Sts', no type of tasks in mteb. Did you mean 'STS'" in found.err


def test_a_plan_and_a_table(run: Any, tiny: Path, pairs: Path) -> None:
    planned = run("eval", "plan", "--model", tiny, "--data", f"STSBenchmark={pairs}", "--no-speed")
    assert planned.code == 0
    assert "1 task: 72 texts, 768 characters" in planned.out
    table = run("eval", "run", "--model", tiny, "--data", f"STSBenchmark={pairs}", "--limit", 5)
    assert table.code == 0
    assert "experiments/limit_5" in table.out.replace("\n", "")


def test_parquet_as_the_hub_has_it(run: Any, tiny: Path, pairs: Path, tmp_path: Path) -> None:
    from datasets import Dataset

    rows = [line.split("\t") for line in (pairs / "test.tsv").read_text().splitlines()[1:]]
    left, right, scores = zip(*rows, strict=True)
    (tmp_path / "hub").mkdir()
    table = Dataset.from_dict({"sentence1": left, "sentence2": right, "score": list(map(float, scores))})
    table.to_parquet(tmp_path / "hub" / "test.parquet")
    (tmp_path / "hub" / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: test\n    path: test.parquet\n---\n"
    )
    found = [
        run(
            "eval",
            "run",
            "--model",
            tiny,
            "--data",
            f"STSBenchmark={path}",
            "--json",
            "--out",
            tmp_path / path.name,
        )
        for path in (pairs, tmp_path / "hub")
    ]
    assert [one.code for one in found] == [0, 0]
    table_score, hub_score = (json.loads(one.out)["tasks"][0]["score"] for one in found)
    assert table_score == hub_score
    assert json.loads(found[0].out)["revision"] != json.loads(found[1].out)["revision"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), r"say what to run: --benchmark NAME, --tasks A,B, or --data NAME=PATH"),
        (("--benchmark", "MTEB(cmn,v1)"), r"no benchmark 'MTEB\(cmn,v1\)'.* 'MTEB\(cmn, v1\)'"),
        (("--tasks", "STSBenchmrk"), r"no task 'STSBenchmrk'\. Did you mean .*'STSBenchmark'"),
        (("--tasks", "STSBenchmark", "--profile", "publishd"), r"profile must be .* not 'publishd'"),
        (("--tasks", "STSBenchmark", "--languages", "engl"), r"language 'engl'.*'eng'"),
        (("--tasks", "STSBenchmark", "--splits", "tset"), r"split 'tset'.*test"),
        (("--tasks", "STSBenchmark", "--cache-size", "much"), r"--cache-size must be a size such as 500M"),
        (("--data", "STSBenchmark=nowhere"), r"--data NAME=PATH: nowhere is not there"),
        (("--data", "nowhere"), r"--data NAME=PATH: nowhere is not there"),
        (("--data", "."), r"has none of the folders that go by a name"),
        (
            ("--tasks", "SciFact", "--data", "SciFakt=."),
            r"no task 'SciFakt' is to be run\. Did you mean 'SciFact'",
        ),
        (
            ("--tasks", "SciFact,STSBenchmark"),
            r"the data of 2 of 2 tasks .*: give it as --data SciFact=PATH --data STSBenchmark=PATH",
        ),
        (("--tasks", "STSBenchmark", "--out", "file"), r"file is a file: --out is the folder to write"),
        (("--tasks", "STSBenchmark", "--out", "pipe"), r"pipe is a file: --out is the folder to write"),
        (("--data", "STSBenchmark=pipe"), r"pipe must be a file or a folder, and is a pipe or a device"),
        (("--rerank", "qwen3-reranker-0.6b"), r"--rerank and --first go together"),
        (
            ("--rerank", "qwen3-reranker-0.6b", "--first", "."),
            r"is no folder of a run: it has no run/run\.json",
        ),
    ],
)
def test_what_is_refused(run: Any, arguments: tuple[str, ...], message: str) -> None:
    Path("file").write_text("")
    os.mkfifo("pipe")
    found = run("eval", "run", "--model", "minilm", *arguments)
    assert found.code == 2
    assert found.err.count("\n") == 1
    assert re.search(message, found.err), found.err


def test_a_table_with_a_bad_line(run: Any, pairs: Path) -> None:
    (pairs / "test.tsv").write_text((pairs / "test.tsv").read_text() + "left\tright\tmuch\n")
    found = run("eval", "run", "--model", "minilm", "--data", f"STSBenchmark={pairs}")
    assert found.code == 2
    assert f"{pairs / 'test.tsv'}, line 38" in found.err


def test_strict_is_about_the_authors_instructions(run: Any) -> None:
    found = run(
        "eval", "run", "--model", "youtu-embedding", "--tasks", "STSBenchmark,T2Retrieval", "--strict"
    )
    assert found.code == 2
    assert "1 of 2 tasks have no instruction" in found.err
    assert "STSBenchmark" in found.err


def test_a_task_that_fails(run: Any, tiny: Path, pairs: Path, tmp_path: Path) -> None:
    """A table without the split that is trained on is refused; one with a class too few for mteb fails there."""
    (tmp_path / "classes").mkdir()
    for split in ("train", "test"):
        (tmp_path / "classes" / f"{split}.csv").write_text("text,label\none,a\ntwo,a\n")
    data = ("--data", f"Banking77Classification={tmp_path / 'classes'}", "--data", f"STSBenchmark={pairs}")
    found = run("eval", "run", "--model", tiny, *data, "--json")
    assert found.code == 1
    failed, done = json.loads(found.out)["tasks"]
    assert "Banking77Classification" in failed["error"]
    assert done["score"] is not None


def test_without_mteb(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named, whichever command asks first."""
    monkeypatch.setitem(sys.modules, "mteb", None)
    for command in ("run", "plan"):
        found = run("eval", command, "--tasks", "STSBenchmark")
        assert found.code == 2
        assert "the package 'mteb' must be installed: pip install" in found.err


def test_other_data_is_not_beside_what_was_published(run: Any, pairs: Path) -> None:
    """The model and the task are known, and their data is the hub's or another."""
    from youtu_st.evaluation.report.published import is_published_data

    found = run("eval", "run", "--data", f"STSBenchmark={pairs}")
    assert found.code == 0
    assert "published" not in found.out
    (folder,) = Path("eval-results/results").glob("*/*")
    told = run("eval", "report", folder, "--published")
    assert "not the data that published scores are of, and not compared: STSBenchmark" in told.err
    assert "beside the published" not in told.out
    assert is_published_data("STSBenchmark", "b0fddb56ed78048fa8b90373c8a3cfc37b684831")
    assert is_published_data("STSBenchmark", "451861903b63118e")
    assert not is_published_data("SciFact", "451861903b63118e")
