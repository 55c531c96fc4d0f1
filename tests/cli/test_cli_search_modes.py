"""``youtu-st index search --mode`` and ``youtu-st index upgrade``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from command import Result

from youtu_st.index import RecordedEncoder, VectorIndex, read_manifest

Run = Callable[..., Result]
QUESTION = "莱茵河 sea"


def found(result: Result) -> list[dict[str, object]]:
    assert result.code == 0, result.err
    return list(json.loads(result.out))


def test_the_modes_are_those_of_python(run: Run, here: Path) -> None:
    with VectorIndex.open("idx") as index:
        for mode in ("dense", "lexical", "hybrid"):
            expected = index.search(QUESTION, 3, mode=mode, weight=0.25)
            hits = found(
                run("index", "search", "idx", QUESTION, "-k", 3, "--mode", mode, "--weight", 0.25, "--json")
            )
            assert [(hit["id"], hit["text"]) for hit in hits] == [(hit.id, hit.text) for hit in expected]
            for hit, other in zip(hits, expected, strict=True):
                assert hit["scores"] == pytest.approx(dict(other.scores), abs=1e-5)


def test_without_a_mode_it_is_both(run: Run, here: Path) -> None:
    asked = ("index", "search", "idx", QUESTION, "--json")
    assert found(run(*asked)) == found(run(*asked, "--mode", "hybrid"))


def test_words_that_nothing_holds_find_nothing(run: Run, here: Path) -> None:
    result = run("index", "search", "idx", "xylophone", "--mode", "lexical")
    assert (result.code, result.out) == (0, "")
    assert result.err.endswith("youtu-st: note: no passage matches\n")


@pytest.mark.parametrize("columns", [0, 1, 4, 5, 6, 7, 12])
def test_however_narrow_a_terminal_is_it_shows_what_is_found(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    asked = ("index", "search", "idx", QUESTION, "--mode", "lexical", "-k", 1)
    (hit,) = found(run(*asked, "--json"))
    monkeypatch.setenv("COLUMNS", str(columns))
    result = run(*asked)
    assert (result.code, result.err) == (0, "")
    text = str(hit["text"])
    assert "".join(result.out.split("\n", 1)[1].split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mode", "hybird"], "--mode must be one of dense, lexical, hybrid, not 'hybird'; did you mean 'hybrid'?"),
        (["--weight", "2"], "--weight must be a number from 0 to 1, not 2.0"),
    ],
)  # fmt: skip
def test_slips_are_told_before_a_model_is_loaded(
    run: Run, here: Path, options: list[str], message: str
) -> None:
    result = run("index", "search", "idx", QUESTION, *options)
    assert (result.code, result.err) == (2, f"youtu-st: error: {message}\n")


def test_an_index_of_the_release_before(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    import youtu_st

    with VectorIndex.create("old", youtu_st.Encoder.shared("minilm"), lexical=False) as index:
        index.add(["The Rhine flows north.", "Bern lies on the Aare."], ["a", "b"])
    replace(index.manifest, version=2).write(Path("old"))
    (hit, _) = found(run("index", "search", "old", "Rhine", "--json"))
    assert list(hit["scores"]) == ["cosine"]  # type: ignore[call-overload]
    result = run("index", "search", "old", "Rhine", "--mode", "hybrid")
    assert result.code == 2
    assert "youtu-st index upgrade old makes" in result.err
    result = run("index", "upgrade", "old")
    assert (result.code, result.out) == (0, "old: format 2 -> 3, the words of 2 passages\n")
    assert read_manifest("old").lexical
    assert run("index", "upgrade", "old").out == "old: up to date (format 3), nothing to do\n"
    (hit,) = found(run("index", "search", "old", "Aare", "--mode", "lexical", "--json"))
    assert hit["id"] == "b"


def test_by_words_the_model_is_not_needed(run: Run, tmp_path: Path, here: Path) -> None:
    with VectorIndex.open("idx", RecordedEncoder(read_manifest("idx"))) as index:
        expected = [hit.id for hit in index.search(QUESTION, 3, mode="lexical")]
    replace(read_manifest("idx"), model=str(tmp_path / "gone")).write(moved(tmp_path))
    asked = ("index", "search", tmp_path / "idx", QUESTION, "-k", 3, "--json")
    assert [hit["id"] for hit in found(run(*asked, "--mode", "lexical"))] == expected
    assert run(*asked).code == 2  # by both, it is
    (tmp_path / "questions").write_text(f"{QUESTION}\npassport\n", encoding="utf-8")
    done = run(
        "index", "search", tmp_path / "idx", "--queries", tmp_path / "questions", "-k", 3,
        "--mode", "lexical", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    first, second = map(json.loads, done.out.splitlines())
    assert [hit["id"] for hit in first["hits"]] == expected
    assert len(second["hits"]) == 1


def moved(tmp_path: Path) -> Path:
    """A copy of the index, to be written to."""
    return Path(shutil.copytree("idx", tmp_path / "idx"))


def test_by_words_nothing_is_loaded(here: Path) -> None:
    script = (
        "import sys; from youtu_st.cli import main; "
        "code = main(['index', 'search', 'idx', 'passport', '--mode', 'lexical']); "
        "loaded = {'torch', 'transformers', 'onnxruntime', 'tokenizers'} & {*sys.modules}; "
        "sys.exit(f'{code} {loaded}' if code or loaded else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "passport.md" in done.stdout


def test_by_words_a_model_that_is_named_is_still_a_name(run: Run, here: Path) -> None:
    result = run("index", "search", "idx", "sea", "--mode", "lexical", "--model", "minilmm")
    assert result.code == 2
    assert "Did you mean 'minilm'?" in result.err


def test_by_words_and_reranked(run: Run, here: Path, tmp_path: Path) -> None:
    replace(read_manifest("idx"), model=str(tmp_path / "gone")).write(moved(tmp_path))
    result = run("index", "search", tmp_path / "idx", "sea", "--mode", "lexical", "--rerank", "no-such-one")
    assert "no-such-one" in result.err
    assert "gone" not in result.err
