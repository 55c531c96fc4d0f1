"""Readers of data sets: public ones beside a plain reading of them, and what a malformed one is told."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from youtu_st.errors import InputError
from youtu_st.evaluation.data.beir import Files, read_beir
from youtu_st.evaluation.data.classes import read_classes
from youtu_st.evaluation.data.pairs import read_pairs
from youtu_st.evaluation.data.retrieval import Document, RetrievalData
from youtu_st.evaluation.data.squad import read_squad

CORPUS = '{"_id": "a", "title": "Mars", "text": "A red planet."}\n{"_id": 2, "text": "The Rhine."}\n'
QUERIES = '{"_id": "q1", "text": "Which is red?"}\n{"_id": "q2", "text": "Which flows?"}\n'
QRELS = "query-id\tcorpus-id\tscore\nq1\ta\t2\nq1\t2\t0\n"


def folder(tmp_path: Path, corpus: str = CORPUS, queries: str = QUERIES, qrels: str = QRELS) -> Path:
    (tmp_path / "qrels").mkdir(exist_ok=True)
    for name, text in (("corpus.jsonl", corpus), ("queries.jsonl", queries), ("qrels/test.tsv", qrels)):
        (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    return tmp_path


def read(tmp_path: Path, allow_missing: bool = False, **parts: str) -> RetrievalData:
    return read_beir(Files.in_folder(folder(tmp_path, **parts)), allow_missing=allow_missing)


def test_a_folder(tmp_path: Path) -> None:
    data = read(tmp_path)
    assert data.corpus == {"a": Document("Mars", "A red planet."), "2": Document("", "The Rhine.")}
    assert [one.content for one in data.corpus.values()] == ["Mars A red planet.", "The Rhine."]
    assert data.queries == {"q1": "Which is red?"}  # the other is not judged
    assert data.qrels == {"q1": {"a": 2, "2": 0}}
    assert (data.name, data.missing, data.without_relevant) == (tmp_path.name, 0, [])


def test_the_digest_is_of_the_content_alone(tmp_path: Path) -> None:
    first = read(tmp_path)
    swapped = "".join(reversed(CORPUS.splitlines(keepends=True)))
    assert read(tmp_path, corpus=swapped).digest == first.digest
    _, *rest = QRELS.splitlines(keepends=True)
    assert read(tmp_path, qrels="".join(rest)).digest == first.digest
    others = [
        read(tmp_path, corpus=CORPUS.replace("red", "blue")),
        read(tmp_path, qrels=QRELS.replace("\t2\n", "\t1\n")),
        read(tmp_path, queries=QUERIES.replace("red", "blue")),
        read(tmp_path, corpus=CORPUS.replace('"Mars", "text": "A', '"Mars A", "text": "')),
    ]
    assert len({data.digest for data in (first, *others)}) == 5


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (
            {"corpus": CORPUS + '{"_id": "a", "text": "x"}\n'},
            "corpus.jsonl, line 3: field '_id' must be another",
        ),
        (
            {"corpus": CORPUS + '{"_id": "b", "title": "x"}\n'},
            "corpus.jsonl, line 3: field 'text' .* is missing",
        ),
        ({"corpus": CORPUS + '{"text": "x"}\n'}, "corpus.jsonl, line 3: field '_id' must be an id"),
        ({"corpus": CORPUS + '{"_id": "b", "text": "\udcff"}\n'}, "corpus.jsonl, line 3: must be UTF-8"),
        ({"corpus": ""}, "corpus.jsonl: there is no line in it"),
        ({"queries": QUERIES + '{"_id": "q1", "text": "x"}\n'}, "queries.jsonl, line 3: .* another one"),
        (
            {"queries": QUERIES + '{"_id": "q3", "text": " "}\n'},
            "queries.jsonl, line 3: field 'text' .* blank",
        ),
        ({"queries": QUERIES + "[1]\n"}, "queries.jsonl, line 3: must be a JSON object"),
        (
            {"qrels": QRELS + "q2\ta\thigh\n"},
            "test.tsv, line 4: field 'score' must be a finite number, not 'high'",
        ),
        ({"qrels": QRELS + "q2\ta\t0.5\n"}, "test.tsv, line 4: field 'score' must be a whole number"),
        (
            {"qrels": QRELS + "q2\ta\n"},
            "test.tsv, line 4: must have 3 fields: query-id, corpus-id, score, not 2",
        ),
        ({"qrels": QRELS + "q1\ta\t1\n"}, "test.tsv, line 4: .* are judged on line 2 already"),
        ({"qrels": QRELS + "q1\t\udcff\t1\n"}, "test.tsv, line 4: must be UTF-8, and byte 4 is not"),
        (
            {"qrels": QRELS + "q2\ta\t1e30\n"},
            "test.tsv, line 4: field 'score' must be a grade of at most 1,000,000, not '1e30'",
        ),
        (
            {"qrels": QRELS + f"q2\ta\t{'1' * 60_000}x\n"},  # a slow pattern took more than a minute
            "test.tsv, line 4: field 'score' must be a finite number",
        ),
        ({"corpus": CORPUS + '{"_id": "\\ud800", "text": "x"}\n'}, "corpus.jsonl, line 3: .* surrogate"),
        ({"queries": QUERIES + '{"_id": "q1\\u0000", "text": "x"}\n'}, "queries.jsonl, line 3: .* of code 0"),
        ({"qrels": "query-id\tcorpus-id\tscore\n"}, "test.tsv: there is no judgement in it"),
        (
            {"qrels": QRELS + "".join(f"q1\td{i}\t1\n" for i in range(5))},
            "judged documents that are not in .*corpus.jsonl: 5: 'd0', 'd1', 'd2' and 2 more; --allow-missing",
        ),
        (
            {"qrels": QRELS + "q9\ta\t1\n"},
            "judged queries that are not in .*queries.jsonl: 1: 'q9'; --allow-missing",
        ),
    ],
)
def test_what_is_malformed_is_told_by_file_and_line(tmp_path: Path, parts: dict[str, str], told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        read(tmp_path, **parts)
    assert "\n" not in str(caught.value)


def test_a_header_after_a_blank_line(tmp_path: Path) -> None:
    assert read(tmp_path, qrels="\n" + QRELS).qrels == {"q1": {"a": 2, "2": 0}}


def test_what_may_be_missing_is_counted(tmp_path: Path) -> None:
    qrels = QRELS + "q1\td1\t1\nq9\ta\t1\nq9\td1\t1\n"
    data = read(tmp_path, allow_missing=True, qrels=qrels)
    assert data.missing == 3
    assert data.qrels == {"q1": {"a": 2, "2": 0, "d1": 1}, "q9": {"a": 1, "d1": 1}}
    assert list(data.queries) == ["q1"]
    with pytest.raises(InputError, match="none of its queries is in"):
        read(tmp_path, allow_missing=True, qrels="q9\ta\t1\n")


def test_a_folder_that_is_none_and_a_split_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no corpus.jsonl, no queries.jsonl, no qrels"):
        Files.in_folder(tmp_path)
    with pytest.raises(InputError, match=r"dev.tsv: there is no such split; there are: test"):
        Files.in_folder(folder(tmp_path), "dev")


def test_documents_of_a_table_and_blank_ones(tmp_path: Path) -> None:
    place = folder(tmp_path)
    (tmp_path / "c.csv").write_text('_id,title,text\na,Mars,"A ""red"" planet."\n2,,\n', encoding="utf-8")
    data = read_beir(Files(tmp_path / "c.csv", place / "queries.jsonl", place / "qrels" / "test.tsv", "own"))
    assert [one.content for one in data.corpus.values()] == ['Mars A "red" planet.', ""]


def test_squad(tmp_path: Path) -> None:
    def paragraph(context: str, *questions: str) -> dict[str, object]:
        return {"context": context, "qas": [{"question": question} for question in questions]}

    content = {"data": [{"paragraphs": [paragraph(" One. ", "A?", "B?"), paragraph("One.", "B? ", "C?")]}]}
    content["data"].append({"paragraphs": [paragraph("Two.", "A?")]})
    (tmp_path / "s.json").write_text(json.dumps(content), encoding="utf-8")
    data = read_squad(tmp_path / "s.json")
    assert data.corpus == {"p0": Document("", "One."), "p1": Document("", "Two.")}
    assert data.queries == {"q0": "A?", "q1": "B?", "q2": "C?"}
    assert data.qrels == {"q0": {"p0": 1, "p1": 1}, "q1": {"p0": 1}, "q2": {"p0": 1}}
    (tmp_path / "s.json").write_text('{"data": [{"paragraphs": [{"context": " ", "qas": []}]}]}')
    with pytest.raises(
        InputError, match=r"s.json: data\[0\].paragraphs\[0\].context must be a text, not ' '"
    ):
        read_squad(tmp_path / "s.json")
    (tmp_path / "s.json").write_text("[]")
    with pytest.raises(InputError, match=r"s.json: data must be a list, as SQuAD has it, not None"):
        read_squad(tmp_path / "s.json")


def test_pairs(tmp_path: Path) -> None:
    named = tmp_path / "named.tsv"
    named.write_text("score\tsentence1\tsentence2\n4.5\tOne.\tTwo.\n0\tThree.\tFour.\n", encoding="utf-8")
    own = tmp_path / "own.csv"
    own.write_text(
        "g\tf\t2012\t1\t4.5\tOne.\tTwo.\ng\tf\t2012\t2\t0\tThree.\tFour.\ts\ts\n", encoding="utf-8"
    )
    for path in (named, own):
        data = read_pairs(path)
        assert (data.left, data.right) == (("One.", "Three."), ("Two.", "Four."))
        assert data.scores == (4.5, 0)
    assert read_pairs(named).digest == read_pairs(own).digest
    named.write_text("score\tsentence1\tsentence2\nx\tOne.\tTwo.\n", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"named.tsv, line 2: field 'score' must be a finite number, not 'x'"
    ):
        read_pairs(named)
    named.write_text("grade\tsentence1\tsentence2\n1\tOne.\tTwo.\n", encoding="utf-8")
    with pytest.raises(InputError, match="one column score or similarity .* its columns: grade, sentence1"):
        read_pairs(named)


def test_classes(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text('text,category\n"One, two.",a\nThree.,b\n', encoding="utf-8")
    data = read_classes(path)
    assert (data.texts, data.labels) == (("One, two.", "Three."), ("a", "b"))
    path.write_text("text,category\nOne.,\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"c.csv, line 2: field 'category' must be a class"):
        read_classes(path)


def test_public_data(shared_data: Path) -> None:
    for language, queries in (("en", 1185), ("zh", 1181)):
        data = read_squad(shared_data / "xquad" / f"xquad.{language}.json")
        assert (len(data.corpus), len(data.queries)) == (240, queries)
        assert all(len(judged) == 1 for judged in data.qrels.values())
    scifact = read_beir(Files.in_folder(shared_data / "scifact"))
    assert (len(scifact.corpus), len(scifact.queries)) == (5183, 300)
    assert sum(map(len, scifact.qrels.values())) == 339
    lines = (shared_data / "scifact" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    plain = {one["_id"]: one["title"] + " " + one["text"] for one in map(json.loads, lines)}
    assert {key: one.content for key, one in scifact.corpus.items()} == {
        k: v.strip() for k, v in plain.items()
    }
    assert len(read_pairs(shared_data / "stsbenchmark" / "sts-test.csv").scores) == 1379
    banking = read_classes(shared_data / "banking77" / "test.csv")
    with open(shared_data / "banking77" / "test.csv", encoding="utf-8", newline="") as file:
        assert (
            list(zip(banking.texts, banking.labels, strict=True)) == [tuple(r) for r in csv.reader(file)][1:]
        )
    assert (len(banking.texts), len({*banking.labels})) == (3080, 77)
