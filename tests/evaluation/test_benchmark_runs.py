"""Runs of tasks: scores by hand, nothing computed twice, and no score of another setting taken for this one's."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from holding import held
from words import WordEncoder, vector

from youtu_st.errors import InputError
from youtu_st.evaluation.benchmark.judging import Judgement, Plan, judge
from youtu_st.evaluation.benchmark.local import data_of
from youtu_st.evaluation.benchmark.prompts import TaskPrompt, TaskPrompts
from youtu_st.evaluation.benchmark.reranking import judge_reranker, predicted
from youtu_st.evaluation.benchmark.results import KEPT, keep_best
from youtu_st.evaluation.sts import spearman

WORDS = [f"word{n}" for n in range(200)]


def sentence(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=6))


def write_pairs(folder: Path, rows: int = 40, seed: int = 0) -> Path:
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{sentence(rng)}\t{sentence(rng)}\t{rng.random() * 5:.3f}" for _ in range(rows)]
    (folder / "test.tsv").write_text("sentence1\tsentence2\tscore\n" + "\n".join(lines) + "\n")
    return folder


def write_beir(
    folder: Path, documents: int = 150, queries: int = 12, seed: int = 0, blank: bool = False
) -> Path:
    rng = random.Random(seed)
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    texts = [sentence(rng) for _ in range(documents)]
    if blank:
        texts[3] = " "
    corpus = [json.dumps({"_id": f"d{i}", "title": "", "text": text}) for i, text in enumerate(texts)]
    asked, judged = [], ["query-id\tcorpus-id\tscore"]
    for i in range(queries):
        right = rng.randrange(documents)
        words = texts[right].split() or WORDS[:3]
        asked.append(json.dumps({"_id": f"q{i}", "text": " ".join(words[:3] + rng.choices(WORDS, k=3))}))
        judged.append(f"q{i}\td{right}\t1")
    (folder / "corpus.jsonl").write_text("\n".join(corpus) + "\n")
    (folder / "queries.jsonl").write_text("\n".join(asked) + "\n")
    (folder / "qrels" / "test.tsv").write_text("\n".join(judged) + "\n")
    return folder


def prompts(task: str, prompt: str = "") -> TaskPrompts:
    told = TaskPrompt(prompt, prompt, "authors" if prompt else "none")
    return TaskPrompts(task, query=told, document=TaskPrompt("", "", "none"), both=told)


def plan(out: Path, data: dict[str, Path], prompt: str = "", **settings: Any) -> Plan:
    from youtu_st.evaluation.benchmark.tasks import select

    tasks = select(None, list(data))
    local = data_of(
        [f"{name}={path}" for name, path in data.items()], {t.metadata.name: t.metadata for t in tasks}
    )
    return Plan(
        model="local/words",
        tasks=tasks,
        prompts={name: prompts(name, prompt) for name in data},
        data={name: local[name].digest for name in data},
        out=out,
        profile="plain",
        local=local,
        **settings,
    )


def run(encoder: WordEncoder, planned: Plan, **options: Any) -> Judgement:
    said: list[str] = options.pop("said", [])
    return judge(encoder, planned, cache=planned.out / "vectors", notify=said.append, **options)


def scores(judged: Judgement) -> list[float | None]:
    return [outcome.score for outcome in judged.outcomes]


def test_sts_is_the_rank_correlation_of_cosines(tmp_path: Path) -> None:
    data = {"STSBenchmark": write_pairs(tmp_path / "sts")}
    judged = run(WordEncoder(), plan(tmp_path / "out", data, "Rate:"))
    rows = [line.split("\t") for line in (data["STSBenchmark"] / "test.tsv").read_text().splitlines()[1:]]
    cosines = [float(vector(f"Rate: {left}") @ vector(f"Rate: {right}")) for left, right, _ in rows]
    assert scores(judged)[0] == pytest.approx(spearman(cosines, [float(row[2]) for row in rows]), abs=1e-6)


def test_retrieval_is_ndcg_by_hand_and_keeps_what_it_found(tmp_path: Path) -> None:
    data = {"SciFact": write_beir(tmp_path / "beir")}
    judged = run(WordEncoder(), plan(tmp_path / "out", data))
    corpus, queries = (
        {row["_id"]: vector(row["text"]) for row in rows(data["SciFact"] / name)}
        for name in ("corpus.jsonl", "queries.jsonl")
    )
    ids = list(corpus)
    gains = []
    for line in (data["SciFact"] / "qrels" / "test.tsv").read_text().splitlines()[1:]:
        query, right, _ = line.split("\t")
        cosines = np.stack(list(corpus.values())) @ queries[query]
        rank = [ids[i] for i in np.argsort(-cosines)].index(right)
        gains.append(1 / math.log2(rank + 2) if rank < 10 else 0.0)
    assert scores(judged)[0] == pytest.approx(np.mean(gains), abs=1e-5)
    assert predicted(judged.folder) == ["SciFact"]
    kept = json.loads((judged.folder / "predictions" / "SciFact_predictions.json").read_text())
    assert {len(found) for found in kept["default"]["test"].values()} == {KEPT}


def rows(path: Path) -> Iterator[dict[str, str]]:
    return map(json.loads, path.read_text().splitlines())


def test_a_second_run_encodes_nothing_and_says_what_it_is(tmp_path: Path) -> None:
    data = {"STSBenchmark": write_pairs(tmp_path / "sts"), "SciFact": write_beir(tmp_path / "beir")}
    first, second = WordEncoder(), WordEncoder()
    before = run(first, plan(tmp_path / "out", data, "P"))
    record = (before.folder / "run" / "run.json").read_text()
    after = run(second, plan(tmp_path / "out", data, "P"))
    assert scores(after) == scores(before)
    assert (second.encoded, [outcome.counts for outcome in after.outcomes]) == ([], [None, None])
    told = json.loads(record)["tasks"]
    assert told["STSBenchmark"]["prompts"] == {"both": {"prompt": "P", "source": "authors"}}
    assert told["SciFact"]["prompts"]["document"] == {"prompt": "", "source": "none"}
    assert sum(each["encoded"] for each in told.values()) == len(first.encoded) == len({*first.encoded})
    assert json.loads((after.folder / "run" / "run.json").read_text())["tasks"] == told


def test_two_tasks_with_one_corpus_encode_it_once(tmp_path: Path) -> None:
    path = write_beir(tmp_path / "beir")
    encoder = WordEncoder()
    run(encoder, plan(tmp_path / "out", {"SciFact": path, "NFCorpus": path}))
    assert len(encoder.encoded) == len({*encoder.encoded})


@pytest.mark.parametrize("change", ["prompt", "data", "model"])
def test_another_setting_is_another_revision(tmp_path: Path, change: str) -> None:
    data = {"STSBenchmark": write_pairs(tmp_path / "sts")}
    before = run(WordEncoder(), plan(tmp_path / "out", data, "P"))
    if change == "data":
        write_pairs(tmp_path / "sts", seed=1)
    encoder = WordEncoder("other" if change == "model" else "words")
    after = run(encoder, plan(tmp_path / "out", data, "Q" if change == "prompt" else "P"))
    assert after.revision != before.revision
    assert after.folder != before.folder
    assert encoder.encoded
    assert after.outcomes[0].counts is not None


@pytest.mark.parametrize(
    ("runtime", "is_another"),
    [
        ({"dtype": "bfloat16"}, True),
        ({"backend": "openvino", "weights": "int8"}, True),
        ({"device": "cuda"}, False),
    ],
)
def test_rounded_vectors_are_not_taken_for_whole_ones(
    tmp_path: Path, runtime: dict[str, str], is_another: bool
) -> None:
    """The fingerprint is the same: it says what a vector means, and not how far it was rounded."""
    data = {"STSBenchmark": write_pairs(tmp_path / "sts")}
    before = run(WordEncoder(), plan(tmp_path / "out", data))
    encoder = WordEncoder(runtime=runtime)
    after = run(encoder, plan(tmp_path / "out", data))
    assert bool(encoder.encoded) is is_another
    assert (after.revision != before.revision) is is_another


def test_a_part_of_a_benchmark_is_filed_with_the_whole(tmp_path: Path) -> None:
    data = {"STSBenchmark": write_pairs(tmp_path / "sts"), "SciFact": write_beir(tmp_path / "beir")}
    whole = plan(tmp_path / "out", data)
    part = plan(tmp_path / "out", data)
    part = Plan(**{**part.__dict__, "tasks": part.tasks[:1]})
    assert run(WordEncoder(), part).revision == run(WordEncoder(), whole).revision


def test_a_result_that_was_cut_runs_again(tmp_path: Path) -> None:
    data = {"STSBenchmark": write_pairs(tmp_path / "sts"), "SciFact": write_beir(tmp_path / "beir")}
    before = run(WordEncoder(), plan(tmp_path / "out", data))
    for name in ("STSBenchmark.json", "predictions/SciFact_predictions.json"):
        path = before.folder / name
        path.write_bytes(path.read_bytes()[:200])
    encoder, said = WordEncoder(), []
    after = run(encoder, plan(tmp_path / "out", data), said=said)
    assert scores(after) == scores(before)
    assert all(outcome.counts is not None for outcome in after.outcomes)
    assert encoder.encoded == []
    assert [
        str(before.folder / "STSBenchmark.json") in told and "its task runs again" in told for told in said
    ] == [True, False]
    assert (before.folder / "STSBenchmark.json.damaged-1").stat().st_size == 200


def test_a_task_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    data = {"SciFact": write_beir(tmp_path / "beir"), "STSBenchmark": write_pairs(tmp_path / "sts")}
    line = (tmp_path / "beir" / "corpus.jsonl").read_text().replace("word", "bad word", 1)
    (tmp_path / "beir" / "corpus.jsonl").write_text(line)
    judged = run(WordEncoder(broken="bad"), plan(tmp_path / "out", data))
    assert [outcome.task for outcome in judged.failed] == ["SciFact"]
    assert "not finite" in str(judged.failed[0].error)
    assert scores(judged)[1] is not None
    told = json.loads((judged.folder / "run" / "run.json").read_text())["tasks"]["SciFact"]
    assert "Traceback" in told["traceback"]
    assert not (judged.folder / "SciFact.json").exists()


def test_blank_texts_are_counted_where_the_model_has_a_vector_for_them(tmp_path: Path) -> None:
    data = {"SciFact": write_beir(tmp_path / "beir", blank=True)}
    assert run(WordEncoder(), plan(tmp_path / "none", data)).failed
    judged = run(
        WordEncoder(), plan(tmp_path / "out", data), blank=lambda role, prompt: vector("blank")[None]
    )
    (outcome,) = judged.outcomes
    assert outcome.counts is not None
    assert outcome.counts.blank == 1


def test_a_look_at_a_task_is_filed_apart(tmp_path: Path) -> None:
    data = {"STSBenchmark": write_pairs(tmp_path / "sts"), "SciFact": write_beir(tmp_path / "beir")}
    encoder = WordEncoder()
    judged = run(encoder, plan(tmp_path / "out", data, limit=5))
    assert judged.folder.parts[-2:] == ("experiments", "limit_5")
    assert json.loads((judged.folder / "run" / "run.json").read_text())["partial"] is True
    pairs, retrieved = (outcome.counts for outcome in judged.outcomes)
    assert pairs is not None
    assert retrieved is not None
    assert pairs.texts == 10
    assert 5 + 5 < retrieved.texts <= 5 + 10
    again = WordEncoder()
    assert scores(run(again, plan(tmp_path / "out2", data, limit=5))) == scores(judged)


@pytest.mark.slow
def test_what_an_interrupt_left_is_not_encoded_again(tmp_path: Path) -> None:
    data = {"SciFact": write_beir(tmp_path / "beir", documents=5000, queries=3)}
    stopped, rest = WordEncoder(stop_after=2), WordEncoder()
    with pytest.raises(KeyboardInterrupt):
        run(stopped, plan(tmp_path / "out", data))
    assert len(stopped.encoded) == 3 + 2048
    judged = run(rest, plan(tmp_path / "out", data))
    assert not {*rest.encoded} & {*stopped.encoded}
    assert scores(judged) == scores(run(WordEncoder(), plan(tmp_path / "other", data)))


def test_two_runs_into_one_folder(tmp_path: Path) -> None:
    data = {"STSBenchmark": write_pairs(tmp_path / "sts")}
    folder = run(WordEncoder(), plan(tmp_path / "out", data)).folder
    program = (
        "import sys; from pathlib import Path; from youtu_st.evaluation.benchmark.results import claimed\n"
        f"with claimed(Path({str(folder)!r})): print('held', flush=True); sys.stdin.read()"
    )
    with (
        held(program) as other,
        pytest.raises(InputError, match=rf"another run writes to .* now \(process {other} on .*, since 20"),
    ):
        run(WordEncoder(), plan(tmp_path / "out", data))
    assert not run(WordEncoder(), plan(tmp_path / "out", data)).failed


@pytest.mark.parametrize("top", [10, 100])
def test_a_reranker_that_gives_the_cosine_changes_nothing(tmp_path: Path, top: int) -> None:
    data = {"SciFact": write_beir(tmp_path / "beir")}
    planned = plan(tmp_path / "out", data)
    first = run(WordEncoder(), planned)

    def cosine(queries: Sequence[str], documents: Sequence[str], instruction: str | None) -> Any:
        return [
            float(vector(query) @ vector(document))
            for query, document in zip(queries, documents, strict=True)
        ]

    again = plan(tmp_path / "out", data)
    reranked = judge_reranker(
        cosine,
        again.tasks,
        first=first.folder,
        top=top,
        model="local/cosine",
        identity={"weights": "cosine"},
        runtime={},
        instructions={"SciFact": None},
        out=tmp_path / "out",
        local=again.local,
        notify=lambda message: None,
    )
    assert scores(reranked) == scores(first)
    (outcome,) = reranked.outcomes
    assert outcome.counts is not None
    assert outcome.counts.texts == 12 * top


def test_the_best_of_each_query_stay(tmp_path: Path) -> None:
    path = tmp_path / "T_predictions.json"
    found = {"q": {f"d{n}": float(n % 7) for n in range(30)}, "r": {"d": 1.0}}
    path.write_text(json.dumps({"mteb_model_meta": {"model_name": "m"}, "en": {"test": found}}))
    keep_best(path, kept=4)
    kept = json.loads(path.read_text())
    assert kept["en"]["test"] == {"q": {"d13": 6.0, "d20": 6.0, "d27": 6.0, "d6": 6.0}, "r": {"d": 1.0}}
    assert kept["mteb_model_meta"] == {"model_name": "m"}


def test_mtebs_tools_read_what_a_run_writes(tmp_path: Path) -> None:
    import mteb

    data = {"STSBenchmark": write_pairs(tmp_path / "sts"), "SciFact": write_beir(tmp_path / "beir")}
    judged = run(WordEncoder(), plan(tmp_path / "out", data))
    (model,) = mteb.ResultCache(tmp_path / "out").load_results().model_results
    assert (model.model_name, model.model_revision) == ("local/words", judged.revision)
    found = {result.task_name: result.get_score() for result in model.task_results}
    assert found == {outcome.task: outcome.score for outcome in judged.outcomes}
