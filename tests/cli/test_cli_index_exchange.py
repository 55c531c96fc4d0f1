"""``youtu-st index import``, ``export``, ``list``, ``show``, ``delete``, ``merge`` and ``search --queries``."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import COMMAND, Result, spawn, spawn_on_a_terminal
from test_cli_index_stats import Sixteen, make

import youtu_st
from youtu_st.index import VectorIndex

Run = Callable[..., Result]


def documents(path: Path) -> list[Any]:
    with VectorIndex.open(path, Sixteen()) as index:
        return index.get(index.ids())


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".npy"])
def test_out_and_in_again(run: Run, here: Path, tmp_path: Path, suffix: str) -> None:
    done = run("index", "export", "idx", "--to", tmp_path / f"t{suffix}")
    beside = f", texts and ids -> {tmp_path}/t.jsonl" if suffix == ".npy" else ""
    assert (done.code, done.out, done.err) == (
        0,
        f"exported 4 passages -> {tmp_path}/t{suffix}{beside}\n",
        "",
    )
    done = run("index", "import", tmp_path / f"t{suffix}", "--out", tmp_path / "idx")
    kind = {
        ".parquet": "a Parquet table",
        ".jsonl": "a file of JSON Lines",
        ".npy": "a matrix and its texts",
    }[suffix]
    assert done.code == 0, done.err
    first, second = done.out.splitlines()
    assert first == f"imported 4 texts from {kind} -> {tmp_path}/idx"
    assert re.fullmatch(
        r"vectors   taken over: 4 texts encoded again, least cosine (1\.0000|0\.9999)\d\d, at least 0\.999 is needed",
        second,
    )
    one, other = (
        json.loads(run("index", "search", where, "renew a passport", "--json").out)
        for where in ("idx", tmp_path / "idx")
    )
    assert [hit["id"] for hit in one] == [hit["id"] for hit in other]
    assert [hit["metadata"] for hit in one] == [hit["metadata"] for hit in other]


def test_nothing_out_and_in_again(run: Run, here: Path, tmp_path: Path) -> None:
    shutil.copytree("idx", tmp_path / "old")
    assert run("index", "delete", tmp_path / "old", "--filter", "line>=0", "--yes").code == 0
    for id in [one["id"] for one in json.loads(run("index", "list", tmp_path / "old", "--json").out)]:
        assert run("index", "delete", tmp_path / "old", id, "--yes").code == 0
    assert run("index", "export", tmp_path / "old", "--to", tmp_path / "t.parquet").code == 0
    done = run("index", "import", tmp_path / "t.parquet", "--out", tmp_path / "new")
    assert (done.code, done.out) == (0, f"imported 0 texts from a Parquet table -> {tmp_path}/new\n")
    assert done.err.endswith(f"note: there are no documents in {tmp_path}/t.parquet: the index is empty\n")
    assert json.loads(run("index", "info", tmp_path / "new", "--json").out)["passages"] == 0


@pytest.mark.slow
def test_a_folder_of_langchain(run: Run, tmp_path: Path) -> None:
    community = pytest.importorskip("langchain_community.vectorstores")
    from langchain_core.embeddings import Embeddings

    encoder = youtu_st.load("minilm")

    class Ours(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return encoder.encode_document(texts).tolist()  # type: ignore[no-any-return]

        def embed_query(self, text: str) -> list[float]:
            raise NotImplementedError

    texts = [f"Number {i} flows into the sea." for i in range(30)]
    community.FAISS.from_texts(texts, Ours(), [{"n": i} for i in range(30)]).save_local(str(tmp_path / "lc"))
    done = run("index", "import", tmp_path / "lc", "--out", tmp_path / "idx", "--model", "minilm")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"imported 30 texts from a FAISS folder of LangChain -> {tmp_path}/idx\n")
    hits = json.loads(
        run("index", "search", tmp_path / "idx", texts[4], "-k", 1, "--filter", "n<5", "--json").out
    )
    assert [(hit["text"], hit["metadata"]) for hit in hits] == [(texts[4], {"n": 4})]

    community.FAISS.from_embeddings(
        list(zip(texts, np.eye(30, 384).tolist(), strict=True)), Ours()
    ).save_local(str(tmp_path / "wrong"))
    done = run("index", "import", tmp_path / "wrong", "--out", tmp_path / "no")
    assert (done.code, done.out) == (2, "")
    assert re.fullmatch(
        r"youtu-st: error: the vectors in \S+ are not those of 'minilm': of 20 texts encoded again the least cosine "
        r"is \S+ and the median \S+, and at least 0\.999 is needed; name the model that made them \(--model\), or "
        r"encode 30 texts again, which at [\d,]+ texts/s takes about \d+ seconds?: encode=True \(--encode\)\n",
        done.err,
    )
    assert not (tmp_path / "no").exists()
    done = run("index", "import", tmp_path / "wrong", "--out", tmp_path / "no", "--encode")
    assert (done.code, done.out.splitlines()[1]) == (0, "vectors   all encoded here")


def test_list_and_show(run: Run, tmp_path: Path) -> None:
    path = make(tmp_path / "idx", np.eye(12, 16))
    with VectorIndex.open(path, Sixteen()) as index:
        index.add(
            ["two\nlines \x1b[31m " + "and words " * 40],
            ["odd\x1bid"],
            [{"source": "a\x07.md", "line": 3, "lang": "zh", "__x__": 1}],
            vectors=np.ones((1, 16)),
        )
    done = run("index", "list", path, "--limit", 2)
    assert (done.code, done.out, done.err) == (0, "id-0  text 0\nid-1  text 1\n", "and 11 more (--limit)\n")
    done = run("index", "list", path, "--filter", "lang=zh")
    assert (
        done.out
        == "odd\\x1bid  a\\x07.md:3  " + ("two lines \\x1b[31m " + "and words " * 40)[:83].rstrip() + " …\n"
    )
    assert "\x1b" not in done.out
    (found,) = json.loads(run("index", "list", path, "--filter", '{"lang": "zh"}', "--json").out)
    assert found["id"] == "odd\x1bid"
    assert found["metadata"] == {"source": "a\x07.md", "line": 3, "lang": "zh"}
    done = run("index", "list", path, "--filter", "lang=de")
    assert (done.code, done.out, done.err) == (0, "", "no passage matches\n")

    done = run("index", "show", path, "odd\x1bid", "id-3", "--vector")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[:5] == [
        "id  odd\\x1bid",
        "source  a\\x07.md",
        "line  3",
        "lang  zh",
        "vector  " + " ".join(["0.25"] * 16),
    ]
    assert lines[5:7] == ["", "two"]
    assert lines[8:10] == ["", "id  id-3"]
    (shown,) = json.loads(run("index", "show", path, "id-3", "--vector", "--json").out)
    assert shown == {"id": "id-3", "text": "text 3", "metadata": {}, "vector": [0.0] * 3 + [1.0] + [0.0] * 12}
    assert "vector" not in json.loads(run("index", "show", path, "id-3", "--json").out)[0]
    done = run("index", "show", path, "id-33")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(
        f"youtu-st: error: there is no document 'id-33' in {path}: did you mean 'id-3'"
    )


def test_delete(run: Run, tmp_path: Path) -> None:
    path = make(tmp_path / "idx", np.eye(12, 16))
    with VectorIndex.open(path, Sixteen()) as index:
        index.add(["a", "b"], ["a", "b"], [{"lang": "zh"}, {"lang": "zh"}], vectors=np.ones((2, 16)))
    for arguments, message in (
        ([path], "say which passages to delete: their ids, or a filter. Examples: --filter lang=zh"),
        ([path, "id-1", "--filter", "a=b"], "say which passages to delete: their ids, or a filter. Examples"),
        ([path, "--filter", "{}"], "--filter must say which passages: {} is all of them"),
        ([path, "gone", "--yes"], f"there is no document 'gone' in {path}"),
        ([path, "id-1"], f"1 passage of {path} would be deleted, and nobody can be asked: --yes"),
        ([tmp_path / "none", "x", "--yes"], f"there is no index in {tmp_path}/none"),
    ):
        done = run("index", "delete", *arguments)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"youtu-st: error: {message}")
    assert len(documents(path)) == 14
    done = run("index", "delete", path, "--filter", "lang=zh", "--yes")
    assert (done.code, done.out, done.err) == (0, f"deleted 2 passages from {path}\n", "")
    done = run("index", "delete", path, "--filter", "lang=zh", "--yes")
    assert (done.code, done.out, done.err) == (0, "", "no passage matches\n")
    done = run("index", "delete", path, "id-3", "id-3", "id-4", "--yes")
    assert done.out == f"deleted 2 passages from {path}\n"
    assert [document.id for document in documents(path)] == [f"id-{i}" for i in range(12) if i not in (3, 4)]


def test_a_terminal_is_asked(tmp_path: Path) -> None:
    path = make(tmp_path / "idx", np.eye(3, 16))
    program = (
        "import os, pty, sys; "
        "main, second = pty.openpty(); os.write(main, sys.argv[1].encode() + b'\\n'); os.dup2(second, 0); "
        "from youtu_st.cli import main; sys.exit(main(sys.argv[2:]))"
    )

    def answered(answer: str) -> subprocess.CompletedProcess[str]:
        arguments = [sys.executable, "-c", program, answer, "index", "delete", str(path), "id-1"]
        return subprocess.run(arguments, capture_output=True, text=True)

    done = answered("n")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"Delete 1 passage of {path}? [y/N]\nyoutu-st: error: nothing was deleted\n"
    assert len(documents(path)) == 3
    done = answered("y")
    assert (done.returncode, done.stdout) == (0, f"deleted 1 passage from {path}\n")
    assert len(documents(path)) == 2


def test_merge(run: Run, tmp_path: Path) -> None:
    one = make(tmp_path / "one", np.eye(3, 16))
    two = make(tmp_path / "two", np.eye(2, 16))
    done = run("index", "merge", one, two, "--out", tmp_path / "all")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"youtu-st: error: {one} and {two} both have a document 'id-0': say which to keep, keep='first' or 'last' "
        "(--keep first|last)\n"
    )
    done = run("index", "merge", one, two, "--out", tmp_path / "all", "--keep", "first")
    assert (
        done.out
        == f"merged 3 passages of 2 indexes, 2 of ids that are there twice left out -> {tmp_path}/all\n"
    )
    assert (done.code, done.err) == (0, "")
    for arguments, message in (
        ([one, two, "--out", tmp_path / "x", "--keep", "both"], "--keep must be first or last, not 'both'"),
        ([one, "--out", tmp_path / "x"], "a merge must be of at least two indexes, each of them once"),
        ([one, two, "--out", tmp_path / "all", "--keep", "last"], f"{tmp_path}/all holds an index already"),
    ):
        done = run("index", "merge", *arguments)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"youtu-st: error: {message}")


@pytest.mark.slow
def test_no_model_is_loaded(tmp_path: Path) -> None:
    paths = [make(tmp_path / "one", np.eye(3, 16)), tmp_path / "two"]
    with VectorIndex.create(paths[1], Sixteen()) as index:
        index.add(["x"], ["x"], vectors=np.ones((1, 16)))
    code = (
        "import sys; from youtu_st.cli import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'transformers', 'chromadb', 'langchain_core'} & set(sys.modules); "
        "sys.exit(f'loaded {heavy}' if heavy else code)"
    )
    for arguments in (
        ["merge", *paths, "--out", tmp_path / "all"],
        ["list", tmp_path / "all"],
        ["show", tmp_path / "all", "id-1"],
        ["export", tmp_path / "all", "--to", tmp_path / "t.parquet"],
        ["delete", tmp_path / "all", "id-1", "--yes"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, "index", *map(str, arguments)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_many_questions(run: Run, here: Path, tmp_path: Path) -> None:
    questions = ["How do I renew a passport?", "法国的首都", "Where does the Rhine end?\x1b"]
    (tmp_path / "q.txt").write_text("\n".join([questions[0], "", *questions[1:]]) + "\n", encoding="utf-8")
    done = run("index", "search", "idx", "--queries", tmp_path / "q.txt", "-k", 2, "--json")
    assert done.code == 0, done.err
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [record["query"] for record in records] == questions
    for record in records:
        alone = json.loads(run("index", "search", "idx", record["query"], "-k", 2, "--json").out)
        assert [hit["id"] for hit in alone] == [hit["id"] for hit in record["hits"]]
        assert [hit["score"] for hit in alone] == pytest.approx(
            [hit["score"] for hit in record["hits"]], abs=1e-5
        )
        assert [hit["metadata"] for hit in alone] == [hit["metadata"] for hit in record["hits"]]
    lines = [json.dumps({"id": 7, "query": questions[0]}), json.dumps({"_id": "b", "text": questions[1]})]
    done = spawn(
        "index",
        "search",
        "idx",
        "--queries",
        "-",
        "--json",
        "--filter",
        "lang=zh",
        cwd=here,
        stdin="\n".join(lines),
    )
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [(record["id"], [hit["metadata"]["lang"] for hit in record["hits"]]) for record in records] == [
        (7, ["zh"]),
        ("b", ["zh"]),
    ]
    done = run("index", "search", "idx", "--queries", tmp_path / "q.txt", "-k", 1)
    assert done.out.splitlines()[0] == questions[0]
    assert "Where does the Rhine end?\\x1b" in done.out
    assert "\x1b" not in done.out


def test_mistakes_in_questions(run: Run, here: Path, tmp_path: Path) -> None:
    def refused(content: bytes, message: str, name: str = "q.jsonl") -> None:
        (tmp_path / name).write_bytes(content)
        done = run("index", "search", "idx", "--queries", tmp_path / name)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"youtu-st: error: {tmp_path / name}{message}")
        assert done.err.count("\n") == 1

    refused(b"\n \n", ": there are no questions in it", "q.txt")
    refused(b"\xff\xfe", ": it is not UTF-8 at byte 0", "q.txt")
    refused(b'{"query": "a"}\n{', ", line 2: it is no JSON")
    refused(b'{"query": "a", "query": "b"}', ", line 1: it cannot be read: the field 'query' is there twice")
    refused(b"[1]", ", line 1: it must be an object, not [1]")
    refused(b'{"query": " "}', ", line 1: its query must be a question, not ' '")
    refused(b'{"query": "a", "id": [1]}', ", line 1: its id must be a str or an int, not [1]")
    refused(b'{"query": "a"}\n\n{"query": "\\ud800"}', ", line 3: its question holds half a surrogate pair")
    refused("a\n\u200b\nb".encode(), ", line 2: its question is nothing to this model", "q.txt")
    for arguments, message in (
        ([], "say what to look for: a QUESTION, or a file of them with --queries"),
        (["q", "--queries", tmp_path / "q.jsonl"], "say what to look for: a QUESTION, or a file of them"),
        (["--queries", tmp_path / "none"], f"{tmp_path}/none: no such file or directory"),
        (["--queries", tmp_path / "q.txt", "--instruction", "x"], "this model takes no instructions"),
    ):
        done = run("index", "search", "idx", *arguments)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"youtu-st: error: {message}")


def test_mistakes(run: Run, here: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x")
    shutil.copytree(here / "idx", tmp_path / "idx")
    for arguments, message in (
        (
            ["import", tmp_path / "no", "--out", tmp_path / "x"],
            f"{tmp_path}/no: there is no such file or folder",
        ),
        (
            ["import", tmp_path / "t.csv", "--out", tmp_path / "x"],
            f"{tmp_path}/t.csv is none of: a FAISS folder",
        ),
        (["import", tmp_path / "t.csv", "--out", tmp_path / "idx"], f"{tmp_path}/idx holds an index already"),
        (["import", tmp_path / "idx", "--out", tmp_path / "x"], f"{tmp_path}/idx is an index already"),
        (["import", "x", "--out", "y", "--model", "minlm"], "unknown model 'minlm'"),
        (["export", "none", "--to", "x.jsonl"], "there is no index in none. Make one with"),
        (["export", "idx", "--to", "x.csv"], "the file must end in .parquet, .jsonl, .npy, not '.csv'"),
        (
            ["export", "idx", "--to", tmp_path / "a" / "x.jsonl"],
            f"{tmp_path}/a/x.jsonl: there is no directory",
        ),
        (["list", "idx", "--limit", "0"], "--limit must be an int of at least 1, not 0"),
        (["list", "none"], "there is no index in none"),
        (["show", "none", "x"], "there is no index in none"),
    ):
        done = run("index", *arguments)
        assert (done.code, done.out) == (2, ""), arguments
        assert done.err.startswith(f"youtu-st: error: {message}"), done.err
        assert done.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["idx", "t.csv"]


def test_on_a_terminal_nothing_commands_it(tmp_path: Path) -> None:
    path = make(tmp_path / "idx", np.eye(3, 16), ["\x1b]52;c;aGFja2Vk\x07", "\x9b2J", "x\u202ey"])
    for arguments in (["list", path], ["show", path, "id-0", "id-1", "id-2"]):
        code, shown = spawn_on_a_terminal("index", *arguments, cwd=tmp_path, whole=True)
        assert code == 0
        assert not {"\x1b]", "\x9b", "\u202e", "\x07"} & {
            part for part in ("\x1b]", "\x9b", "\u202e", "\x07") if part in shown
        }


@pytest.mark.slow
@pytest.mark.parametrize("command", ["build", "import", "merge", "upgrade"])
def test_two_at_once_into_one_directory(here: Path, tmp_path: Path, command: str) -> None:
    """One of them makes it; the other, if it comes in between, says in a line who was there and what to do."""
    made = tmp_path / "new"
    one, other = (make(tmp_path / name, np.eye(9, 16)) for name in ("one", "other"))
    if command == "import":
        spawn("index", "export", "idx", "--to", tmp_path / "t.jsonl", cwd=here)
    if command == "upgrade":
        with VectorIndex.create(made, Sixteen(), lexical=False) as index:
            index.add([f"text {i}" for i in range(2000)], vectors=np.ones((2000, 16)))
    commands: dict[str, list[Any]] = {
        "build": ["notes", "--out", made],
        "import": [tmp_path / "t.jsonl", "--out", made],
        "merge": [one, other, "--keep", "first", "--out", made],
        "upgrade": [made],
    }
    processes = [
        subprocess.Popen(
            [str(COMMAND), "index", command, *map(str, commands[command])],
            cwd=here,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    ended = [(*process.communicate(timeout=120), process.returncode) for process in processes]
    assert 0 in [code for *_, code in ended]
    for _, err, code in ended:
        errors = [line for line in err.splitlines() if line.startswith("youtu-st: error: ")]
        assert (code, len(errors)) in ((0, 0), (2, 1)), err
        for line in errors:
            assert str(made) in line
            assert "Errno" not in line
            assert re.search("choose another|close that one", line)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert spawn("index", "check", made, cwd=here).code == 0
