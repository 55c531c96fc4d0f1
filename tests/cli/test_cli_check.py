"""``youtu-st index check``: what it says, and what a repair leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from youtu_st.cli import main


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "notes"
    folder.mkdir()
    for river, direction in (("Rhine", "north"), ("Danube", "east"), ("Rhone", "south")):
        (folder / f"{river}.md").write_text(f"The {river} flows {direction}.")
    assert main(["index", "build", "notes", "--out", "notes.index"]) == 0
    capsys.readouterr()
    return tmp_path


def test_a_whole_index(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "check", "notes.index"]) == 0
    assert capsys.readouterr().out == "notes.index is whole: 3 passages\n"
    assert main(["index", "check", "notes.index", "--json", "--repair"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "passages": 3,
        "with vectors": 3,
        "damage": [],
        "repaired": False,
    }
    assert sorted(entry.name for entry in notes.iterdir()) == ["notes", "notes.index"]


@pytest.mark.slow
def test_a_damaged_index_is_repaired(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (vectors,) = (notes / "notes.index").glob("vectors-*.faiss")
    content = bytearray(vectors.read_bytes())
    content[200] ^= 1
    vectors.write_bytes(content)
    assert main(["index", "search", "notes.index", "Which river flows east?", "-k", "1"]) == 2
    error = capsys.readouterr().err
    assert f"{vectors.name} is damaged" in error
    assert "youtu-st index check notes.index --repair" in error

    assert main(["index", "check", "notes.index"]) == 1
    said = capsys.readouterr()
    first, second, third = said.out.splitlines()
    assert first == "notes.index is damaged: 3 passages, 3 of them without vectors"
    assert second.startswith(f"  {vectors.name} is damaged: ")
    assert third == "  3 documents have no vectors"
    assert said.err == "youtu-st: note: youtu-st index check notes.index --repair saves what can be saved\n"

    assert main(["index", "check", "notes.index", "--repair"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[-1].startswith("repaired: 3 passages, 3 of them encoded again; the damaged index is ")
    assert (notes / "notes.index.damaged" / vectors.name).read_bytes() == bytes(content)
    assert main(["index", "check", "notes.index"]) == 0
    assert main(["index", "search", "notes.index", "Which river flows east?", "-k", "1"]) == 0
    assert "The Danube flows east." in capsys.readouterr().out


def test_no_index_is_a_mistake(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "check", "notes"]) == 2
    assert "there is no index in notes" in capsys.readouterr().err
