"""Published figures through mteb's own evaluators, from the command; and what kills do to them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PUBLISHED = {
    ("STSBenchmark", "default"): (0.820325, 0.0001),
    ("SciFact", "default"): (0.64508, 0.0005),
    ("XQuADRetrieval", "en"): (0.94357, 0.0005),
    ("XQuADRetrieval", "zh"): (0.24225, 0.0005),
    ("Banking77Classification", "default"): (0.800422, 0.001),
}
KILLS = 20

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
    again = run(tmp_path / "cache", *line)
    assert (scores(again), encoded(again)) == (found, 0)
    # Without the results, and with the vectors: all is computed again, and nothing is encoded.
    elsewhere = run(tmp_path / "cache", *line[:-1], tmp_path / "other")
    assert (scores(elsewhere), encoded(elsewhere)) == (found, 0)


@pytest.mark.parametrize("language", ["eng", "zho"])
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
    (folder / "stsbenchmark" / "sts-test.csv").write_text("\n".join(pairs[:500]) + "\n", encoding="utf-8")
    squad = json.loads((shared_data / "xquad" / "xquad.en.json").read_text(encoding="utf-8"))
    (folder / "xquad").mkdir()
    for subset in ("en", "zh"):
        part = {"data": squad["data"][:12] if subset == "en" else squad["data"][12:18]}
        (folder / "xquad" / f"xquad.{subset}.json").write_text(json.dumps(part), encoding="utf-8")
    return folder


def test_kills(tmp_path: Path, shared_data: Path) -> None:
    """A run that is killed at twenty random moments has the scores of one that was left alone, to all digits."""
    data, rng = small(shared_data, tmp_path / "data"), random.Random(15)
    line = ("--model", "minilm", "--data", data, "--languages", "eng,zho", "--out")
    start = time.monotonic()
    wanted = run(tmp_path / "cache", *line, tmp_path / "out")
    seconds = time.monotonic() - start
    kills, rounds = 0, 0
    while kills < KILLS:
        rounds += 1
        cache, out = tmp_path / f"cache{rounds}", tmp_path / f"out{rounds}"
        for _ in range(10):  # several in one run, each further on
            process = subprocess.Popen(command(*line, out), env=environment(cache), stdout=-3, stderr=-3)
            try:
                process.wait(rng.uniform(0.4, 1.0) * seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
        assert scores(run(cache, *line, out)) == scores(wanted)
    assert kills >= KILLS
