"""A folder of odd files: one run, one list of what was left out and why, and all else is found."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Result

Run = Callable[..., Result]

SENTENCES = {
    "bom.txt": "Lighthouse keepers trim the lamp every evening.",
    "gb18030.txt": "",
    "utf16le.txt": "Volcanoes throw ash over the whole island.",
    "utf16be.txt": "Penguins huddle together against the antarctic wind.",
    "cp1252.txt": "The café in Düsseldorf closes at eight – “sharp”, says the waiter.",
    "cr.txt": "Beekeepers wear white suits.\rHoney is harvested in July.\r",
    "crlf.txt": "Sailors fear the doldrums.\r\nThere is no wind.\r\n",
    "mixed.txt": "Glaciers grind mountains to flour.\rRivers carry it.\r\nLakes turn turquoise.\n",
    "deep/inside/far.txt": "Opera singers warm up their voices.",
    "name with spaces.md": "# Chess\n\nThe knight moves in the shape of an L.",
    "标题.md": "# Bread\n\nSourdough needs flour, water and patience.",
    "setext.md": "Tea\n===\n\nGreen tea is steamed, black tea is oxidised.",
    "fence.md": "# Shell\n\n```\n# a comment about penicillin and moulds\n```\n",
    "only heading.md": "# Marathon runners and their shoes\n",
    "front.md": '---\ntitle: "Accordions"\n---\n\nBellows push air over metal reeds.',
    "UPPER.TXT": "Crocodiles swallow stones.",
    "quotes.csv": 'text,n\n"Tailors say ""measure twice"", and cut once.",1\n',
    "semicolon.csv": "id;text\n1;Telescopes gather the light of galaxies.\n",
    "tabs.tsv": "text\tn\nCarpenters plane oak boards.\t2\n",
    "excel.csv": ",text,,\n0,Dentists polish teeth.,,\n",
    "numbers.csv": "text,year\nSteam engines drove the mills.,1784\nDynamos came later.,\n",
    "nested.jsonl": '{"title": "Violins", "text": "Spruce and maple.", "maker": {"city": "Cremona"}}',
    "titled.jsonl": json.dumps({"title": "Astronauts", "text": "They float. " * 300}),
    "strings.jsonl": '"Foxes live in the suburbs."\n\n"Owls hunt at night."\n',
    "partly.jsonl": '{"text": "Cheese ripens in caves."}\n{"text": \n{"text": "Wine rests in barrels."}\n',
    "ragged.csv": "text,n\nPotters fire clay in a kiln.,1\nonly one\n",
}
CHINESE = "莱茵河从阿尔卑斯山流向北海，沿岸有许多古老的城堡和葡萄园，每年吸引大量游客。"

QUESTIONS = {  # what is asked, the file that answers, and what stands in the passage
    "Who trims the lamp of a lighthouse?": ("bom.txt", "Lighthouse"),
    "ash of volcanoes": ("utf16le.txt", "Volcanoes"),
    "penguins in the cold": ("utf16be.txt", "Penguins"),
    "Where is the café that closes at eight?": ("cp1252.txt", "Düsseldorf"),
    "What do beekeepers wear?": ("cr.txt", "Beekeepers wear white suits.\nHoney is harvested in July."),
    "no wind for sailors": ("crlf.txt", "doldrums.\nThere"),
    "glaciers and turquoise lakes": ("mixed.txt", "flour.\nRivers carry it.\nLakes"),
    "opera singers": ("deep/inside/far.txt", "Opera"),
    "How does the knight move in chess?": ("name with spaces.md", "# Chess"),
    "sourdough bread": ("标题.md", "# Bread"),
    "green and black tea": ("setext.md", "Tea\n==="),
    "penicillin moulds": ("fence.md", "# Shell"),
    "marathon shoes": ("only heading.md", "Marathon"),
    "How does an accordion sound?": ("front.md", "Accordions"),
    "crocodiles and stones": ("UPPER.TXT", "Crocodiles"),
    "what tailors say": ("quotes.csv", 'say "measure twice", and'),
    "telescopes and galaxies": ("semicolon.csv", "Telescopes"),
    "carpenters and oak": ("tabs.tsv", "Carpenters"),
    "dentists": ("excel.csv", "Dentists"),
    "steam engines in mills": ("numbers.csv", "Steam"),
    "Which wood are violins made of?": ("nested.jsonl", "Violins\n\nSpruce"),
    "astronauts": ("titled.jsonl", "Astronauts\n\n"),
    "foxes in towns": ("strings.jsonl", "Foxes"),
    "cheese in caves": ("partly.jsonl", "Cheese"),
    "wine in barrels": ("partly.jsonl", "Wine"),
    "clay in a kiln": ("ragged.csv", "Potters"),
    "zebra crossing": ("long.txt", "zebra crosses the road. The"),
}

LEFT_OUT = [
    "'docs/caf\\udce9.txt': no index can hold a name that is not UTF-8: rename the file",
    "docs/damaged.txt: not UTF-8 at byte 30 (0xff): say what it is with --encoding, or save it as UTF-8",
    "docs/doubled.csv, line 1: two columns of one name: n: give them different ones",
    "docs/not.pdf: not a readable PDF: ",
    "docs/notext.csv: no column 'text' or 'content'; its columns: name, age",
    "docs/open.csv, line 2: not valid CSV: unexpected end of data",
    "docs/partly.jsonl, line 2: not valid JSON: Expecting value at column 11",
    "docs/ragged.csv, line 3: 1 fields, and the header has 2",
    "docs/zeros.txt: more zeros than characters: that is no text",
]
NOTES = {
    "docs/round: left out: a link to a folder",
    "docs/circle.txt: left out: too many levels of symbolic links",
    "docs/nowhere.md: left out: a link to nowhere",
    "docs/pipe.txt: left out: it is a pipe, and must be a file",
    "docs/socket.txt: left out: it is a socket, and must be a file",
    "docs/cp1252.txt: read as Windows-1252",
    "docs/gb18030.txt: read as GB18030",
    "docs/utf16be.txt: read as UTF-16-BE",
    "docs/utf16le.txt: read as UTF-16-LE",
    "docs/excel.csv: read as numbers: column_1",
    "docs/numbers.csv: read as numbers: year",
    "docs/quotes.csv: read as numbers: n",
    "docs/ragged.csv: read as numbers: n",
    "docs/tabs.tsv: read as numbers: n",
    "docs/zero-width.txt, line 1: left out: the model reads nothing of it",
    "skipped 3 files of other kinds: docs/Makefile, docs/image.png, docs/mail.eml",
    "skipped 3 empty files: docs/blank.txt, docs/empty.txt, docs/zero-width.txt",
}


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    docs = tmp_path / "docs"
    encodings = {"bom.txt": "utf-8-sig", "utf16le.txt": "utf-16-le", "utf16be.txt": "utf-16-be"}
    encodings |= {"cp1252.txt": "cp1252", "gb18030.txt": "gb18030"}
    for name, text in {**SENTENCES, "gb18030.txt": CHINESE}.items():
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        (docs / name).write_bytes(text.encode(encodings.get(name, "utf-8")))
    (docs / "empty.txt").touch()
    (docs / "blank.txt").write_text(" \n\u3000\n\n")
    (docs / "zero-width.txt").write_text("\u200b\u200b\u200d\n")
    (docs / "long.txt").write_text("The zebra crosses the road. " * 190_000)  # 5 MB in one line
    (docs / "doubled.csv").write_text("text,n,n\nx,1,2\n")
    (docs / "notext.csv").write_text("name,age\nx,1\n")
    (docs / "open.csv").write_text('text\n"never closed\n')
    (docs / "not.pdf").write_text("no PDF")
    (docs / "damaged.txt").write_bytes("Grüße aus München, schöne ".encode() + b"\xff\xfe")
    (docs / "zeros.txt").write_bytes(b"x" + bytes(1000))
    for name in ("Makefile", "image.png", "mail.eml", ".hidden.txt"):
        (docs / name).write_text("of another kind")
    (docs / "round").symlink_to(docs, target_is_directory=True)
    (docs / "circle.txt").symlink_to("circle.txt")
    (docs / "nowhere.md").symlink_to("/nowhere")
    os.mkfifo(docs / "pipe.txt")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("docs/socket.txt")
    (docs / os.fsdecode(b"caf\xe9.txt")).write_text("A name of other days.")
    return tmp_path


def said(result: Result, kind: str) -> list[str]:
    """What follows ``youtu-st: kind: `` on standard error."""
    prefix = f"youtu-st: {kind}: "
    return [line.removeprefix(prefix) for line in result.err.splitlines() if line.startswith(prefix)]


def is_list(lines: list[str]) -> bool:
    return len(lines) == len(LEFT_OUT) and all(map(str.startswith, sorted(lines), LEFT_OUT))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "darwin", reason="the system takes UTF-8 names only")
def test_one_run_one_list_and_all_else_is_found(run: Run, odd: Path) -> None:
    stopped = run("index", "build", "docs", "--out", "idx")
    assert (stopped.code, stopped.out) == (2, "")
    assert is_list(said(stopped, "problem"))
    assert said(stopped, "error") == [
        "9 problems, and nothing was done: mend them, or go on without what is listed: --skip-errors"
    ]
    assert not (odd / "idx").exists()

    built = run("index", "build", "docs", "--out", "idx", "--skip-errors")
    assert built.code == 0
    assert is_list(said(built, "left out"))
    assert set(said(built, "note")) == NOTES
    assert said(built, "error") == said(built, "problem") == []
    (warning,) = said(built, "warning")  # minilm has few Chinese characters
    assert warning.startswith("the model's vocabulary cannot read much of 1 of ")

    for question, (name, text) in QUESTIONS.items():
        hits = json.loads(run("index", "search", "idx", question, "-k", "3", "--json").out)
        found = [hit for hit in hits if hit["metadata"]["source"] == f"docs/{name}" and text in hit["text"]]
        assert found, (question, hits)
    for condition, name in (
        ({"source": "docs/gb18030.txt"}, "莱茵河"),
        ({"maker.city": "Cremona"}, "Violins"),
        ({"year": {"$lt": 1800}}, "Steam"),
    ):
        options = ("--filter", json.dumps(condition), "--json")
        (hit,) = json.loads(run("index", "search", "idx", "anything", *options).out)
        assert name in hit["text"]

    # What is spoiled later keeps its passages; what is mended is read.
    Path("docs/long.txt").write_text("The zebra crosses the road.")
    Path("docs/bom.txt").write_bytes("Grüße aus München, schöne ".encode() + b"\xff\xfe")
    Path("docs/notext.csv").write_text("text\nPlumbers mend pipes.\n")
    after = run("index", "build", "docs", "--out", "idx", "--skip-errors")
    assert after.out.startswith("added 2, unchanged ")
    assert "1 passage of files with problems stay in the index as they were" in said(after, "note")
    hits = json.loads(run("index", "search", "idx", "Who trims the lamp?", "-k", "1", "--json").out)
    assert hits[0]["metadata"]["source"] == "docs/bom.txt"
    # Without the option nothing is touched.
    stopped = run("index", "build", "docs", "--out", "idx")
    assert stopped.code == 2
    assert len(json.loads(run("index", "search", "idx", "plumbers", "-k", "1", "--json").out)) == 1


TEXTS = "The café closes at eight.\nA red planet — Mars.\n"
READING = {  # commands that read texts, with the file in place of FILE
    "compare": ["--file", "FILE"],
    "encode": ["FILE", "--role", "document", "--out", "v.npy"],
    "index build": ["FILE", "--out", "idx"],
    "rerank": ["FILE", "--query", "q"],
    "verify": ["minilm", "--sample", "FILE"],
}


@pytest.mark.parametrize("command", READING)
def test_what_a_command_advises_it_takes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """A text that is nearly UTF-8 is not guessed at: one says what it is."""
    monkeypatch.chdir(tmp_path)
    Path("t.txt").write_bytes(TEXTS.encode() + b"\xff\xfe broken\n")
    arguments = [argument.replace("FILE", "t.txt") for argument in READING[command]]
    done = run(*command.split(), *arguments)
    assert done.code == 2
    assert "t.txt: not UTF-8 at byte 50 (0xff): say what it is with --encoding" in done.err
    again = run(*command.split(), *arguments, "--encoding", "klingon")
    assert again.err.startswith("youtu-st: error: --encoding must be the name of an encoding")
    advised = run(*command.split(), *arguments, "--encoding", "ascii")
    assert "t.txt: not ASCII at byte 7 (0xc3)" in advised.err


def test_texts_in_an_encoding_that_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text(TEXTS, encoding="utf-8")
    (tmp_path / "other.txt").write_text(TEXTS, encoding="cp1252")
    expected = run("compare", "--file", tmp_path / "one.txt")
    done = run("compare", "--file", tmp_path / "other.txt", "--encoding", "cp1252")
    assert (done.code, done.out, done.err) == (0, expected.out, expected.err)
    for command in (["compare", "a", "b"], ["verify", "minilm"]):
        done = run(*command, "--encoding", "cp1252")
        assert done.code == 2
        assert done.err.startswith("youtu-st: error: --encoding goes with --")
