"""``youtu-st embed``: from a corpus to vectors, and on from where it was left."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checkpoints import save_spec
from command import Result, spawn
from embedded import check, check_tidy, parts, rows, stored, write_jsonl

from youtu_st import Encoder
from youtu_st.index import VectorIndex

Run = Callable[..., Result]
ROWS = rows(300)
CORPUS = ("corpus", "--id", "id", "--keep", "lang", "--keep", "year", "--keep-text", "--shard-tokens", "800")


@pytest.fixture(scope="module")
def encoder(tiny: Path) -> Encoder:
    return Encoder(str(tiny))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> tuple[Path, Result]:
    """A folder with ``corpus/`` and ``out/``, which two workers made of it. Not to be written to."""
    folder = tmp_path_factory.mktemp("embed")
    write_jsonl(folder / "corpus" / "a.jsonl", ROWS[:200])
    pq.write_table(pa.Table.from_pylist(ROWS[200:]), folder / "corpus" / "b.parquet")
    (folder / "corpus" / "notes.eml").touch()
    result = spawn("embed", *CORPUS, "--out", "out", "--model", tiny, "--workers", 2, cwd=folder)
    return folder, result


@pytest.fixture
def here(made: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, as the current one."""
    shutil.copytree(made[0], tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_a_corpus_becomes_vectors(made: tuple[Path, Result], encoder: Encoder) -> None:
    folder, result = made
    out = folder / "out"
    shards = len(parts(out))
    assert (result.code, shards > 5) == (0, True), result
    assert re.fullmatch(
        rf"300 documents, [\d,]+ tokens, [\d,]+ documents/s, 0 cut, 0 rejected; {shards} shards encoded, 0 found "
        "done -> out\n",
        result.out,
    )
    assert result.err == "youtu-st: note: skipped 1 file of other kinds: corpus/notes.eml\n"
    check(out, ROWS, encoder)
    kept = pa.concat_tables([pq.read_table(path) for path in parts(out)]).drop_columns(["vector"]).to_pylist()
    assert sorted(kept, key=lambda row: row["id"]) == sorted(ROWS, key=lambda row: row["id"])


def test_started_again_nothing_is_encoded_and_nothing_written(here: Path, run: Run, tiny: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    shards = len(parts(here / "out"))
    for line in (["out"], [*CORPUS, "--out", "out", "--model", tiny, "--workers", 2]):
        result = run("embed", *line)
        assert (result.code, result.err) == (0, "")
        assert re.fullmatch(
            rf"300 documents, [\d,]+ tokens, 0 cut, 0 rejected; 0 shards encoded, {shards} found done -> out\n",
            result.out,
        )
    assert {path: path.stat().st_mtime_ns for path in here.rglob("*")} == before


@pytest.mark.slow
def test_started_again_no_model_is_loaded_and_no_torch(here: Path, tiny: Path) -> None:
    moved = here / "model"
    shutil.copytree(tiny, moved)
    line = [*CORPUS, "--out", "new", "--model", str(moved)]
    assert spawn("embed", *line, cwd=here).code == 0
    for file in moved.glob("*.safetensors"):  # with what is left nobody could encode
        file.unlink()
    program = (
        "import sys; from youtu_st.cli import main; code = main(sys.argv[1:]); "
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr); sys.exit(code)"
    )
    for arguments in (line, ["new"], ["new", "--status"]):
        done = subprocess.run(
            [sys.executable, "-c", program, "embed", *arguments],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        )
        heavy = {"torch", "transformers", "sentence_transformers", "faiss", "tokenizers", "ray"}
        assert not heavy & set(done.stderr.split())


@pytest.mark.slow
def test_what_is_missing_is_encoded_and_nothing_else(here: Path, run: Run, encoder: Encoder) -> None:
    gone = parts(here / "out")[::3]
    kept = {path: path.stat().st_mtime_ns for path in parts(here / "out") if path not in gone}
    for path in gone:
        path.unlink()
    (here / "out" / "vectors" / ".part-00000.parquet.0123456789abcdef").write_bytes(b"half")
    result = run("embed", "out")
    assert (result.code, result.err) == (0, "")
    assert f"; {len(gone)} shards encoded, {len(kept)} found done -> out\n" in result.out
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    check(here / "out", ROWS, encoder)


@pytest.mark.slow
def test_three_processes_of_an_array_share_a_job(here: Path, tiny: Path, encoder: Encoder) -> None:
    """Started at once, where there is no job yet; each says what it did."""
    from command import COMMAND

    line = ["embed", *CORPUS, "--out", "shared", "--model", str(tiny)]
    processes = [
        subprocess.Popen(
            [str(COMMAND), *line, "--shard", f"{i}/3"],
            cwd=here,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for i in (1, 2, 3)
    ]
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    check(here / "shared", ROWS, encoder)
    encoded = [re.search(r"; (\d+) shards? encoded, 0 found done", out.decode()) for out, _ in said]
    assert all(encoded)
    assert sum(int(found[1]) for found in encoded if found) == len(parts(here / "shared"))


@pytest.mark.slow
def test_another_path_to_the_same_weights_is_no_difference(here: Path, run: Run, tiny: Path) -> None:
    shutil.copytree(tiny, here / "copy")
    parts(here / "out")[0].unlink()
    result = run("embed", *CORPUS, "--out", "out", "--model", "copy")
    assert (result.code, "; 1 shard encoded" in result.out) == (0, True), result


def test_another_job_is_told_in_a_table(here: Path, run: Run, tiny: Path) -> None:
    line = ["embed", *CORPUS, "--out", "out", "--model", tiny]
    first = (
        "youtu-st: error: out holds another job: name a new folder, or ask for what this one was begun with\n"
    )
    what = ["--role", "query", "--instruction", "Find it", "--dimensions", "8", "--dtype", "float16"]
    result = run(*line, *what)
    assert (result.code, result.out) == (2, "")
    assert result.err == first + (
        "               the job has  asked for\n"
        "  role         document     query\n"
        "  instruction  none         Find it\n"
        "  dimensions   none         8\n"
        "  dtype        float32      float16\n"
    )
    result = run("embed", "corpus", "--id", "id", "--out", "out", "--model", tiny)
    assert result.err.splitlines()[2:] == [
        "  kept columns  lang, year   none",
        "  keep text     True         False",
        "  shard tokens  800          524288",
    ]


@pytest.mark.slow
def test_another_model_is_told_in_a_table(
    here: Path, run: Run, checkpoint: Callable[[str, str], Path]
) -> None:
    """Whether a path leads to other weights is known once they are read."""
    spec = save_spec(here / "other.yaml")
    weights = checkpoint("qwen2", "bpe-bos")
    result = run("embed", *CORPUS, "--out", "out", "--model", spec, "--checkpoint", weights)
    assert (result.code, result.out) == (2, "")
    _, first, _, *table = result.err.splitlines()  # the first is of the file that is skipped
    assert first.startswith("youtu-st: error: out holds another job: name a new folder, or ")
    assert {line.split()[0] for line in table} >= {"model", "weights"}


@pytest.mark.slow
def test_an_input_that_is_another_is_refused(here: Path, run: Run, tiny: Path, encoder: Encoder) -> None:
    line = ["embed", *CORPUS, "--out", "out", "--model", tiny]
    new = rows(40, seed=2)
    write_jsonl(here / "corpus" / "c.jsonl", new)
    anew = "out was begun with another input: corpus/c.jsonl came anew; --extend plans the new files and leaves the rest"
    assert run(*line) == Result(2, "", f"youtu-st: error: {anew}\n")
    done = len(parts(here / "out"))
    result = run(*line, "--extend")
    assert result.code == 0
    assert f"{done} found done -> out\n" in result.out
    check(here / "out", ROWS + new, encoder)

    (here / "corpus" / "c.jsonl").unlink()
    gone = "out was begun with another input: corpus/c.jsonl vanished; put back what was there, or name a new folder"
    assert run(*line) == Result(2, "", f"youtu-st: error: {gone}\n")
    assert run("embed", "out").code == 0  # nothing of it is still to be read
    parts(here / "out")[-1].unlink()
    assert run("embed", "out") == Result(2, "", f"youtu-st: error: {gone}\n")

    write_jsonl(here / "corpus" / "c.jsonl", rows(40, seed=3))
    other = gone.replace("vanished", "changed")
    assert run(*line) == Result(2, "", f"youtu-st: error: {other}\n")
    assert run("embed", "out") == Result(2, "", f"youtu-st: error: {other}\n")


@pytest.mark.slow
def test_a_damaged_shard_is_kept_aside_and_encoded_again(here: Path, run: Run, encoder: Encoder) -> None:
    cut, altered = parts(here / "out")[:2]
    os.truncate(cut, cut.stat().st_size - 10)
    content = bytearray(altered.read_bytes())
    content[-200] ^= 1
    altered.write_bytes(content)
    result = run("embed", "out", "--status")
    assert result.code == 1
    assert f"damaged      {cut.name}: it is cut short\n" in result.out
    result = run("embed", "out")
    assert (result.code, "; 2 shards encoded" in result.out) == (0, True)
    first, second = result.err.splitlines()
    assert first == (
        f"youtu-st: damaged: out/vectors/{cut.name}: it is cut short; kept as out/damaged/{cut.name}.1, and encoded "
        "again"
    )
    assert second.startswith(f"youtu-st: damaged: out/vectors/{altered.name}: ")
    assert (here / "out" / "damaged" / f"{altered.name}.1").read_bytes() == bytes(content)
    check(here / "out", ROWS, encoder)


def test_status_says_how_far_a_job_is(here: Path, run: Run, tiny: Path) -> None:
    gone = parts(here / "out")[1]
    missing = pq.read_metadata(gone).num_rows
    gone.unlink()
    done = len(parts(here / "out"))
    result = run("embed", "out", "--status")
    assert (result.code, result.err) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in result.out.replace("under way", "under_way").splitlines())
    assert lines["done"] == f"{done} of {done + 1} shards"
    assert lines["documents"] == f"{300 - missing}, 0 rejected, 0 cut"
    assert lines["under_way"] == "nothing"
    assert re.fullmatch(rf"1 shard, {missing} rows: \d+ s at [\d,]+ documents/s", lines["left"])
    assert lines["vectors"] == "documents of 32 dimensions, float32"
    found = json.loads(run("embed", "out", "--status", "--json").out)
    assert (found["shards"], found["done"], found["open"]) == (done + 1, done, 1)
    assert (found["rows"], found["rows_left"], found["damaged"]) == (300 - missing, missing, {})
    assert found["model"] == str(tiny)


@pytest.mark.slow
def test_verify_encodes_rows_again(here: Path, run: Run) -> None:
    result = run("embed", "out", "--verify", "60")
    assert (result.code, result.err) == (0, "")
    found = re.fullmatch(
        r"60 rows of \d+ shards encoded again: lowest cosine 1.000000, largest difference (.*)\n", result.out
    )
    assert found
    assert float(found[1]) < 1e-6


@pytest.mark.slow
def test_bad_rows_end_the_job_or_are_listed(tmp_path: Path, run: Run, tiny: Path, encoder: Encoder) -> None:
    good = rows(50)
    long = {"id": "long", "text": "water " * 600, "lang": "en", "year": 1}
    lines: list[Any] = [
        *good[:20],
        {"id": "blank", "text": " "},
        *good[20:40],
        {"id": "none"},
        *good[40:],
        long,
    ]
    corpus = write_jsonl(tmp_path / "bad.jsonl", lines)
    line = [
        "embed",
        corpus,
        "--id",
        "id",
        "--out",
        tmp_path / "out",
        "--model",
        tiny,
        "--truncation",
        "error",
    ]
    result = run(*line)
    assert (result.code, result.out) == (2, "")
    assert f"{corpus}, row 21: " in result.err.replace(f"{corpus}: row 21", f"{corpus}, row 21")
    assert "--bad-rows skip" in result.err
    assert len(result.err.splitlines()) == 1

    result = run(*line, "--bad-rows", "skip")
    assert result.code == 1
    assert result.err == (
        f"youtu-st: rejected: 3 rows have no vector: see {tmp_path / 'out' / 'rejected.jsonl'}\n"
    )
    assert "50 documents, " in result.out
    assert ", 3 rejected; " in result.out
    listed = [json.loads(text) for text in (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()]
    assert [(row["file"], row["row"], row["id"]) for row in listed] == [
        (str(corpus), 21, "blank"),
        (str(corpus), 42, "none"),
        (str(corpus), 53, "long"),
    ]
    assert f"has {len(encoder.tokenizer(long['text'])['input_ids'])} tokens" in listed[2]["reason"]
    assert run(*line, "--bad-rows", "skip").code == 1  # done, and they are still without a vector
    (tmp_path / "out" / "rejected.jsonl").unlink()
    assert run("embed", tmp_path / "out").code == 1
    assert (tmp_path / "out" / "rejected.jsonl").exists()
    found = stored(tmp_path / "out")
    assert found.keys() == {row["id"] for row in good}
    texts = encoder.encode_document([row["text"] for row in good])
    assert np.abs(np.array([found[row["id"]] for row in good]) - texts).max() < 1e-6


@pytest.mark.slow
def test_a_text_that_is_too_long_ends_the_job_with_its_place(tmp_path: Path, run: Run, tiny: Path) -> None:
    lines = [*rows(30), {"id": "long", "text": "water " * 600}]
    corpus = write_jsonl(tmp_path / "long.jsonl", lines)
    out = tmp_path / "out"
    result = run("embed", corpus, "--id", "id", "--out", out, "--model", tiny, "--truncation", "error")
    assert (result.code, result.out) == (2, "")
    assert len(result.err.splitlines()) == 1
    assert result.err.startswith(
        f"youtu-st: error: {corpus}, row 31: has 2401 tokens with its prompt, and the "
    )
    check_tidy(out)


MISTAKES: list[tuple[list[dict[str, Any]], list[str], str]] = [
    ([{"text": "a"}], ["--text-field", "body"], "no column 'body'"),
    ([{"text": "a"}], ["--keep", "lang"], "no column 'lang'"),
    ([{"text": "a", "id": 1.5}, {"text": "b", "id": 2.5}], ["--id", "id"], "id"),
    (
        [{"text": "a", "id": "x"}, {"text": "b", "id": "y"}, {"text": "c", "id": "x"}],
        ["--id", "id"],
        "two rows with one id",
    ),
]


@pytest.mark.parametrize(("lines", "options", "said"), MISTAKES, ids=[one[2] for one in MISTAKES])
def test_what_is_wrong_with_the_input_is_said_in_a_line(
    tmp_path: Path, run: Run, tiny: Path, lines: list[dict[str, Any]], options: list[str], said: str
) -> None:
    corpus = write_jsonl(tmp_path / "c.jsonl", lines)
    out = tmp_path / "out"
    result = run("embed", corpus, *options, "--out", out, "--model", tiny)
    assert (result.code, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert said in line
    assert str(corpus) in line
    assert not out.exists() or not list(out.iterdir())  # the folder can be used for another try


def test_a_folder_of_something_else_is_left_alone(here: Path, run: Run, tiny: Path, encoder: Encoder) -> None:
    line = ["embed", "corpus", "--model", tiny, "--out"]
    with VectorIndex.create(here / "index", encoder):
        pass
    held = "youtu-st: error: {} holds {}, and no job: name a new or an empty folder\n"
    assert run(*line, "index") == Result(2, "", held.format("index", "a VectorIndex"))
    assert run(*line, "corpus") == Result(2, "", held.format("corpus", "a.jsonl and 2 more"))


@pytest.mark.slow
def test_vectors_in_half_the_size(here: Path, run: Run, tiny: Path, encoder: Encoder) -> None:
    result = run(
        "embed", *CORPUS, "--out", "half", "--model", tiny, "--dtype", "float16", "--dimensions", "8"
    )
    assert result.code == 0
    field = pq.read_schema(parts(here / "half")[0]).field("vector")
    assert field.type == pa.list_(pa.float16(), 8)
    found = stored(here / "half")
    wanted = encoder.encode_document([row["text"] for row in ROWS], dimensions=8)
    assert np.abs(np.array([found[row["id"]] for row in ROWS]) - wanted).max() <= 2**-11
    assert run("embed", "half", "--verify", "20").code == 0


@pytest.mark.slow
def test_a_byte_in_the_middle_is_found_by_verify_and_encoded_again(
    here: Path, run: Run, encoder: Encoder
) -> None:
    """The footer is whole: what goes on does not read the rest, and --verify does."""
    altered = parts(here / "out")[0]
    content = bytearray(altered.read_bytes())
    content[len(content) // 3] ^= 1
    altered.write_bytes(content)
    result = run("embed", "out", "--verify", 5)
    assert result.code == 1
    damaged, wrong = result.err.splitlines()
    assert damaged.startswith(f"youtu-st: damaged: out/vectors/{altered.name}: ")
    assert wrong == "youtu-st: wrong: 1 shard set aside: youtu-st embed out encodes them again"
    assert not altered.exists()
    assert run("embed", "out").code == 0
    assert run("embed", "out", "--verify", 5).code == 0
    check(here / "out", ROWS, encoder)


def test_a_wrong_column_is_told_before_a_model_is_loaded(here: Path, run: Run) -> None:
    (here / "empty").mkdir()  # nothing can be loaded of it
    result = run("embed", *CORPUS, "--out", "other", "--model", here / "empty", "--text-field", "nothing")
    assert (result.code, result.out) == (2, "")
    assert "nothing" in result.err.splitlines()[-1]
    assert not (here / "other").exists()
