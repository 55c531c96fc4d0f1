"""Results, predictions and data that somebody else has put there: nothing of it is taken for a score."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_benchmark_runs import plan, run, scores, write_beir, write_pairs
from words import WordEncoder, vector

from youtu_st.errors import InputError
from youtu_st.evaluation.benchmark.judging import judge
from youtu_st.evaluation.benchmark.local import data_of, read
from youtu_st.evaluation.benchmark.reranking import begun_from, check_data, judge_reranker, subsets_of
from youtu_st.evaluation.benchmark.results import are_predictions, set_damaged_aside
from youtu_st.evaluation.benchmark.tasks import load_task


def metadata(name: str) -> Any:
    return load_task(name).metadata


def test_the_result_of_another_task_is_no_result(tmp_path: Path) -> None:
    data = {"STSBenchmark": write_pairs(tmp_path / "sts"), "SciFact": write_beir(tmp_path / "beir")}
    before = run(WordEncoder(), plan(tmp_path / "out", data))
    (before.folder / "STSBenchmark.json").write_bytes((before.folder / "SciFact.json").read_bytes())
    said: list[str] = []
    assert scores(run(WordEncoder(), plan(tmp_path / "out", data), said=said)) == scores(before)
    assert "it is the result of 'SciFact'" in said[0]


@pytest.mark.parametrize("content", [b"\xff\xfe\0", b"{}\n{", None])
def test_odd_lines_about_runs(tmp_path: Path, content: bytes | None) -> None:
    data = {"STSBenchmark": write_pairs(tmp_path / "sts")}
    before = run(WordEncoder(), plan(tmp_path / "out", data))
    path = before.folder / "run_settings.jsonl"
    path.unlink()
    if content is None:
        os.mkfifo(path)
    else:
        path.write_bytes(content)
    assert scores(run(WordEncoder(), plan(tmp_path / "out", data))) == scores(before)
    assert not path.exists()


@pytest.mark.parametrize(
    "content", [3, [], {}, {"default": {}}, {"mteb_model_meta": {}, "default": {"test": {"q": {"d": "x"}}}}]
)
def test_what_no_predictions_are(tmp_path: Path, content: Any) -> None:
    folder = tmp_path / "predictions"
    folder.mkdir()
    path = folder / "SciFact_predictions.json"
    path.write_text(json.dumps(content))
    assert not are_predictions(content)
    with pytest.raises(InputError, match="holds no predictions: run SciFact again"):
        subsets_of(tmp_path, "SciFact")
    set_damaged_aside(tmp_path, lambda told: None)
    assert not path.exists()


@pytest.mark.parametrize("left", [None, {"error": "it failed", "traceback": "Traceback"}])
def test_a_result_without_its_record_gets_one(tmp_path: Path, left: dict[str, str] | None) -> None:
    """A kill between the two files leaves such a one."""
    data = {"STSBenchmark": write_pairs(tmp_path / "sts")}
    record = run(WordEncoder(), plan(tmp_path / "out", data, "P")).folder / "run" / "run.json"
    told = json.loads(record.read_text())
    told["tasks"] = {} if left is None else {"STSBenchmark": left}
    record.write_text(json.dumps(told))
    run(WordEncoder(), plan(tmp_path / "out", data, "P"))
    assert json.loads(record.read_text())["tasks"] == {
        "STSBenchmark": {"prompts": {"both": {"prompt": "P", "source": "authors"}}}
    }


def test_ratings_that_are_all_the_same_have_no_score(tmp_path: Path) -> None:
    rows = "".join(f"a {i}\tb {i}\t3\n" for i in range(5))
    (tmp_path / "test.tsv").write_text(f"sentence1\tsentence2\tscore\n{rows}")
    for _ in range(2):
        judged = run(WordEncoder(), plan(tmp_path / "out", {"STSBenchmark": tmp_path / "test.tsv"}))
        assert [outcome.error for outcome in judged.failed] == [
            "STSBenchmark: there is no finite score of test, default"
        ]
    assert "error" in json.loads((judged.folder / "run" / "run.json").read_text())["tasks"]["STSBenchmark"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no record of a run: run it again: Expecting value"),
        ("[]", "no record of a run"),
        ("{}", "no record of a run: run it again: 'settings'"),
        ('{"revision": "r", "model": "m", "settings": []}', ""),
        ('{"revision": 1, "model": "m", "settings": {}}', "no record of a run"),
        ('{"revision": "r", "model": "m", "settings": {"limit": "../.."}}', "no record of a run"),
    ],
)
def test_a_first_run_that_is_none(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(content)
    if not message:
        assert begun_from(tmp_path).limit is None
        return
    with pytest.raises(InputError, match=message):
        begun_from(tmp_path)


def test_a_reranker_over_another_first_run_of_one_revision_is_another(tmp_path: Path) -> None:
    data = {"SciFact": write_beir(tmp_path / "beir")}
    first = run(WordEncoder(), plan(tmp_path / "out", data))
    cut = run(WordEncoder(), plan(tmp_path / "out", data, experiment={"dimensions": 8}))
    assert first.revision == cut.revision

    def revision(folder: Path) -> str:
        planned = plan(tmp_path / "out", data)
        return judge_reranker(
            lambda queries, documents, instruction: [0.0] * len(queries),
            planned.tasks,
            first=folder,
            top=5,
            model="local/zero",
            identity={"weights": "zero"},
            runtime={},
            instructions={"SciFact": None},
            out=tmp_path / "out",
            local=planned.local,
            notify=lambda message: None,
        ).revision

    assert revision(first.folder) == revision(first.folder) != revision(cut.folder)


def test_a_first_run_over_other_data(tmp_path: Path) -> None:
    """Ids may be the same, and texts are others."""
    first = run(WordEncoder(), plan(tmp_path / "out", {"SciFact": write_beir(tmp_path / "beir")})).folder
    same = plan(tmp_path / "out", {"SciFact": tmp_path / "beir"})
    same.local["SciFact"].attach(same.tasks[0])
    check_data(first, same.tasks)
    other = plan(tmp_path / "out", {"SciFact": write_beir(tmp_path / "other", seed=1)})
    other.local["SciFact"].attach(other.tasks[0])
    with pytest.raises(InputError, match="has searched other data of SciFact.*--data SciFact=PATH"):
        check_data(first, other.tasks)
    (first / "SciFact.json").write_text("{")
    with pytest.raises(InputError, match=r"SciFact\.json is no result: run SciFact again"):
        check_data(first, same.tasks)


def test_a_reranker_over_a_look_at_a_task(tmp_path: Path) -> None:
    """The mean is over the queries that were searched for: scores of the cosine are those of the first run."""
    data = {"SciFact": write_beir(tmp_path / "beir")}
    first = run(WordEncoder(), plan(tmp_path / "out", data, limit=4))
    planned = plan(tmp_path / "out", data)
    again = judge_reranker(
        lambda queries, documents, instruction: [
            float(vector(query) @ vector(document))
            for query, document in zip(queries, documents, strict=True)
        ],
        planned.tasks,
        first=first.folder,
        top=100,
        model="local/cosine",
        identity={"weights": "cosine"},
        runtime={},
        instructions={"SciFact": None},
        out=tmp_path / "out",
        local=planned.local,
        notify=lambda message: None,
    )
    assert scores(again) == scores(first)
    assert json.loads((again.folder / "run" / "run.json").read_text())["partial"] is True


def test_a_text_of_which_the_model_reads_nothing_is_blank(tmp_path: Path) -> None:
    """A zero width space is no white space, and no token of this model; a dash is one."""
    import youtu_st

    data = {"SciFact": write_beir(tmp_path / "beir", documents=8, queries=3)}
    with open(data["SciFact"] / "corpus.jsonl", "a") as file:
        for key, text in (("seen", "-"), ("unseen", "\u200b\ufeff")):
            file.write(json.dumps({"_id": key, "title": "", "text": text}) + "\n")
    blank = np.eye(1, 384, dtype=np.float32)
    planned = plan(tmp_path / "out", data)
    judged = judge(youtu_st.Encoder("minilm", device="cpu"), planned, blank=lambda role, prompt: blank)
    (outcome,) = judged.outcomes
    assert outcome.counts is not None
    assert (outcome.counts.blank, outcome.counts.encoded) == (1, 8 + 1 + 3)


def test_the_readme_of_a_folder_of_parquet_counts(tmp_path: Path) -> None:
    from datasets import Dataset

    for name in ("a", "b"):
        table = Dataset.from_dict({"sentence1": [name], "sentence2": ["x"], "score": [1.0]})
        table.to_parquet(tmp_path / f"{name}.parquet")
    digests = set()
    for readme in ("path: a.parquet", "path: b.parquet", "path: a.parquet"):
        (tmp_path / "README.md").write_text(readme)
        (tmp_path / ".hidden").write_text(str(len(digests)))
        digests.add(read("STSBenchmark", tmp_path, metadata("STSBenchmark")).digest)
    assert len(digests) == 2


def test_two_files_of_one_split(tmp_path: Path) -> None:
    write_pairs(tmp_path, rows=3)
    (tmp_path / "test.old.tsv").write_bytes((tmp_path / "test.tsv").read_bytes() * 2)
    (tmp_path / "sts-test.tsv").write_bytes((tmp_path / "test.tsv").read_bytes() * 2)
    part = read("STSBenchmark", tmp_path, metadata("STSBenchmark")).parts
    assert part is not None
    assert len(part["default"]["test"].scores) == 3  # type: ignore[union-attr]
    (tmp_path / "test.tsv").unlink()
    with pytest.raises(InputError, match=r"sts-test\.tsv, test\.old\.tsv are all named after 'test'"):
        read("STSBenchmark", tmp_path, metadata("STSBenchmark"))


def test_one_table_for_a_task_of_many_subsets(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"STS22 has 18 subsets .*and this is data of one"):
        read("STS22", write_pairs(tmp_path), metadata("STS22"))


def test_no_subset_of_those_that_are_to_be_run(tmp_path: Path) -> None:
    squad = {"data": [{"paragraphs": [{"context": "c", "qas": [{"question": "q"}]}]}]}
    (tmp_path / "xquad.en.json").write_text(json.dumps(squad))
    task = load_task("XQuADRetrieval").filter_languages(None, hf_subsets=["zh"])
    local = data_of([f"XQuADRetrieval={tmp_path}"], {"XQuADRetrieval": task.metadata})
    with pytest.raises(InputError, match=r"holds en of XQuADRetrieval, and what is to be run is zh"):
        local["XQuADRetrieval"].attach(task)


def test_judged_queries_without_a_text_are_not_left_out_of_the_mean(tmp_path: Path) -> None:
    path = write_beir(tmp_path)
    lines = (path / "queries.jsonl").read_text().splitlines()
    (path / "queries.jsonl").write_text("\n".join(lines[:-2]) + "\n")
    with pytest.raises(InputError, match=r"2 judged queries of test have no text, such as 'q10'"):
        read("SciFact", path, metadata("SciFact"), allow_missing=True)


def test_a_home_of_nobody() -> None:
    with pytest.raises(InputError, match="~nobody-of-that-name/sts is not there"):
        data_of(["STSBenchmark=~nobody-of-that-name/sts"], {})
