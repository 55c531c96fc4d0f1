"""BEIR's folders: ``corpus.jsonl``, ``queries.jsonl`` and the judgements of a split, ``qrels/train.tsv``."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from youtu_st.errors import InputError
from youtu_st.evaluation.data.beir import CORPUS, QUERIES, judgement, key_of, qrels_of, suits
from youtu_st.evaluation.data.files import json_record, lines, opened
from youtu_st.evaluation.data.record import Record, RecordError, place
from youtu_st.evaluation.data.retrieval import joined
from youtu_st.training.data.rows import Row
from youtu_st.training.data.tally import Tally
from youtu_st.training.data.wanted import Wanted

__all__ = ["rows", "suits"]


def rows(path: Path, wanted: Wanted, tally: Tally) -> Iterator[Row]:
    """A row for each query that is judged, in the order of the judgements.

    A score above 0 is a positive, any other a negative. A document is its title, a space and its text, or
    the one of them that is there. Memory has the ids and the places of what is judged, and no text.

    Raises:
        InputError: If a file cannot be read, there is no such split, or the task is ``sts``.
    """
    if wanted.task == "sts":
        raise InputError(f"{path}: the task 'sts' must have scores, and BEIR has judgements: use ir")
    qrels = qrels_of(path, wanted.split)
    judged = _judgements(qrels, tally)
    queries = _Texts.of(path / QUERIES, judged, tally)
    wished = {document for each in judged.values() for document in each}
    documents = _Texts.of(path / CORPUS, wished, tally)
    with opened(path / QUERIES) as asked, opened(path / CORPUS) as corpus:
        for query, judgements in judged.items():
            try:
                row = _row(
                    (qrels, query), judgements, queries.reader(asked), documents.reader(corpus), wanted, tally
                )
            except RecordError as error:
                tally.error(error)
                continue
            if row is not None:
                yield row


Judgements = dict[str, tuple[int, int]]
"""Of a query: by a document's id, the score and the line."""


def _judgements(path: Path, tally: Tally) -> dict[str, Judgements]:
    judged: dict[str, Judgements] = {}
    graded = False
    with opened(path) as file:
        for number, line in lines(file, path):
            if not line.strip():
                continue
            where = place(path, number)
            try:
                query, document, score = judgement(where, line, header=number == 1) or ("", "", 0)
            except RecordError as error:
                tally.error(error)
                continue
            if not query:
                continue
            if document in (of := judged.setdefault(query, {})):
                tally.leave_out(where, "a query and a document that are judged above")
                continue
            graded = graded or score > 1
            of[document] = score, number
    if graded:
        tally.note(f"{path}: grades above 1 are positives as 1 is: the task 'ir' knows no grades")
    return judged


@dataclass(frozen=True, slots=True)
class _Texts:
    """Where the texts of a file are, by their ids: its line's number, and the byte at which that begins."""

    path: Path
    places: dict[str, tuple[int, int]]

    @classmethod
    def of(cls, path: Path, wished: Container[str], tally: Tally) -> _Texts:
        places: dict[str, tuple[int, int]] = {}
        with opened(path) as file:
            start = 0
            for number, line in lines(file, path):
                here, start = start, file.tell()
                if not line.strip():
                    continue
                try:
                    record = json_record(path, number, line)
                    key = key_of(record)
                    if key in places:
                        record.fail("_id", "must be another one on every line, and is that of a line above")
                except RecordError as error:
                    tally.error(error)
                    continue
                if key in wished:
                    places[key] = (number, here)
        return cls(path, places)

    def reader(self, file: BinaryIO) -> _Reader:
        return _Reader(self, file)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Texts of an open file by their ids."""

    texts: _Texts
    file: BinaryIO

    def __call__(self, key: str, field: str, where: str) -> str:
        found = self.texts.places.get(key)
        if found is None:
            told = f"must be the _id of a line of {self.texts.path.name}"
            Record(0, where, {}).fail(field, told, key)
        number, start = found
        self.file.seek(start)
        line = self.file.readline()
        record = json_record(self.texts.path, number, line.removeprefix(b"\xef\xbb\xbf"))
        title, text = (record.values.get(name) for name in ("title", "text"))
        if self.texts.path.name != CORPUS or _is_absent(title):
            return record.text("text")
        if _is_absent(text):
            return record.text("title")
        return joined(record.text("title"), record.text("text"))


def _is_absent(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _row(
    judged: tuple[Path, str],
    judgements: Judgements,
    queries: _Reader,
    documents: _Reader,
    wanted: Wanted,
    tally: Tally,
) -> Row | None:
    qrels, query = judged
    first = place(qrels, min(line for _, line in judgements.values()))
    positives: list[str] = []
    negatives: list[str] = []
    text = queries(query, "query-id", first)
    for key, (score, line) in judgements.items():
        try:
            document = documents(key, "corpus-id", place(qrels, line))
        except RecordError as error:
            tally.error(error)
            continue
        (positives if score > 0 else negatives).append(document)
    if not positives:
        tally.leave_out(first, "a query without a positive")
        return None
    return wanted.row(wanted.task or "ir", text, positives, negatives)
