"""``youtu-st eval retrieval`` on a small data set, and once on a public one."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import cross_encoder_checkpoint
from command import Result, spawn_on_a_terminal

from youtu_st.cli.evaluation import retrieval, systems
from youtu_st.cli.loaded import load_encoder
from youtu_st.encoder import Encoder
from youtu_st.evaluation.retrieval.results import FORMAT, read_results
from youtu_st.rerank import Reranker

Run = Callable[..., Result]
DOCUMENTS = {
    "rhine": ("Rivers", "The Rhine rises in the Alps and flows north into the sea."),
    "nile": ("Rivers", "The Nile flows through Egypt."),
    "mars": ("", "Mars is called the red planet, for the rust of its ground."),
    "venus": ("", "Venus is the hottest of all planets."),
    "bread": ("Food", "Bread is made of flour, water, salt and yeast."),
    "rice": ("Food", "Rice is boiled in water, or steamed."),
    "blank": ("", " "),
}
QUESTIONS = {
    "q1": ("Which river flows to the north?", "rhine"),
    "q2": ("Which planet is red?", "mars"),
    "q3": ("What is bread baked from?", "bread"),
    "q4": ("Where does it become very hot?", "nile"),
    "q5": ("A question that nobody judged", None),
}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "own"
    (folder / "qrels").mkdir(parents=True)
    lines = [{"_id": key, "title": title, "text": text} for key, (title, text) in DOCUMENTS.items()]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    asked = [{"_id": key, "text": text} for key, (text, _) in QUESTIONS.items()]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    judged = [f"{key}\t{answer}\t1" for key, (_, answer) in QUESTIONS.items() if answer]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]))
    monkeypatch.chdir(tmp_path)
    return folder


def expected() -> dict[str, list[str]]:
    """The documents of each judged query, best first, by plain code."""
    encoder = Encoder.shared("minilm")
    texts = {key: f"{title} {text}".strip() for key, (title, text) in DOCUMENTS.items() if text.strip()}
    asked = [text for text, answer in QUESTIONS.values() if answer]
    scores = encoder.encode_query(asked) @ encoder.encode_document(list(texts.values())).T
    orders = np.argsort(-scores, axis=1)
    return {
        key: [list(texts)[i] for i in order]
        for key, order in zip(["q1", "q2", "q3", "q4"], orders, strict=True)
    }


def test_a_model_beside_itself_and_beside_settings(data: Path, run: Run) -> None:
    settings = ["dimensions=8", "factory=HNSW16", "chunk_tokens=8"]
    result = run(
        "eval",
        "retrieval",
        "own",
        "--model",
        "minilm",
        "--out",
        "out",
        "--json",
        "--compare",
        "minilm",
        *settings,
    )
    assert result.code == 0, result.err
    assert "1 blank document left out" in result.err
    told = json.loads(result.out)
    assert told["data"]["queries"] == 4
    best = expected()
    places = [best[key].index(answer) for key, (_, answer) in QUESTIONS.items() if answer]
    mean = np.mean([1 / np.log2(place + 2) for place in places])
    base, same, short, graph, parts = told["systems"]
    assert base["measures"]["nDCG@10"]["mean"] == pytest.approx(mean)
    low, high = base["measures"]["nDCG@10"]["interval"]
    assert low <= mean <= high
    assert same["measures"] == base["measures"] == graph["measures"]
    assert base["fingerprint"] == Encoder.shared("minilm").fingerprint
    assert short["setting"] == {"dimensions": 8}
    assert parts["setting"] == {"chunk_tokens": 8}
    assert [each["verdict"] for each in told["comparisons"]] == ["no difference seen"] * 4
    assert told["comparisons"][0]["p"] == 1
    saved = [json.loads(line) for line in (data.parent / "out" / "1-minilm.jsonl").read_text().splitlines()]
    assert {row["query"]: [key for key, _ in row["documents"]] for row in saved[1:]} == best
    with open(data.parent / "out" / "queries.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["system"] == "minilm"]
    assert [float(row["nDCG@10"]) for row in rows[::2]] == pytest.approx(
        [1 / np.log2(place + 2) for place in places]
    )
    # The same results, from their file, need no model.
    again = run(
        "eval", "retrieval", "own", "--compare", "out/1-minilm.jsonl", "out/3-dimensions-8.jsonl", "--json"
    )
    assert json.loads(again.out)["systems"][1]["measures"] == short["measures"]


def test_what_is_shown(data: Path, run: Run) -> None:
    result = run("eval", "retrieval", "own", "--model", "minilm", "--compare", "dimensions=4")
    assert result.code == 0, result.err
    assert result.out.startswith("own: 7 documents, 4 queries, data ")
    assert re.search(r"^nDCG@10 +0\.\d{4} +0\.\d{4} to \d\.\d{4} *$", result.out, re.MULTILINE)
    assert re.search(r"^dimensions=4 .* (no difference seen|worse|better) *$", result.out, re.MULTILINE)
    assert "dimensions=4: what moved most, nDCG@10 from minilm" in result.out


@pytest.mark.usefixtures("data")
def test_a_narrow_terminal_gets_names_and_numbers_whole(tmp_path: Path) -> None:
    Path("one.run").write_text("".join(f"q{i} Q0 rhine 1 0.5 the-first-of-them\n" for i in range(1, 5)))
    Path("two.run").write_text("".join(f"q{i} Q0 mars 1 0.5 the-second-of-them\n" for i in range(1, 5)))
    code, shown = spawn_on_a_terminal(
        "eval", "retrieval", "own", "--compare", "one.run", "two.run", cwd=tmp_path, whole=True
    )
    assert code == 0, shown
    assert re.search(r"the-second-of-them .* 1\.0000 .* no difference seen", shown)


def test_an_index_whose_passages_name_their_documents(data: Path, run: Run) -> None:
    assert run("index", "build", "own/corpus.jsonl", "--out", "own.idx", "--chunk-tokens", "12").code == 0
    result = run("eval", "retrieval", "own", "--index", "own.idx")
    assert result.code == 2
    assert "none of the documents that were found is in own" in result.err
    assert "--document-key KEY names the metadata that holds them" in result.err
    result = run("eval", "retrieval", "own", "--index", "own.idx", "--document-key", "id", "--json")
    assert result.code == 0, result.err
    (told,) = json.loads(result.out)["systems"]
    assert told["model"] == "minilm"
    assert told["measures"]["R@10"]["mean"] == 1
    refused = run("eval", "retrieval", "own", "--index", "own.idx", "--compare", "factory=HNSW16")
    assert (refused.code, refused.out) == (2, "")
    assert "own.idx takes rerank=NAME alone" in refused.err


def test_a_reranker_puts_what_was_found_into_order(data: Path, run: Run) -> None:
    model = str(cross_encoder_checkpoint(data.parent / "cross-encoder"))
    result = run(
        "eval", "retrieval", "own", "--model", "minilm", "--compare", f"rerank={model}", "--out", "out"
    )
    assert result.code == 0, result.err
    (saved,) = (data.parent / "out").glob("2-*.jsonl")
    found = read_results(saved)
    reranker = Reranker(model)
    for query, documents in expected().items():
        texts = [" ".join(DOCUMENTS[key]).strip() for key in documents]
        ranked = reranker.rank(QUESTIONS[query][0], texts)
        assert [key for key, _ in found.rankings[query]] == [documents[one.index] for one in ranked]
    assert found.facts["reranker"] == model


@pytest.mark.openvino
def test_rounded_weights(data: Path, run: Run) -> None:
    pytest.importorskip("openvino")
    result = run(
        "eval", "retrieval", "own", "--model", "minilm", "--compare", "weights=int8", "--json", "--out", "out"
    )
    assert result.code == 0, result.err
    one, other = (read_results(path) for path in sorted((data.parent / "out").glob("*.jsonl")))
    scores, rounded = (
        np.array([dict(each.rankings["q1"])[key] for key in ("rhine", "mars")]) for each in (one, other)
    )
    assert 0 < np.abs(scores - rounded).max() < 0.05
    assert other.facts["runtime"]["weights"] == "int8"
    assert "weights" not in one.facts["runtime"]


@pytest.mark.parametrize(
    "setting", ["dimensions=385", "factory=IVF", "factory=IVF4,PQ7", "chunk_tokens=9999"]
)
@pytest.mark.usefixtures("data")
def test_settings_that_the_model_cannot_have(run: Run, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder.shared("minilm")
    monkeypatch.setattr(systems, "load_encoder", lambda *_, **__: encoder)
    before = encoder.totals
    result = run("eval", "retrieval", "own", "--model", "minilm", "--compare", setting)
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert encoder.totals == before  # nothing was encoded


@pytest.mark.usefixtures("data")
def test_a_model_that_is_not_there_costs_no_search(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder.shared("minilm")

    def load(name: str, **further: Any) -> Encoder:
        return encoder if name == "minilm" else load_encoder(name, **further)

    monkeypatch.setattr(systems, "load_encoder", load)
    before = encoder.totals
    Path("empty").mkdir()
    result = run("eval", "retrieval", "own", "--model", "minilm", "--compare", "./empty")
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert encoder.totals == before  # nothing was encoded


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> Any:
        raise AssertionError("a model is loaded")

    monkeypatch.setattr(systems, "load_encoder", load)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["own"], "say what to judge: --model NAME, or --index DIR"),
        (
            ["own", "--model", "minilm", "more"],
            "'more' is a second argument: what to compare follows --compare",
        ),
        (["own", "--model", "minilm", "--compare", "dimension=8"], "did you mean 'dimensions'"),
        (["own", "--model", "minilm", "--compare", "mini-lm"], "Did you mean 'minilm'"),
        (["own", "--model", "minilm", "--compare", "rerank=qwen-reranker"], "qwen-reranker"),
        (["own", "--index", "nothing"], "there is no index in nothing"),
        (["nothing", "--model", "minilm"], "nothing: there is no such folder or file"),
        (["own", "--model", "minilm", "--split", "dev"], "there is no such split; there are: test"),
        (["--model", "minilm", "--corpus", "own/corpus.jsonl"], "--queries, --qrels is missing"),
        (["own", "--model", "minilm", "--out", "own"], "own is no empty folder"),
        (
            ["own", "--model", "minilm", "--compare", "own/corpus.jsonl"],
            "corpus.jsonl, line 1: field 'format'",
        ),
        (
            ["own", "--model", "minilm", "--compare", "part.run"],
            "minilm and part are over different queries: 3",
        ),
        (
            ["own", "--compare", "part.run", "other.run"],
            "none of the documents that were found is in own: they have ids such as 'moon'",
        ),
        (
            ["own", "--compare", "part.run", "again.run"],
            "part and part (again.run) are over different queries: 1",
        ),
        (
            ["own", "--model", "minilm", "--compare", "saved.jsonl"],
            "saved.jsonl, line 2: a score must be a finite number, not an int",
        ),
        (["own", "--model", "minilm", "--document-key", "id"], "--document-key is for the passages of an"),
        (["squad.json", "--model", "minilm", "--split", "dev"], "squad.json has no splits"),
        (["own", "--model", "minilm", "--compare", "part.run", "rerank=x"], "unknown reranker 'x'"),
    ],
)
@pytest.mark.usefixtures("data", "no_model")
def test_mistakes_are_told_before_a_model_is_loaded(run: Run, arguments: list[str], told: str) -> None:
    Path("part.run").write_text("q1 Q0 rhine 1 0.5 part\n")
    Path("again.run").write_text("q1 Q0 rhine 1 0.5 part\nq2 Q0 mars 1 0.5 part\n")
    Path("other.run").write_text("q1 Q0 moon 1 0.5 other\n")
    Path("squad.json").write_text("{}")
    saved = [{"format": FORMAT, "system": "one"}, {"query": "q1", "documents": [["rhine", 10**400]]}]
    Path("saved.jsonl").write_text("\n".join(map(json.dumps, saved)))
    result = run("eval", "retrieval", *arguments)
    assert (result.code, result.out) == (2, "")
    assert told in result.err
    assert result.err.count("\n") == 1


@pytest.mark.usefixtures("no_model")
def test_a_query_that_is_a_document_is_a_question(data: Path, run: Run) -> None:
    with open(data / "queries.jsonl", "a", encoding="utf-8") as file:
        file.write('\n{"_id": "nile", "text": "The Nile flows through Egypt."}')
    with open(data / "qrels" / "test.tsv", "a", encoding="utf-8") as file:
        file.write("\nnile\trhine\t1")
    result = run("eval", "retrieval", "own", "--model", "minilm")
    assert result.code == 2
    assert "1 query of own is also a document, with the same id and text ('nile')" in result.err
    assert "--ignore-identical-ids leaves" in result.err


def test_a_query_that_is_a_document_may_find_itself_or_not(data: Path, run: Run) -> None:
    (data / "qrels" / "test.tsv").write_text("rice\tbread\t1\nq1\trhine\t1\n")
    with open(data / "queries.jsonl", "a", encoding="utf-8") as file:
        file.write('\n{"_id": "rice", "text": "Rice is boiled in water, or steamed."}')
    reached = {}
    for flag in ("--ignore-identical-ids", "--keep-identical-ids"):
        result = run("eval", "retrieval", "own", "--model", "minilm", flag, "--json")
        reached[flag] = json.loads(result.out)["systems"][0]["measures"]["RR@10"]["mean"]
    assert reached == {"--ignore-identical-ids": 1, "--keep-identical-ids": pytest.approx((1 + 1 / 2) / 2)}


@pytest.mark.usefixtures("no_model")
def test_saved_results_leave_a_query_out_that_finds_itself(data: Path, run: Run) -> None:
    (data / "qrels" / "test.tsv").write_text("rice\tbread\t1\n")
    with open(data / "queries.jsonl", "a", encoding="utf-8") as file:
        file.write('\n{"_id": "rice", "text": "Rice is boiled in water, or steamed."}')
    Path("own.run").write_text("rice Q0 rice 1 0.9 own\nrice Q0 bread 2 0.5 own\n")
    reached = {}
    for flag in ("--ignore-identical-ids", "--keep-identical-ids"):
        result = run("eval", "retrieval", "own", "--compare", "own.run", flag, "--json")
        reached[flag] = json.loads(result.out)["systems"][0]["measures"]["RR@10"]["mean"]
    assert reached == {"--ignore-identical-ids": 1, "--keep-identical-ids": 0.5}


def test_texts_of_which_the_model_reads_nothing(data: Path, run: Run) -> None:
    with open(data / "corpus.jsonl", "a", encoding="utf-8") as file:
        file.write('\n{"_id": "nothing", "text": "\\u200b"}')
    result = run("eval", "retrieval", "own", "--model", "minilm")
    assert result.code == 0, result.err
    assert "2 blank documents left out" in result.err
    with open(data / "queries.jsonl", "a", encoding="utf-8") as file:
        file.write('\n{"_id": "q6", "text": "\\u200b"}')
    with open(data / "qrels" / "test.tsv", "a", encoding="utf-8") as file:
        file.write("\nq6\trhine\t1")
    result = run("eval", "retrieval", "own", "--model", "minilm")
    assert (result.code, result.out) == (2, "")
    assert "own: minilm reads nothing of the query 'q6'" in result.err


def test_three_files_and_what_is_missing(data: Path, run: Run) -> None:
    (data / "own.tsv").write_text("q1\trhine\t1\nq2\tmoon\t1\n")
    files = ["--corpus", "own/corpus.jsonl", "--queries", "own/queries.jsonl", "--qrels", "own/own.tsv"]
    result = run("eval", "retrieval", "--model", "minilm", *files)
    assert result.code == 2
    assert "judged documents that are not in own/corpus.jsonl: 1: 'moon'; --allow-missing" in result.err
    result = run(
        "eval", "retrieval", "--model", "minilm", *files, "--allow-missing", "--compare", "minilm", "minilm"
    )
    assert result.code == 0, result.err
    assert "1 judgement of what is not there: counted as not found" in result.err
    assert re.search(r"^R@10 +0\.5000", result.out, re.MULTILINE)


def test_the_example_is_one() -> None:
    assert retrieval.EXAMPLE.startswith("Example: youtu-st eval retrieval ")


@pytest.mark.slow
@pytest.mark.long  # the figure that test_published.py has of the index, and test_eval_quick.py of mteb
def test_scifact_is_as_published(shared_data: Path, run: Run) -> None:
    result = run("eval", "retrieval", shared_data / "scifact", "--model", "minilm", "--json")
    assert result.code == 0, result.err
    (told,) = json.loads(result.out)["systems"]
    found = told["measures"]["nDCG@10"]
    assert found["mean"] == pytest.approx(0.64508, abs=1e-4)
    assert found["interval"][0] < found["mean"] - 0.03
    assert found["interval"][1] > found["mean"] + 0.03
