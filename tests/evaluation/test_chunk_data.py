"""Questions whose answers are places: what is read, and what every mistake is told as."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from youtu_st.errors import InputError
from youtu_st.evaluation.chunks import Document, Question, read_chunk_data

TEXT = "The Rhine flows north. 😀 It ends in the sea. The Rhine flows north."
NORTH = {"content": "The Rhine flows north.", "start_index": 0, "end_index": 22}
SEA = {"content": "It ends in the sea.", "start_index": 25, "end_index": 44}
AGAIN = {"content": "The Rhine flows north.", "start_index": 45, "end_index": 67}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes rows of question, references and corpus id; a reference is JSON unless it is a text."""

    def made(
        *rows: tuple[str, Any, str], header: str = "question,references,corpus_id", **files: bytes
    ) -> Path:
        (tmp_path / "corpora").mkdir(exist_ok=True)
        (tmp_path / "corpora" / "rivers.md").write_bytes(files.get("rivers", TEXT.encode()))
        with (tmp_path / "questions_df.csv").open("w", newline="", encoding="utf-8") as file:
            file.write(f"{header}\n")
            for question, references, corpus in rows:
                told = references if isinstance(references, str) else json.dumps(references)
                csv.writer(file).writerow([question, told, corpus])
        return tmp_path

    return made


def test_places_are_read_in_order_and_those_that_touch_as_one(write: Write) -> None:
    space = {"content": " ", "start_index": 44, "end_index": 45}
    inside = {"content": "ends", "start_index": 28, "end_index": 32}
    folder = write(
        ("Which way?", [AGAIN, NORTH], "rivers"),
        ("Where\nto?", [inside, SEA, {**AGAIN, "content": TEXT[44:67], "start_index": 44}], "rivers"),
    )
    (folder / "corpora" / "more.txt").write_text("Nobody asks.")
    (folder / "corpora" / ".hidden.md").write_text("x")
    (folder / "corpora" / "picture.png").write_bytes(b"\x89")
    data = read_chunk_data(folder)
    assert data.questions == (
        Question("Which way?", "rivers", ((0, 22), (45, 67))),
        Question("Where\nto?", "rivers", ((25, 67),)),
    )
    assert data.documents == {
        "more": Document("more", "Nobody asks.", ".txt"),
        "rivers": Document("rivers", TEXT, ".md"),
    }
    with pytest.raises(InputError, match="content must be a text, not ' '"):
        read_chunk_data(write(("Which way?", [space], "rivers")))


def test_a_line_end_is_one_character(write: Write) -> None:
    there = {"content": "b\nc", "start_index": 2, "end_index": 5}
    folder = write(("q", [there], "rivers"), rivers=b"\xef\xbb\xbfa\r\nb\r\nc\rd")
    assert read_chunk_data(folder).documents["rivers"].text == "a\nb\nc\nd"


MISTAKES: list[tuple[Any, str, str]] = [
    (
        [NORTH],
        "river",
        "there is no FOLDER/corpora/river.md; did you mean 'rivers'? corpus_id must be one of rivers",
    ),
    ("[{", "rivers", "references are not valid JSON: Expecting property name"),
    ([], "rivers", "references must be a list with at least one, not []"),
    (NORTH, "rivers", "references must be a list with at least one, not {"),
    ([NORTH, 7], "rivers", "reference 2: must be an object with content, start_index and end_index, not 7"),
    ([{**NORTH, "content": None}], "rivers", "reference 1: content must be a text, not None"),
    ([{**NORTH, "start_index": "0"}], "rivers", "reference 1: start_index must be an int, not '0'"),
    ([{**NORTH, "end_index": True}], "rivers", "reference 1: end_index must be an int, not True"),
    (
        [{**NORTH, "start_index": 22}],
        "rivers",
        "reference 1: from 22 to 22 is no place in rivers, which has 67",
    ),
    ([{**NORTH, "end_index": 68}], "rivers", "reference 1: from 0 to 68 is no place in rivers, which has 67"),
    ([{**NORTH, "start_index": -1}], "rivers", "reference 1: from -1 to 22 is no place in rivers"),
    (
        [{**SEA, "start_index": 24, "end_index": 43}],
        "rivers",
        "reference 1: rivers has ' It ends in the sea' from 24 to 43, not 'It ends in the sea.'; the content "
        "stands at 25",
    ),
    ([{**SEA, "content": "It ends."}], "rivers", "the document does not hold the content"),
]


@pytest.mark.parametrize(("references", "corpus", "told"), MISTAKES)
def test_a_mistake_is_told_with_file_and_line(write: Write, references: Any, corpus: str, told: str) -> None:
    folder = write(("Two\nlines?", [NORTH], "rivers"), ("Which way?", references, corpus))
    with pytest.raises(InputError) as caught:
        read_chunk_data(folder)
    assert str(caught.value).startswith(f"{folder}/questions_df.csv, line 4")
    assert told.replace("FOLDER", str(folder)) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tables_that_are_none(write: Write, tmp_path: Path) -> None:
    def told() -> str:
        with pytest.raises(InputError) as caught:
            read_chunk_data(tmp_path)
        return str(caught.value)

    assert told().startswith(
        f"{tmp_path} is no data of this kind: there is no {tmp_path}/questions_df.csv and no {tmp_path}/corpora; "
    )
    write()
    assert told() == f"{tmp_path}/questions_df.csv holds no question"
    write((" ", [NORTH], "rivers"))
    assert told().endswith("line 2: the question is blank")
    write(("q", [NORTH], "rivers"), ("p", [NORTH], "rivers"), ("q", [SEA], "rivers"))
    assert told().endswith("line 4: the question of line 2 again: leave one of them out")
    write(("q", [NORTH], "rivers"), header="question,answers,corpus_id")
    assert "line 1: no column references; it needs question, references, corpus_id, and has" in told()
    table = tmp_path / "questions_df.csv"
    table.write_text("question,references,corpus_id\nq,[],rivers,more\n")
    assert told() == f"{table}, line 2: 4 fields, and the header has 3"
    table.write_text('question,references,corpus_id\n"q,[],rivers\n')
    assert told().startswith(f"{table}, line 2: not valid CSV: ")
    table.write_bytes(b"question,references,corpus_id\nq\xff,[],rivers\n")
    assert told() == f"{table}, line 2: not UTF-8 at byte 31: save it as UTF-8"
    (tmp_path / "corpora" / "rivers.txt").write_text("x")
    assert "have one name, rivers: rename one of them" in told()
    (tmp_path / "corpora" / "rivers.txt").unlink()
    (tmp_path / "corpora" / "rivers.md").write_text(" \n")
    assert told() == f"{tmp_path}/corpora/rivers.md is blank: remove it, or write something into it"
    (tmp_path / "corpora" / "rivers.md").unlink()
    assert told() == f"{tmp_path}/corpora holds no .md or .txt file"


def test_the_published_data_is_where_it_says(shared_data: Path) -> None:
    data = read_chunk_data(shared_data / "chunking_evaluation")
    assert len(data.questions) == 472
    assert sum(len(question.spans) for question in data.questions) == 790
    assert {name: len(document.text) for name, document in data.documents.items()} == {
        "chatlogs": 40_000,
        "finance": 737_905,
        "pubmed": 500_000,
        "state_of_the_union": 48_051,
        "wikitexts": 118_372,
    }
