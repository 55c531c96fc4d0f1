"""Published figures through mteb's own evaluators, from the command; and what kills do to them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from youtu_st.evaluation.report.published import is_published_data

PUBLISHED = {
    ("STSBenchmark", "default"): (0.820325, 0.0001),
    ("SciFact", "default"): (0.64508, 0.0005),
    ("XQuADRetrieval", "en"): (0.94357, 0.0005),
    ("XQuADRetrieval", "zh"): (0.24225, 0.0005),
    ("Banking77Classification", "default"): (0.800422, 0.001),
}
KILLS = 20
Run = Callable[..., Any]

pytestmark = pytest.mark.slow


def command(*arguments: object) -> list[str]:
    program = "import sys; from youtu_st.cli import main; sys.exit(main())"
    return [sys.executable, "-c", program, "eval", "run", "--json", *map(str, arguments)]


def environment(cache: Path) -> dict[str, str]:
    return {**os.environ, "YOUTU_ST_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}


def run(cache: Path, *arguments: object) -> Any:
    done = subprocess.run(
        command(*arguments), env=environment(cache), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def scores(told: Any) -> dict[tuple[str, str], float]:
    return {
        (task["task"], subset): score
        for task in told["tasks"]
        for subsets in task["subsets"].values()
        for subset, score in subsets.items()
    }


def encoded(told: Any) -> int:
    return sum(task["counts"]["encoded"] for task in told["tasks"] if task["counts"])


def test_published_figures(tmp_path: Path, shared_data: Path) -> None:
    line = ("--model", "minilm", "--data", shared_data, "--languages", "eng,zho", "--out", tmp_path / "out")
    first = run(tmp_path / "cache", *line)
    found = scores(first)
    assert found.keys() == PUBLISHED.keys()
    for name, (published, tolerance) in PUBLISHED.items():
        assert found[name] == pytest.approx(published, abs=tolerance), name
    assert encoded(first) > 15_000
    told = Path(first["folder"])
    revisions = {
        task: json.loads((told / f"{task}.json").read_text())["dataset_revision"] for task, _ in PUBLISHED
    }
    assert all(is_published_data(task, revision) for task, revision in revisions.items())
    again = run(tmp_path / "cache", *line)
    assert (scores(again), encoded(again)) == (found, 0)
    # Without the results, and with the vectors: all is computed again, and nothing is encoded.
    elsewhere = run(tmp_path / "cache", *line[:-1], tmp_path / "other")
    assert (scores(elsewhere), encoded(elsewhere)) == (found, 0)


@pytest.mark.parametrize("language", [pytest.param("eng", marks=pytest.mark.long), "zho"])
def test_a_model_whose_prompts_matter(
    tmp_path: Path, shared_data: Path, real_e5_small: Path, language: str
) -> None:
    """XQuADRetrieval by mteb, and by hand with the prompts of the model card."""
    from youtu_st import Encoder
    from youtu_st.evaluation.data.squad import read_squad
    from youtu_st.evaluation.ranking import ndcg

    line = ("--model", "multilingual-e5-small", "--checkpoint", real_e5_small, "--tasks", "XQuADRetrieval")
    told = run(tmp_path, *line, "--data", shared_data, "--languages", language, "--out", tmp_path / "out")
    subset = {"eng": "en", "zho": "zh"}[language]
    data = read_squad(shared_data / "xquad" / f"xquad.{subset}.json")
    encoder = Encoder("multilingual-e5-small", checkpoint=real_e5_small, device="cpu")
    documents = encoder.encode_document([one.content for one in data.corpus.values()])
    queries = encoder.encode_query(list(data.queries.values()))
    ids = list(data.corpus)
    ranked = [[ids[i] for i in row] for row in np.argsort(-(queries @ documents.T), axis=1)[:, :10]]
    gains = [
        ndcg(row, [key for key, score in data.qrels[query].items() if score])
        for query, row in zip(data.queries, ranked, strict=True)
    ]
    assert scores(told)["XQuADRetrieval", subset] == pytest.approx(np.mean(gains), abs=0.0005)
    record = json.loads((Path(told["folder"]) / "run" / "run.json").read_text())
    prompts = record["tasks"]["XQuADRetrieval"]["prompts"]
    assert [prompts[side]["prompt"] for side in ("query", "document")] == ["query: ", "passage: "]


def small(shared_data: Path, folder: Path) -> Path:
    """A part of the data sets, as they are laid out."""
    pairs = (shared_data / "stsbenchmark" / "sts-test.csv").read_text(encoding="utf-8").splitlines()
    (folder / "stsbenchmark").mkdir(parents=True)
    (folder / "stsbenchmark" / "sts-test.csv").write_text("\n".join(pairs[:300]) + "\n", encoding="utf-8")
    squad = json.loads((shared_data / "xquad" / "xquad.en.json").read_text(encoding="utf-8"))
    (folder / "xquad").mkdir()
    for subset in ("en", "zh"):
        part = {"data": squad["data"][:6] if subset == "en" else squad["data"][6:9]}
        (folder / "xquad" / f"xquad.{subset}.json").write_text(json.dumps(part), encoding="utf-8")
    return folder


PARENT = """
import json, os, signal, sys, time
import mteb, youtu_st.encoder
from youtu_st.cli import main
for line in sys.stdin:
    told = json.loads(line)
    child = os.fork()
    if not child:
        for descriptor, path in ((1, told["told"]), (2, os.devnull)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        os.environ["YOUTU_ST_CACHE"] = told["cache"]
        code = main(["eval", "run", "--json", *told["line"]])
        sys.stdout.flush()
        os._exit(code)
    start = time.monotonic()
    ended = 0
    while not ended and time.monotonic() - start < told["seconds"]:
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)
    if not ended:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    print(json.dumps([os.waitstatus_to_exitcode(status), time.monotonic() - start]), flush=True)
"""
"""Runs the command again and again in forked children: what takes ten seconds to import is imported once."""


@pytest.fixture
def forked_run(tmp_path: Path) -> Iterator[Run]:
    program = [sys.executable, "-c", PARENT]
    parent = subprocess.Popen(
        program, env=environment(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def run_for(seconds: float, cache: Path, *line: object) -> tuple[int, float, Any]:
        told = tmp_path / "told.json"
        asked = {"told": str(told), "cache": str(cache), "line": [*map(str, line)], "seconds": seconds}
        print(json.dumps(asked), file=parent.stdin, flush=True)
        assert parent.stdout is not None
        code, took = json.loads(parent.stdout.readline())
        return code, took, json.loads(told.read_text()) if code == 0 else None

    yield run_for
    parent.communicate()


def test_kills(tmp_path: Path, shared_data: Path, forked_run: Run) -> None:
    """A run that is killed at twenty random moments has the scores of one that was left alone, to all digits."""
    data, rng = small(shared_data, tmp_path / "data"), random.Random(15)
    line = ("--model", "minilm", "--data", data, "--languages", "eng,zho", "--out")
    code, seconds, wanted = forked_run(600, tmp_path / "cache", *line, tmp_path / "out")
    assert code == 0
    kills = rounds = 0
    while kills < KILLS:
        rounds += 1
        again = (tmp_path / f"cache{rounds}", *line, tmp_path / f"out{rounds}")
        for _ in range(3):  # several in one run, each further on
            code, _, _ = forked_run(rng.uniform(0.05, 0.6) * seconds, *again)
            assert code in (0, -signal.SIGKILL)
            kills += code != 0
        code, _, found = forked_run(600, *again)
        assert code == 0
        assert scores(found) == scores(wanted)
