"""``youtu-st compare``: cosines of texts in a terminal, in colours and without."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import Result, spawn_on_a_terminal
from rich.cells import cell_len

from youtu_st import Encoder

Run = Callable[..., Result]
TEXTS = ["a red planet", "Mars", "a blue bird"]


def cosines(rows: list[str], columns: list[str], *, asked: bool = False) -> np.ndarray:
    encoder = Encoder.shared("minilm")
    first = encoder.encode_query(rows) if asked else encoder.encode_document(rows)
    return first @ encoder.encode_document(columns).T


def test_texts_with_each_other(run: Run) -> None:
    done = run("compare", *TEXTS)
    assert (done.code, done.err) == (0, "")
    numbers, *lines = done.out.splitlines()
    assert numbers.split() == ["1", "2", "3"]
    want = cosines(TEXTS, TEXTS)
    for number, (line, text) in enumerate(zip(lines, TEXTS, strict=True)):
        assert line.strip().startswith(f"{number + 1}  {text}")
        assert [float(one) for one in line.split()[-3:]] == pytest.approx(want[number], abs=0.006)
    assert len({len(line) for line in (numbers, *lines)}) == 1


def test_questions_with_texts_as_json(run: Run) -> None:
    done = run("compare", *TEXTS, "--query", "Which planet is red?", "--json")
    found = json.loads(done.out)
    assert (found["model"], found["texts"], found["queries"]) == ("minilm", TEXTS, ["Which planet is red?"])
    assert np.array(found["cosines"]) == pytest.approx(
        cosines(["Which planet is red?"], TEXTS, asked=True), abs=1e-5
    )
    assert "queries" not in json.loads(run("compare", *TEXTS, "--json").out)


def test_questions_have_rows_and_texts_columns(run: Run) -> None:
    done = run("compare", *TEXTS, "--query", "Which planet is red?", "--query", "Which bird?")
    texts, table = done.out.split("\n\n")
    assert [line.strip() for line in texts.splitlines()] == [
        f"{n}  {t}" for n, t in enumerate(TEXTS, start=1)
    ]
    numbers, *rows = table.splitlines()
    assert numbers.split() == ["1", "2", "3"]
    assert [row.split()[0] for row in rows] == ["?", "?"]


def test_texts_of_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("Mars\na blue bird\n", encoding="utf-8")
    assert run("compare", "a red planet", "--file", tmp_path / "t.txt").out == run("compare", *TEXTS).out


@pytest.mark.filterwarnings("ignore")
def test_odd_and_long_texts_stay_in_their_cells(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a text reaches the terminal as a command, and Chinese takes two cells a character."""
    monkeypatch.setenv("COLUMNS", "60")
    odd = [
        "\x1b[31mred\x07 [bold]x[/bold]\nsecond line",
        "火星是太阳系的第四颗行星，" * 9,
        "long " * 99,
        "e\u0301\u202e",
    ]
    done = run("compare", *odd)
    assert done.code == 0
    assert "[bold]x" in done.out
    assert not set("\x1b\x07\u202e") & set(done.out)
    assert {cell_len(line) for line in done.out.splitlines()} == {59}


@pytest.mark.filterwarnings("ignore")
def test_many_columns_follow_below(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    done = run("compare", *(f"text number {i}" for i in range(9)))
    parts = done.out.split("\n\n")
    assert [part.splitlines()[0].split() for part in parts] == [list("1234567"), list("89")]
    assert all(len(part.strip("\n").splitlines()) == 10 for part in parts)


@pytest.mark.slow
def test_colours_on_a_terminal(tmp_path: Path) -> None:
    code, shown = spawn_on_a_terminal(
        "compare",
        *TEXTS,
        cwd=tmp_path,
        whole=True,
        COLORTERM="truecolor",
        TERM="xterm-256color",
        HF_HUB_OFFLINE="1",
    )
    assert code == 0
    assert "48;2;8;48;107m" in shown
    _, plain = spawn_on_a_terminal(
        "compare", *TEXTS, cwd=tmp_path, whole=True, NO_COLOR="1", TERM="xterm-256color", HF_HUB_OFFLINE="1"
    )
    assert "48;" not in plain
    assert re.search(r"Mars .* 1\.00", plain)


@pytest.mark.parametrize("columns", [0, 1, 6, 12, 20, 22])
def test_however_narrow_a_terminal_is_every_cosine_is_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    done = run("compare", *TEXTS)
    assert done.code == 0
    assert len(re.findall(r"-?\d\.\d\d", done.out)) == len(TEXTS) ** 2
    assert all(len(line) <= max(columns or 80, 22) for line in done.out.splitlines())


def test_mistakes(run: Run) -> None:
    for arguments, message in (
        (["one"], "there must be at least two texts to compare, or a --query and a text"),
        ([], "there must be at least two texts to compare, or a --query and a text"),
        (["--query", "q"], "there must be at least one text to compare with --query"),
        (["a", "b", "--instruction", "x"], "--instruction goes with --query: texts are encoded without one"),
        (["a", " "], "text 1 is blank: it has nothing to encode"),
        (["a"] * 201, "201 texts are more than the 200 that one matrix shows"),
    ):
        done = run("compare", *arguments)
        assert (done.code, done.out, done.err) == (2, "", f"youtu-st: error: {message}\n")
