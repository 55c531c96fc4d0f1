"""Running ``youtu-st`` in this process, and an index that it built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command import FACTS, PASSPORT, Result, spawn
from settled import settled

from youtu_st.cli import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """``run("index", "info", "DIR")`` in this process."""

    def call(*arguments: object) -> Result:
        capsys.readouterr()  # what the test itself has printed, such as a library's bar while it loads
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, settled(captured.err))

    return call


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``notes/`` and the index ``idx`` that the command made of it."""
    folder = tmp_path_factory.mktemp("built")
    notes = folder / "notes"
    (notes / "sub").mkdir(parents=True)
    (notes / "passport.md").write_text(PASSPORT, encoding="utf-8")
    (notes / "facts.jsonl").write_text(FACTS, encoding="utf-8")
    (notes / "sub" / "rivers.txt").write_text("The Rhine flows north.\nIt ends in the sea.\n")
    (notes / "empty.txt").touch()
    (notes / "image.png").touch()
    result = spawn("index", "build", "notes", "--out", "idx", cwd=folder)
    assert (result.code, result.out) == (
        0,
        "added 4, unchanged 0, deleted 0 passages from 3 files -> idx (4 passages)\n",
    )
    warning, *notes = result.err.splitlines()
    assert warning.startswith("youtu-st: warning: the model's vocabulary cannot read much of 1 of 4 texts")
    assert notes == [
        "youtu-st: note: skipped 1 file of other kinds: notes/image.png",
        "youtu-st: note: skipped 1 empty file: notes/empty.txt",
    ]
    return folder


@pytest.fixture
def here(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The built folder, as the current one."""
    monkeypatch.chdir(built)
    return built


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test alone, and commands that take exported models from there."""
    monkeypatch.setenv("YOUTU_ST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("YOUTU_ST_ENGINE", "onnx")
    return tmp_path / "cache"
