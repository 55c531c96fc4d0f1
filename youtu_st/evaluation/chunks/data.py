"""Questions whose answers are places in documents: a table of questions, and a folder of texts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from youtu_st.disk import open_plain
from youtu_st.errors import InputError, brief, did_you_mean, in_one_line

QUESTIONS = "questions_df.csv"
CORPORA = "corpora"
COLUMNS = ("question", "references", "corpus_id")
SUFFIXES = (".md", ".txt")
_LONGEST_CELL = 16 << 20
_MOST_NAMES = 10

Span = tuple[int, int]
"""Where a part of a text begins and ends, in characters."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text that may hold answers; its lines end in a line feed.

    Attributes:
        name: The file's name without its ending: the ``corpus_id`` of questions.
        text: The text.
        suffix: The file's ending: ``.md`` is Markdown.
    """

    name: str
    text: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and where its answer stands.

    Attributes:
        text: The question.
        document: The document's name.
        spans: The places, in order; where places of the file overlap or touch, they are one.
    """

    text: str
    document: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class ChunkData:
    """Questions, and all documents among which their answers are looked for."""

    questions: tuple[Question, ...]
    documents: Mapping[str, Document]


def read_chunk_data(folder: str | Path) -> ChunkData:
    """Read ``questions_df.csv`` and ``corpora/`` as ``chunking_evaluation`` publishes them.

    The table has the columns ``question``, ``references`` and ``corpus_id``. References are a JSON list of
    objects with ``content``, ``start_index`` and ``end_index``: characters of ``corpora/CORPUS_ID.md`` (or
    ``.txt``), whose line ends count as one character. Documents that no question names are looked at too.

    Raises:
        InputError: If something cannot be read, or a reference is not where it says: the message names the
            file, and the line where it is one's.
    """
    folder = Path(folder)
    path = folder / QUESTIONS
    missing = [str(name) for name, is_there in _needed(folder) if not is_there]
    if missing:
        raise InputError(
            f"{folder} is no data of this kind: there is no {' and no '.join(missing)}; it needs a table "
            f"{QUESTIONS} with the columns {', '.join(COLUMNS)}, and a folder {CORPORA} of .md or .txt files"
        )
    documents = {document.name: document for document in _documents(folder / CORPORA)}
    if not documents:
        raise InputError(f"{folder / CORPORA} holds no .md or .txt file")
    questions: list[Question] = []
    lines: dict[tuple[str, str], int] = {}
    for line, row in _rows(path):
        question = _question(f"{path}, line {line}", row, documents, folder)
        first = lines.setdefault((question.text, question.document), line)
        if first != line:
            raise InputError(
                f"{path}, line {line}: the question of line {first} again: leave one of them out"
            )
        questions.append(question)
    if not questions:
        raise InputError(f"{path} holds no question")
    return ChunkData(tuple(questions), documents)


def _needed(folder: Path) -> Iterator[tuple[Path, bool]]:
    yield folder / QUESTIONS, (folder / QUESTIONS).exists()
    yield folder / CORPORA, (folder / CORPORA).is_dir()


def _documents(folder: Path) -> Iterator[Document]:
    seen: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES:
            continue
        first = seen.setdefault(path.stem, path)
        if first != path:
            raise InputError(f"{path} and {first.name} have one name, {path.stem}: rename one of them")
        # As Python reads a text file: a line end is one character, whatever it is on disk.
        text = _text(path).replace("\r\n", "\n").replace("\r", "\n")
        if not text.strip():
            raise InputError(f"{path} is blank: remove it, or write something into it")
        yield Document(path.stem, text, path.suffix.lower())


def _text(path: Path) -> str:
    try:
        with open_plain(path) as file:
            content = file.read()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}: not UTF-8 at byte {error.start}: save it as UTF-8") from error


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows that are not blank, each with its first line, from 1."""
    csv.field_size_limit(_LONGEST_CELL)  # 128 KB by default, and references may be longer
    rows = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    header: list[str] | None = None
    line = 1
    try:
        for row in rows:
            if row and header is None:
                header = [cell.strip() for cell in row]
                if missing := [name for name in COLUMNS if name not in header]:
                    raise InputError(
                        f"{path}, line {line}: no column {', '.join(missing)}; it needs "
                        f"{', '.join(COLUMNS)}, and has {brief(header)}"
                    )
            elif row and header is not None:
                if len(row) != len(header):
                    raise InputError(
                        f"{path}, line {line}: {len(row)} fields, and the header has {len(header)}"
                    )
                yield line, dict(zip(header, row, strict=True))
            line = rows.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}, line {line}: not valid CSV: {error}") from error


def _question(
    where: str, row: Mapping[str, str], documents: Mapping[str, Document], folder: Path
) -> Question:
    text, name = row["question"], row["corpus_id"]
    if not text.strip():
        raise InputError(f"{where}: the question is blank")
    if name not in documents:
        known = sorted(documents)
        listed = ", ".join(known[:_MOST_NAMES]) + (", ..." if len(known) > _MOST_NAMES else "")
        raise InputError(
            f"{where}: there is no {folder / CORPORA / f'{name}.md'}; {did_you_mean(name, known)}"
            f"corpus_id must be one of {listed}"
        )
    try:
        references = json.loads(row["references"])
    except (ValueError, RecursionError) as error:
        raise InputError(in_one_line(f"{where}: references are not valid JSON", error)) from error
    if not isinstance(references, list) or not references:
        raise InputError(f"{where}: references must be a list with at least one, not {brief(references)}")
    spans = [
        _span(f"{where}, reference {number}", reference, documents[name])
        for number, reference in enumerate(references, start=1)
    ]
    return Question(text, name, _joined(spans))


def _span(where: str, reference: Any, document: Document) -> Span:
    if not isinstance(reference, dict):
        raise InputError(
            f"{where}: must be an object with content, start_index and end_index, not {brief(reference)}"
        )
    content: Any = reference.get("content")
    start: Any = reference.get("start_index")
    end: Any = reference.get("end_index")
    if not isinstance(content, str) or not content.strip():
        raise InputError(f"{where}: content must be a text, not {brief(content)}")
    for name, value in (("start_index", start), ("end_index", end)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(f"{where}: {name} must be an int, not {brief(value)}")
    if not 0 <= start < end <= len(document.text):
        raise InputError(
            f"{where}: from {start} to {end} is no place in {document.name}, which has "
            f"{len(document.text):,} characters"
        )
    if document.text[start:end] != content:
        place = document.text.find(content)
        remedy = f"the content stands at {place}" if place >= 0 else "the document does not hold the content"
        raise InputError(
            f"{where}: {document.name} has {brief(document.text[start:end][:60])} from {start} to {end}, not "
            f"{brief(content[:60])}; {remedy}"
        )
    return start, end


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    """Spans in order, and those that overlap or touch as one."""
    made: list[Span] = []
    for start, end in sorted(spans):
        if made and start <= made[-1][1]:
            made[-1] = made[-1][0], max(made[-1][1], end)
        else:
            made.append((start, end))
    return tuple(made)
