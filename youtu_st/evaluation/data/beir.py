"""BEIR's folders: ``corpus.jsonl``, ``queries.jsonl`` and the judgements of a split, ``qrels/test.tsv``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from youtu_st.errors import InputError, brief
from youtu_st.evaluation.data.files import lines, opened, records, strictly
from youtu_st.evaluation.data.record import Record, RecordError, listed, place
from youtu_st.evaluation.data.retrieval import Document, Qrels, RetrievalData

CORPUS, QUERIES, QRELS = "corpus.jsonl", "queries.jsonl", "qrels"
FIELDS = ("query-id", "corpus-id", "score")
HIGHEST = 1_000_000
"""A grade: trec_eval, which measures, keeps a number in memory for every grade up to the highest."""
_FIRST = 3


@dataclass(frozen=True, slots=True)
class Files:
    """Where the three parts of a data set are.

    Attributes:
        corpus: ``_id``, ``title`` (if there is one) and ``text``: JSON lines, CSV, TSV or Parquet.
        queries: ``_id`` and ``text``, likewise.
        qrels: Tab separated: the ids of a query and a document, and a whole number, above 0 where the
            document is relevant. The header may be left out.
        name: What to call the data set.
    """

    corpus: Path
    queries: Path
    qrels: Path
    name: str

    @classmethod
    def in_folder(cls, folder: Path, split: str = "test") -> Files:
        """Those of a BEIR folder.

        Raises:
            InputError: If one is missing: the message names all that are.
        """
        wanted = [folder / CORPUS, folder / QUERIES, folder / QRELS]
        if absent := [path.name for path in wanted if not path.exists()]:
            raise InputError(
                f"{folder} must hold {CORPUS}, {QUERIES} and {QRELS}/{split}.tsv, and has no "
                f"{', no '.join(absent)}: name three files of your own with --corpus, --queries and --qrels"
            )
        name = folder.resolve().name
        corpus, queries, _ = wanted
        return cls(corpus, queries, qrels_of(folder, split), name if split == "test" else f"{name}-{split}")


def suits(path: Path) -> bool:
    """Whether it is plainly such a folder."""
    return (path / CORPUS).is_file() and (path / QUERIES).is_file()


def qrels_of(folder: Path, split: str) -> Path:
    """The judgements of a split.

    Raises:
        InputError: If there is no such split: the message names those that there are.
    """
    found = folder / QRELS / f"{split}.tsv"
    there = sorted(file.stem for file in (folder / QRELS).glob("*.tsv"))
    if split not in there:
        raise InputError(f"{found}: there is no such split; there are: {listed(there) or 'none'}")
    return found


def read_beir(files: Files, *, allow_missing: bool = False) -> RetrievalData:
    """A data set, all of it.

    Args:
        files: Where it is.
        allow_missing: Keep judgements of documents and queries that are not there: as documents they are
            never found, and as queries they have no results.

    Raises:
        InputError: If a file cannot be read, a line of it is malformed (the message has file and line), an id
            is there twice, or a judgement is of what is not there.
    """
    qrels = read_qrels(files.qrels)
    queries = {key: record.text("text") for key, record in _by_id(files.queries)}
    corpus = {key: _document(record) for key, record in _by_id(files.corpus)}
    unknown = [query for query in qrels if query not in queries]
    absent = [(query, key) for query, judged in qrels.items() for key in judged if key not in corpus]
    if not allow_missing:
        _check_known(files.qrels, files.queries, "queries", unknown)
        _check_known(files.qrels, files.corpus, "documents", list(dict.fromkeys(key for _, key in absent)))
    missing = len({*absent, *((query, key) for query in unknown for key in qrels[query])})
    if len(unknown) == len(qrels):
        raise InputError(f"{files.qrels}: none of its queries is in {files.queries}")
    return RetrievalData.of(files.name, corpus, queries, qrels, missing=missing)


def read_qrels(path: Path) -> Qrels:
    """The judgements of a file.

    Raises:
        InputError: If it cannot be read, has none, or a line is malformed.
    """
    judged: Qrels = {}
    seen: dict[tuple[str, str], int] = {}
    with opened(path) as file:
        for number, line in lines(file, path):
            where = place(path, number)
            found = judgement(where, line, header=not judged) if line.strip() else None
            if found is None:
                continue
            query, document, score = found
            if (first := seen.setdefault((query, document), number)) != number:
                told = f"the query {brief(query)} and the document {brief(document)} are judged"
                raise RecordError(where, f"{told} on line {first} already")
            judged.setdefault(query, {})[document] = score
    if not judged:
        raise InputError(f"{path}: there is no judgement in it")
    return judged


def judgement(where: str, line: bytes, *, header: bool) -> tuple[str, str, int] | None:
    """Query, document and score of a line; None: a header.

    Args:
        where: File and line, for messages.
        line: The line.
        header: Whether it may be one.

    Raises:
        RecordError: If it is malformed.
    """
    try:
        cells = line.decode().rstrip("\r\n").split("\t")
    except UnicodeDecodeError as error:
        raise RecordError(where, "must be UTF-8", f", and byte {error.start + 1} is not") from error
    if header and tuple(cells) == FIELDS:
        return None
    if len(cells) != len(FIELDS):
        raise RecordError(
            where, f"must have {len(FIELDS)} fields: {', '.join(FIELDS)}", f", not {len(cells)}"
        )
    record = Record(0, where, dict(zip(FIELDS, cells, strict=True)))
    score = record.number("score")
    if score != int(score):
        record.fail("score", "must be a whole number", cells[2])
    if score > HIGHEST:
        record.fail("score", f"must be a grade of at most {HIGHEST:,}", cells[2])
    return record.text("query-id"), record.text("corpus-id"), int(score)


def key_of(record: Record) -> str:
    """The id of a document or a query.

    Raises:
        RecordError: If there is none, or it holds what no file of judgements can name.
    """
    key = record.values.get("_id")
    if isinstance(key, bool) or not isinstance(key, str | int) or key == "":
        record.fail("_id", "must be an id, a text or an int", key)
    if "\0" in str(key):  # with trec_eval a text ends there
        record.fail("_id", "must be an id, and holds a character of code 0", key)
    return str(key) if isinstance(key, int) else record.text("_id", blank=True)


def _by_id(path: Path) -> Iterator[tuple[str, Record]]:
    seen: set[str] = set()
    for record in records(path, strictly):
        key = key_of(record)
        if key in seen:
            record.fail("_id", "must be another one on every line, and is that of a line above", key)
        seen.add(key)
        yield key, record
    if not seen:
        raise InputError(f"{path}: there is no line in it")


def _document(record: Record) -> Document:
    """Published corpora have documents without a text, and some without either part."""
    has_title = record.values.get("title") is not None
    title = record.text("title", blank=True) if has_title else ""
    return Document(title, record.text("text", blank=True))


def _check_known(qrels: Path, source: Path, kind: str, unknown: list[str]) -> None:
    if unknown:
        shown = ", ".join(map(brief, unknown[:_FIRST]))
        more = f" and {len(unknown) - _FIRST:,} more" if len(unknown) > _FIRST else ""
        raise InputError(
            f"{qrels}: judged {kind} that are not in {source}: {len(unknown):,}: {shown}{more}; "
            "--allow-missing counts them as not found"
        )
