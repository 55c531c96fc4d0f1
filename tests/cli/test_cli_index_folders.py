"""Folders of projects: kinds of files, what git ignores, what is missing, and how far one is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docx
import pytest
from command import Result, spawn_on_a_terminal

from youtu_st.cli.console import EVERY, Spinner, status
from youtu_st.cli.progress import Progress, progress_line
from youtu_st.corpus import Step

Run = Callable[..., Result]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "src/app.py": "def renew():\n    return 'a passport'\n",
        "src/app.js": "export function visa() {\n  return 1;\n}\n",
        "docs/guide.rst": "Rivers\n======\n\nThe Rhine flows north.\n",
        "docs/page.html": "<title>Site</title><h1>Tea</h1><p>Green tea is steamed.",
        "data/facts.json": '[{"text": "Paris is the capital of France."}]',
        "build/out.md": "Made by a machine.",
        "notes.log.md": "Logged.",
        ".gitignore": "build/\n*.log.md\n",
    }.items():
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p" / name).write_text(text)
    made = docx.Document()
    made.add_heading("Chess", 1)
    made.add_paragraph("The knight moves in the shape of an L.")
    made.save(str(tmp_path / "p" / "docs" / "chess.docx"))
    return tmp_path / "p"


def places(run: Run) -> set[tuple[Any, ...]]:
    import json

    found = json.loads(run("index", "search", "idx", "anything", "-k", 50, "--json").out)
    return {
        (one["metadata"]["source"], one["metadata"].get("title"), one["metadata"].get("line"))
        for one in found
    }


ALL = {
    ("p/src/app.py", "app.renew", 1),
    ("p/src/app.js", "app.visa", 1),
    ("p/docs/guide.rst", "Rivers", 1),
    ("p/docs/page.html", "Tea", None),
    ("p/docs/chess.docx", "Chess", None),
    ("p/data/facts.json", None, 1),
}


def test_a_project_is_read_without_what_git_ignores(run: Run, project: Path) -> None:
    done = run("index", "build", "p", "--out", "idx")
    assert (
        done.err
        == "youtu-st: note: skipped 2 paths: p/build/, p/notes.log.md, by .gitignore (--no-ignore reads them)\n"
    )
    assert (done.code, done.out) == (
        0,
        "added 6, unchanged 0, deleted 0 passages from 6 files -> idx (6 passages)\n",
    )
    assert places(run) == ALL
    again = run("index", "build", "p", "--out", "idx")
    assert again.out == "added 0, unchanged 6, deleted 0 passages from 6 files -> idx (6 passages)\n"


@pytest.mark.slow
def test_what_becomes_ignored_goes_and_comes_back(run: Run, project: Path) -> None:
    assert run("index", "build", "p", "--out", "idx", "--no-ignore").out.startswith("added 8,")
    done = run("index", "build", "p", "--out", "idx", "--exclude", "*.html", "--exclude", "/data")
    assert done.out == "added 0, unchanged 4, deleted 4 passages from 4 files -> idx (4 passages)\n"
    assert "by .gitignore or --exclude\n" in done.err
    (project / "src" / ".gitignore").write_text("*\n!*.py\n")
    done = run("index", "build", "p", "--out", "idx", "--no-ignore", "--exclude", "!build")
    assert (done.out, done.err) == (
        "added 4, unchanged 4, deleted 0 passages from 8 files -> idx (8 passages)\n",
        "",
    )
    done = run("index", "build", "p", "--out", "idx")
    assert done.out == "added 0, unchanged 5, deleted 3 passages from 5 files -> idx (5 passages)\n"
    assert places(run) == ALL - {("p/src/app.js", "app.visa", 1)}
    done = run("index", "build", "p", "p/build/out.md", "--out", "idx")
    assert done.out.startswith("added 1, unchanged 5,")


def test_nothing_but_ignored_files_is_an_error_that_says_so(run: Run, project: Path) -> None:
    (project / ".gitignore").write_text("*\n")
    done = run("index", "build", "p", "--out", "idx")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(
        "youtu-st: error: no documents found in p: left out by .gitignore (--no-ignore reads them): "
    )
    assert not Path("idx").exists()
    wrong = run("index", "build", "p", "--out", "idx", "--exclude", "a\\")
    assert wrong.err == "youtu-st: error: --exclude: 'a\\\\' is no pattern as a .gitignore has them\n"
    for pattern, message in (
        ("[", "'[' is no pattern as a .gitignore has them"),
        ("!", "'!' is no pattern: it names nothing"),
        ("./src", "'./src' can match nothing: no path below a folder has the name '.' in it"),
    ):
        wrong = run("index", "build", "p", "--out", "idx", "--exclude", "*.md", "--exclude", pattern)
        assert (wrong.code, wrong.err) == (2, f"youtu-st: error: --exclude: {message}\n")


def test_a_missing_package_is_one_line_with_what_to_type(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("selectolax", "selectolax.lexbor", "tree_sitter"):
        monkeypatch.setitem(sys.modules, name, None)
    done = run("index", "build", "p/docs", "--out", "idx")
    assert done.code == 2
    assert done.err.startswith("youtu-st: error: the package 'selectolax' must be installed: pip install ")
    assert len(done.err.splitlines()) == 1
    done = run("index", "build", "p/src", "--out", "idx")
    assert done.err.startswith("youtu-st: error: the package 'tree_sitter' must be installed: pip install ")
    assert "(for p/src/app.js, and 1 more)" in done.err
    assert len(done.err.splitlines()) == 1
    done = run("index", "build", "p", "--out", "idx", "--skip-errors")
    assert (done.code, done.out) == (
        0,
        "added 3, unchanged 0, deleted 0 passages from 3 files -> idx (3 passages)\n",
    )


# -- how far one is ------------------------------------------------------------------------------------------


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


STEP = Step(files=3, all_files=10, passages=512, all_passages=None, share=0.25)


def test_a_line_says_files_passages_speed_and_time() -> None:
    assert progress_line("reading", STEP, 0.0) == "reading: 3 of 10 files, 512 passages"
    assert (
        progress_line("reading", STEP, 20.0)
        == "reading: 3 of 10 files, 512 passages, 26 passages/s, 60 s left"
    )
    encoding = Step(1, 1, 30, 1200, 30 / 1200)
    assert progress_line("encoding", encoding, 60.0) == (
        "encoding: 1 of 1 file, 30 of 1,200 passages, 0.5 passages/s, 39 min left"
    )
    assert (
        progress_line("encoding", Step(2, 2, 9, 9, 1.0), 3.0)
        == "encoding: 2 of 2 files, 9 of 9 passages, 3.0 passages/s"
    )
    assert progress_line("reading", Step(0, 2, 0, None, 0.0), 9.0) == "reading: 0 of 2 files, 0 passages"


def test_without_a_terminal_there_is_a_line_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with status("reading ...", clock=clock) as spinner:
        progress = Progress(spinner, "reading", clock)
        for second in range(1, 26):
            clock.now = float(second)
            progress(STEP)
    assert capsys.readouterr().err.splitlines() == [
        "youtu-st: progress: reading: 3 of 10 files, 512 passages, 51 passages/s, 30 s left",
        "youtu-st: progress: reading: 3 of 10 files, 512 passages, 26 passages/s, 60 s left",
    ]
    assert EVERY == 10.0


def test_a_build_reports_both_phases(run: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(Spinner, "update", lambda self, message: said.append(message))
    assert run("index", "build", "p", "--out", "idx").code == 0
    reading = [line for line in said if line.startswith("reading: ")]
    assert [line.split(",")[0] for line in reading] == [f"reading: {n} of 6 files" for n in range(1, 7)]
    assert reading[-1].startswith("reading: 6 of 6 files, 6 passages")
    encoding = [line for line in said if line.startswith("encoding: ")]
    assert encoding[-1].startswith("encoding: 6 of 6 files, 6 of 6 passages")


@pytest.mark.slow
def test_a_terminal_shows_how_far_it_is(project: Path, tmp_path: Path) -> None:
    code, shown = spawn_on_a_terminal("index", "build", "p", "--out", "idx", cwd=tmp_path)
    assert code == 0
    assert "encoding" in shown
    assert "youtu-st: progress" not in shown
