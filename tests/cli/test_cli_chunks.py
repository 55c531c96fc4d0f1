"""``youtu-st eval chunks``: what it shows, what it refuses, and the figures behind the default of ``index build``."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import Result

from youtu_st import Encoder
from youtu_st.corpus import SourceDocument, Splitter

Run = Callable[..., Result]

RIVERS = "".join(
    f"River number {n} flows past town number {n}. Nobody swims in it any more. " for n in range(40)
)
FOOD = "# Bread\n\nBread is baked of flour.\n\n# Cheese\n\nCheese is made of milk, which cows give.\n"
QUESTIONS = [
    ("What is cheese made of?", ["Cheese is made of milk"], "food"),
    ("What is bread baked of?", ["Bread is baked of flour."], "food"),
    ("Past which town does river number 7 flow?", ["River number 7 flows past town number 7."], "rivers"),
    ("Which towns are past 30?", ["town number 31", "town number 32"], "rivers"),
]


def write(folder: Path, documents: dict[str, str], questions: list[tuple[str, list[str], str]]) -> Path:
    (folder / "corpora").mkdir(parents=True)
    for name, text in documents.items():
        (folder / "corpora" / f"{name}.md").write_text(text, encoding="utf-8")
    with (folder / "questions_df.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["question", "references", "corpus_id"])
        for question, contents, name in questions:
            places = [(content, documents[name].index(content)) for content in contents]
            references = [
                {"content": content, "start_index": start, "end_index": start + len(content)}
                for content, start in places
            ]
            table.writerow([question, json.dumps(references), name])
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "data", {"rivers": RIVERS, "food": FOOD}, QUESTIONS)


@pytest.mark.slow
def test_the_default_is_marked_and_looked_at_unasked(run: Run, data: Path) -> None:
    result = run("eval", "chunks", data, "--tokens", "32,128", "--overlap", "0,0.25", "--budget", "60")
    assert (result.code, result.err) == (0, "")
    head, *tables = result.out.split("\n\n")
    assert head == "minilm, 4 questions, 2 documents together"
    *tables, legend = tables
    assert legend.startswith("* the default of index build; ")
    assert [table.splitlines()[0] for table in tables] == ["the first 5 passages", "the first 60 tokens"]
    for table in tables:
        rows = [line.split() for line in table.splitlines()[3:]]
        assert [row[:2] for row in rows if row[0] == "*"] == [["*", "128"]]
        assert [row[0] for row in rows if row[0] != "*"] == ["32", "32+8", "128+32"]
    asked = run("eval", "chunks", data, "--tokens", "64", "--budget", "60")
    assert asked.out.count("\n*  128  ") == 2


@pytest.mark.slow
def test_json_has_the_values_of_every_question(run: Run, data: Path) -> None:
    found = json.loads(
        run("eval", "chunks", data, "--tokens", "32", "--plain", "--k", "1", "--budget", "40", "--json").out
    )
    assert (found["model"], len(found["questions"])) == ("minilm", 4)
    settings = [(s["tokens"], s["overlap"], s["plain"], s["default"]) for s in found["settings"]]
    assert settings == [(128, 0, False, True), (32, 0, False, False), (32, 0, True, False)]
    encoder, markdown = Encoder.shared("minilm"), found["settings"][1]
    splitter = Splitter(encoder.reader, 32)
    passages = [
        (name, passage)
        for name, text in (("food", FOOD), ("rivers", RIVERS))
        for passage in splitter.split([SourceDocument(text, f"{name}.md")])
    ]
    assert markdown["passages"] == len(passages)
    vectors = encoder.encode_document([passage.text for _, passage in passages])
    best = np.argmax(encoder.encode_query(found["questions"]) @ vectors.T, axis=1)
    by_hand = []
    for i, (_, contents, name) in zip(best, QUESTIONS, strict=True):
        text = {"food": FOOD, "rivers": RIVERS}[name]
        wanted = {n for c in contents for n in range(text.index(c), text.index(c) + len(c))}
        where, passage = passages[i]
        read = set(range(passage.start, passage.end)) if where == name else set()
        by_hand.append(len(wanted & read) / len(wanted))
    first, tokens = markdown["found"]
    assert (first["reach"], tokens["reach"]) == ("1 passage", "40 tokens")
    assert first["recall"]["values"] == pytest.approx(by_hand)
    assert first["recall"]["mean"] == pytest.approx(np.mean(by_hand))
    assert tokens["tokens_read"] == 40
    assert first["recall"]["less_default"]["verdict"] == "no difference seen"
    assert "less_default" not in found["settings"][0]["found"][0]["recall"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--tokens", "64,x"],
            "--tokens: each must be an int of at least 1, not 'x'; write them as in --tokens 64,128",
        ),
        (
            ["--tokens", "0"],
            "--tokens: each must be an int of at least 1, not '0'; write them as in --tokens 64,128",
        ),
        (
            ["--tokens", "64", "--overlap", "1"],
            "--overlap: each must be a number from 0 to less than 1, not '1'; write them as in --overlap 0,0.25",
        ),
        (
            ["--tokens", "64", "--overlap", "nan"],
            "--overlap: each must be a number from 0 to less than 1, not 'nan'; write them as in --overlap 0,0.25",
        ),
        (
            ["--tokens", "64", "--budget", "600,"],
            "--budget: each must be an int of at least 1, not ''; write them as in --budget 600,1200",
        ),
        (["--tokens", "64", "--k", "0"], "--k must be an int of at least 1, not 0"),
        (
            ["--tokens", "255"],
            "tokens of a passage must be from 1 to 254, which is what the model reads, not 255",
        ),
    ],
)
def test_mistakes_are_told_in_a_line(run: Run, data: Path, arguments: list[str], told: str) -> None:
    assert run("eval", "chunks", data, *arguments) == Result(2, "", f"youtu-st: error: {told}\n")


def test_data_that_is_none_is_told_before_a_model_is_loaded(run: Run, tmp_path: Path) -> None:
    result = run("eval", "chunks", tmp_path, "--tokens", "64", "--model", "qwen3-embedding-8b")
    assert result.code == 2
    assert result.err.startswith(
        f"youtu-st: error: {tmp_path} is no data of this kind: there is no {tmp_path}/"
    )
    assert result.err.count("\n") == 1


@pytest.mark.slow
def test_for_as_many_tokens_128_find_more_than_254(run: Run, shared_data: Path, tmp_path: Path) -> None:
    """The three shorter documents of the table in docs/files.md: 276 of the 472 questions."""
    names = ("chatlogs", "state_of_the_union", "wikitexts")
    published = shared_data / "chunking_evaluation"
    (tmp_path / "corpora").mkdir()
    for name in names:
        (tmp_path / "corpora" / f"{name}.md").symlink_to(published / "corpora" / f"{name}.md")
    with (
        (published / "questions_df.csv").open(newline="", encoding="utf-8") as read,
        (tmp_path / "questions_df.csv").open("w", newline="", encoding="utf-8") as written,
    ):
        rows = list(csv.reader(read))
        csv.writer(written).writerows([rows[0], *(row for row in rows if row[2] in names)])
    found = json.loads(run("eval", "chunks", tmp_path, "--tokens", "128,254", "--json").out)
    assert len(found["questions"]) == 276
    short, long = found["settings"]
    assert (short["default"], short["passages"], long["passages"]) == (True, 433, 199)
    recall = {
        (setting["tokens"], reach["reach"]): round(100 * reach["recall"]["mean"], 1)
        for setting in (short, long)
        for reach in setting["found"]
    }
    assert recall == pytest.approx(RECALL, abs=0.15)
    for reach in long["found"][1:]:
        assert reach["recall"]["less_default"]["verdict"] == "worse"


RECALL = {
    (128, "5 passages"): 81.3,
    (254, "5 passages"): 86.4,
    (128, "600 tokens"): 83.0,
    (254, "600 tokens"): 76.3,
    (128, "1,200 tokens"): 93.1,
    (254, "1,200 tokens"): 87.5,
}
