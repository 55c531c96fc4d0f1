"""Rows from public data: what is trained on, what is chosen by, and what is measured."""

from __future__ import annotations

import csv
import json
import random
import zipfile
from dataclasses import dataclass
from pathlib import Path

from youtu_st.training.data.rows import Row, Text, dump

QUESTIONS = 1280
"""Of SQuAD's, so that retrieval has about 31 steps of 64 and scored pairs 89."""
POSITIVE_FROM = 4.0
"""The score from which a pair is a positive, where there is one loss for everything."""


@dataclass(frozen=True)
class Files:
    """Training files, and the data that is measured on."""

    scifact: Path
    squad: Path
    pairs: Path
    one: Path
    chosen_by: Path
    data: Path

    @property
    def retrieval(self) -> str:
        """Those of retrieval, as the recipe takes them."""
        return f"{self.scifact},{self.squad}"


def prepare(data: Path, folder: Path) -> Files:
    """Write the training files; the same on every machine."""
    scifact, held_out = _scifact(data / "scifact")
    squad = _squad(data / "squad" / "dev-v1.1.json.zip")
    pairs = _pairs(data / "stsbenchmark" / "sts-train.csv")
    alike = [
        Row("ir", row.query, row.positives)
        for row in pairs
        if (row.positive_scores or (0,))[0] >= POSITIVE_FROM
    ]
    one = [*scifact, *squad, *alike]
    random.Random(0).shuffle(one)
    files = Files(
        *(folder / f"{name}.jsonl" for name in ("scifact", "squad", "pairs", "one", "chosen-by")), data
    )
    for path, rows in (
        (files.scifact, scifact),
        (files.squad, squad),
        (files.pairs, pairs),
        (files.one, one),
        (files.chosen_by, held_out),
    ):
        path.write_text(dump(rows), encoding="utf-8")
    return files


def corpus_of(folder: Path) -> dict[str, str]:
    """SciFact's documents, title first."""
    lines = (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    return {found["_id"]: f"{found['title']} {found['text']}" for found in map(json.loads, lines)}


def queries_of(folder: Path, part: str) -> tuple[dict[str, str], dict[str, set[str]]]:
    """SciFact's queries of one part, and the documents that answer each."""
    relevant: dict[str, set[str]] = {}
    with (folder / "qrels" / f"{part}.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if int(row["score"]) > 0:
                relevant.setdefault(row["query-id"], set()).add(row["corpus-id"])
    lines = (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    texts = {found["_id"]: found["text"] for found in map(json.loads, lines)}
    return {name: texts[name] for name in relevant}, relevant


def _scifact(folder: Path) -> tuple[list[Row], list[Row]]:
    """Nine tenths of the training queries, and the tenth that learning rate and temperature are chosen by."""
    corpus, (queries, relevant) = corpus_of(folder), queries_of(folder, "train")
    rows = [
        Row("ir", Text(text), tuple(Text(corpus[number]) for number in sorted(relevant[name])))
        for name, text in sorted(queries.items())
    ]
    random.Random(0).shuffle(rows)
    tenth = len(rows) // 10
    return rows[tenth:], rows[:tenth]


def _squad(path: Path) -> list[Row]:
    with zipfile.ZipFile(path) as archive:
        (name,) = archive.namelist()
        articles = json.loads(archive.read(name))["data"]
    rows = [
        Row("ir", Text(asked["question"]), (Text(paragraph["context"]),))
        for article in articles
        for paragraph in article["paragraphs"]
        for asked in paragraph["qas"]
    ]
    return random.Random(0).sample(rows, QUESTIONS)


def _pairs(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [Row("sts", Text(row[5]), (Text(row[6]),), positive_scores=(float(row[4]),)) for row in rows]
