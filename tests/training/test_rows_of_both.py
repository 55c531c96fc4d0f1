"""Held-out rows that are trained on."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import classes, pairs, questions, write

from youtu_st.training.data.rows import Row, Text
from youtu_st.training.leaks import check_held_out
from youtu_st.training.preparing import prepare_run
from youtu_st.training.recipe import load_recipe


def told(folder: Path, trained: dict[str, list[Row]], held: list[Row]) -> list[str]:
    files = [write(folder / f"{name}.jsonl", rows) for name, rows in trained.items()]
    write(folder / "held.jsonl", held)
    changes = [
        "model=minilm",
        f"data={','.join(map(str, files))}",
        f"evaluation.data={folder / 'held.jsonl'}",
        *(f"tasks.{task}.batch_size=1" for task in ("ir", "sts", "cls")),
    ]
    found: list[str] = []
    check_held_out(prepare_run(load_recipe("codiemb", changes)), found.append)
    return found


def test_rows_that_are_measured_and_trained_on_are_counted(tmp_path: Path) -> None:
    trained = {"asked": questions(40, positives=2), "scored": pairs(40)}
    held = [*questions(6, start=100), *trained["asked"][7:10], *questions(3, start=200)]
    random.Random(0).shuffle(held)
    first = next(i for i, row in enumerate(held, 1) if row in trained["asked"])
    assert told(tmp_path, trained, held) == [
        f"3 rows of the 12 in {tmp_path / 'held.jsonl'}, which are measured, are trained on too: in 'asked', the "
        f"first is line {first}. What is measured there is too good"
    ]
    assert told(tmp_path, trained, questions(6, start=100)) == []


def test_texts_tell_and_not_what_stands_beside_them(tmp_path: Path) -> None:
    row = Row("ir", Text("who", "Find it"), (Text("me"), Text("I")), (Text("not me"),))
    others = pairs(9)
    same = [
        replace(row, query=Text("who"), positives=(Text("I"),), negatives=()),
        Row("sts", Text("me"), (Text("who"),), positive_scores=(0.0,)),
        Row("cls", Text("who", preface=""), (Text("we"), Text("me")), label="a"),
    ]
    for one in same:
        (line,) = told(tmp_path, {"asked": [row]}, [*others, one] if one.task == "sts" else [one])
        assert line.startswith("1 row of the ")
    different = [
        replace(row, positives=(Text("not me"),), negatives=()),
        Row("ir", Text("who", preface="Say: "), (Text("me"),)),
        Row("ir", Text("whom"), (Text("me"),)),
        Row("ir", Text("me"), (Text("I"),)),
    ]
    assert told(tmp_path, {"asked": [row]}, different) == []


def test_every_data_set_with_a_row_of_them_is_named(tmp_path: Path) -> None:
    trained = {"a": questions(5), "b": questions(5, start=5), "c": questions(5), "d": classes(4)}
    (line,) = told(tmp_path, trained, questions(3))
    assert ": in 'a', 'c', the first is line 1." in line


TEXT = st.sampled_from("abcdef")
ROW = st.builds(
    lambda query, positives: Row("ir", Text(query), tuple(map(Text, positives))),
    TEXT,
    st.lists(TEXT, min_size=1, max_size=3),
)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=30, deadline=None)
@given(trained=st.lists(ROW, min_size=1, max_size=8), held=st.lists(ROW, min_size=1, max_size=8))
def test_as_by_looking_at_every_row(
    trained: list[Row], held: list[Row], tmp_path_factory: pytest.TempPathFactory
) -> None:
    def of(row: Row) -> set[frozenset[str]]:
        return {frozenset((row.query.text, text.text)) for text in row.positives}

    known = set().union(*map(of, trained))
    wanted = [line for line, row in enumerate(held, 1) if of(row) & known]
    if held == trained:
        return  # which is refused
    lines = told(tmp_path_factory.mktemp("rows"), {"rows": trained}, held)
    assert len(lines) == bool(wanted)
    if wanted:
        assert lines[0].startswith(f"{len(wanted)} row")
        assert f"the first is line {wanted[0]}." in lines[0]
