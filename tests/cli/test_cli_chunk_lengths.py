"""An index keeps the lengths of its passages: no later release, and no later call, cuts it anew unasked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Result

from youtu_st import Encoder
from youtu_st.corpus import Lengths, Splitter, Spool, find_files, read_passages, update_index
from youtu_st.errors import InputError
from youtu_st.index import VectorIndex, read_manifest, repair_index

Run = Callable[..., Result]

TEXT = "".join(f"Sentence number {n} says a little more of the river. " for n in range(60))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text(TEXT)
    return tmp_path


def texts(index: str) -> list[str]:
    with VectorIndex.open(index, Encoder.shared("minilm")) as opened:
        return [document.text for document in opened.get(opened.ids()) if document is not None]


def by(tokens: int, overlap: int = 0) -> list[str]:
    splitter = Splitter(Encoder.shared("minilm").reader, tokens, overlap)
    (file,) = find_files(["a.txt"]).files
    with Spool() as spool:
        read_passages(find_files([file.path]), splitter, spool)
        return [text for _, text, *_ in spool]


@pytest.mark.slow
def test_an_index_is_brought_up_to_date_as_it_was_built(run: Run, here: Path) -> None:
    out = run("index", "build", "a.txt", "--out", "idx", "--chunk-tokens", "60", "--overlap", "20").out
    assert texts("idx") == by(60, 20)
    number = len(by(60, 20))
    assert out == f"added {number}, unchanged 0, deleted 0 passages from 1 file -> idx ({number} passages)\n"
    assert read_manifest("idx").settings == {"chunk_tokens": 60, "overlap": 20}
    again = run("index", "build", "a.txt", "--out", "idx")
    assert again == Result(
        0, f"added 0, unchanged {number}, deleted 0 passages from 1 file -> idx ({number} passages)\n", ""
    )
    # What is asked for is done, and kept.
    assert run("index", "build", "a.txt", "--out", "idx", "--overlap", "0").code == 0
    assert sorted(texts("idx")) == sorted(by(60))
    assert run("index", "build", "a.txt", "--out", "idx", "--chunk-tokens", "100").code == 0
    assert (sorted(texts("idx")), read_manifest("idx").settings) == (
        sorted(by(100)),
        {"chunk_tokens": 100, "overlap": 0},
    )


def test_an_overlap_that_is_kept_may_be_too_long_for_shorter_passages(run: Run, here: Path) -> None:
    run("index", "build", "a.txt", "--out", "idx", "--chunk-tokens", "60", "--overlap", "20")
    assert run("index", "build", "a.txt", "--out", "idx", "--chunk-tokens", "20") == Result(
        2,
        "",
        "youtu-st: error: passages of 20 tokens cannot overlap by 20, as those of this index do: say an overlap "
        "that is less\n",
    )
    assert texts("idx") == by(60, 20)
    assert run("index", "build", "a.txt", "--out", "idx", "--chunk-tokens", "20", "--overlap", "5").code == 0
    assert sorted(texts("idx")) == sorted(by(20, 5))


def test_a_new_index_has_the_default(run: Run, here: Path) -> None:
    run("index", "build", "a.txt", "--out", "idx")
    assert texts("idx") == by(128) != by(254)
    assert read_manifest("idx").settings == {"chunk_tokens": 128, "overlap": 0}
    facts = json.loads(run("index", "info", "idx", "--json").out)
    assert facts["settings"] == {"chunk_tokens": 128, "overlap": 0}
    assert "settings     chunk_tokens 128, overlap 0\n" in run("index", "info", "idx").out


def test_an_index_of_an_earlier_release_stays_as_it_is(run: Run, here: Path) -> None:
    encoder = Encoder.shared("minilm")
    found = find_files(["a.txt"])
    with Spool() as spool, VectorIndex.create("idx", encoder) as index:  # as its index build did
        read_passages(found, Splitter(encoder.reader, 254), spool)
        update_index(index, encoder, found, spool)
    assert read_manifest("idx").settings == {}
    assert '"settings"' not in (here / "idx" / "manifest.json").read_text()
    number = len(by(254))
    assert "settings" not in run("index", "info", "idx").out
    again = run("index", "build", "a.txt", "--out", "idx")
    assert again == Result(
        0,
        f"added 0, unchanged {number}, deleted 0 passages from 1 file -> idx ({number} passages)\n",
        "youtu-st: note: idx was built before its settings were kept: passages of 254 tokens, the default of "
        "then; if it was another, say it with --chunk-tokens\n",
    )
    assert texts("idx") == by(254)
    assert run("index", "build", "a.txt", "--out", "idx").err == ""  # kept from now on
    assert read_manifest("idx").settings == {"chunk_tokens": 254, "overlap": 0}


def test_an_index_that_never_held_anything_is_new(run: Run, here: Path) -> None:
    VectorIndex.create("idx", Encoder.shared("minilm")).close()
    assert run("index", "build", "a.txt", "--out", "idx").err == ""
    assert texts("idx") == by(128)


def test_settings_survive_a_repair_and_a_changed_one_is_damage(run: Run, here: Path) -> None:
    run("index", "build", "a.txt", "--out", "idx", "--chunk-tokens", "60")
    assert repair_index("idx", lambda _: Encoder.shared("minilm")).encoded == 0
    assert read_manifest("idx").settings == {"chunk_tokens": 60, "overlap": 0}
    manifest = here / "idx" / "manifest.json"
    whole = manifest.read_text()
    manifest.write_text(whole.replace('"chunk_tokens": 60', '"chunk_tokens": 61'))
    assert "it is not what was written" in run("index", "info", "idx").err
    manifest.write_text(whole.replace('"chunk_tokens": 60', '"chunk_tokens": "60"'))
    assert '"settings" is ' in run("index", "info", "idx").err


def test_lengths_are_chosen() -> None:
    encoder = Encoder.shared("minilm")
    assert Lengths.choose(encoder) == Lengths(128)
    assert Lengths.choose(encoder, 254, 100) == Lengths(254, 100)
    assert Lengths.choose(encoder, kept={}) == Lengths(254)
    assert Lengths.choose(encoder, overlap=7, kept={"chunk_tokens": 9}) == Lengths(9, 7)
    assert Lengths.choose(encoder, 200, kept={"chunk_tokens": 100, "overlap": 50}) == Lengths(200, 50)
    with pytest.raises(InputError, match=r"must be from 1 to 254, .* not 300$"):
        Lengths.choose(encoder, kept={"chunk_tokens": 300})
