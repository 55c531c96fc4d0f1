"""Nothing that is shown commands a terminal: on a terminal and through pipes, whoever wrote it."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import checkpoints
import pytest
from command import COMMAND, Result, spawn_on_a_terminal
from hypothesis import given, settings
from hypothesis import strategies as st

from youtu_st.cli import main
from youtu_st.cli.console import cell, echo, plain_table, print_json, say, status, wide_console
from youtu_st.cli.findings import print_comparison, print_examination
from youtu_st.cli.hits import print_hits
from youtu_st.index import Hit
from youtu_st.verification import Comparison
from youtu_st.verification.finding import Finding
from youtu_st.verification.published import Score

Run = Callable[..., Result]

CLIPBOARD = "\x1b]52;c;aGFja2Vk\x07"
HOSTILE = f"{CLIPBOARD}\x9b2J\x85\x7f\x08\rfake\u202eevil\u2066\u2028\u2029\U000e0041[red]x[/red][link=https://e.vil]y[/link]:smile:"
STYLE = re.compile(r"\x1b\[[0-9;]*m")
ANY = st.text(
    st.characters(codec=None)
    | st.sampled_from("\n\t\r\x1b\x07\x7f\x85\x9b\u202e\u2066\u2028\ud800\U000e0041[]:/\\"),
    max_size=60,
)


def unfit(shown: str) -> set[str]:
    """What rich's own styles leave that a terminal may not be sent."""
    turning = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    return {
        character
        for character in STYLE.sub("", shown)
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(character) in turning
        or 0xE0000 <= ord(character) < 0xE0080
    } - {"\n"}


class Terminal(io.StringIO):
    """What rich takes for a terminal, and writes styles to."""

    def isatty(self) -> bool:
        return True


@contextlib.contextmanager
def shown(*, terminal: bool) -> Iterator[io.StringIO]:
    """All that is written meanwhile, to either stream."""
    stream = Terminal() if terminal else io.StringIO()
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        yield stream


def show_everything(text: str) -> None:
    """The text in every place where a command shows one."""
    say("warning", text)
    echo(text)
    hit = Hit(text, 0.5, text, {"title": text, "source": text, "line": text})
    for full in (True, False):
        print_hits([hit, Hit(text, 0.5, text, {})], record=vars, full=full, as_json=False)
    table = plain_table((text,))
    table.add_row(cell(text))
    wide_console().print(table)
    subject = SimpleNamespace(spec=None, source=text, own_modules=True)
    token = SimpleNamespace(token=text, start=0, end=1, content=True, unknown=False)
    examination: Any = SimpleNamespace(
        subject=subject,
        findings=[Finding(text, "off", text, text, text), Finding(text, "ok", text)],
        faults=[Finding(text, "off", text, text, text)],
        scores=[Score(text, 0.5, 0.4, 0.1, text)],
        samples=[SimpleNamespace(role=text, tokens=[token])],
    )
    print_examination(examination, tokens=True)
    print_comparison(Comparison((text,), (text,), (0.5,), None, (text,)), text, text)


@settings(max_examples=60, deadline=None)
@given(text=ANY | ANY.map(lambda text: HOSTILE + text))
@pytest.mark.parametrize("terminal", [True, False])
def test_any_text_is_shown_without_commands(text: str, terminal: bool) -> None:
    with shown(terminal=terminal) as stream:
        show_everything(text)
    assert unfit(stream.getvalue()) == set()


@settings(max_examples=300)
@given(st.recursive(ANY, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY, inner, max_size=3)))
def test_json_has_no_commands_and_reads_as_it_was(value: Any) -> None:
    with shown(terminal=False) as stream:
        print_json(value)
    written = stream.getvalue()
    assert unfit(written) == set()

    def joined(part: Any) -> Any:
        """Two halves of a surrogate pair are one character to JSON."""
        if isinstance(part, str):
            return part.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        if isinstance(part, dict):
            return {joined(name): joined(item) for name, item in part.items()}
        return [joined(item) for item in part]

    assert json.loads(written) == joined(value)


def test_json_keeps_what_people_can_read() -> None:
    with shown(terminal=False) as stream:
        print_json({"a": "中文 é 👩‍👩‍👧 \x7f\x9b\x1b\u202e\U000e0041"})
    assert stream.getvalue() == ('{\n  "a": "中文 é 👩‍👩‍👧 \\u007f\\u009b\\u001b\\u202e\\udb40\\udc41"\n}\n')


def test_a_spinner_shows_names_as_they_are() -> None:
    with shown(terminal=True) as stream, status(f"loading {HOSTILE} [/nothing] ...") as spinner:
        spinner.update(f"examining {HOSTILE}\nfake [bold")
    written = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]|\r", "", stream.getvalue())  # the spinner's own movements
    assert unfit(written) == set()
    assert CLIPBOARD not in stream.getvalue()


def test_markup_of_documents_is_text() -> None:
    markup = "[red]stop[/red] [link=https://e.vil]go[/link] :smile: [/nothing]"
    with shown(terminal=True) as stream:
        print_hits([Hit("1", 0.5, markup, {"title": markup})], record=vars, full=True, as_json=False)
    assert STYLE.sub("", stream.getvalue()) == f" 1  0.5000  1  {markup}\n    {markup}\n"


def test_a_name_writes_no_line_of_its_own() -> None:
    with shown(terminal=False) as stream:
        print_hits(
            [Hit("1", 0.5, "text", {"source": "a.txt\n 2  0.9999  trusted.txt", "line": 1, "title": "a\nb"})],
            record=vars,
            full=False,
            as_json=False,
        )
        echo("a\nb")
        say("note", "a\nyoutu-st: error: b")
    assert stream.getvalue() == (
        " 1  0.5000  a.txt\\n 2  0.9999  trusted.txt:1  a; b\n    text\na\\nb\n"
        "youtu-st: note: a; youtu-st: error: b\n"
    )


# -- the commands themselves ---------------------------------------------------------------------------------


def without_movements(sent: str) -> str:
    """What a terminal was sent, without line ends, and the styles and the cursor of rich's own spinner."""
    return re.sub(r"\x1b\[(\?25[lh]|[0-9;]*[mKA])|\r", "", sent)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose files' names, records and texts are hostile, and the index of it."""
    folder = tmp_path_factory.mktemp("hostile")
    notes = folder / "notes"
    notes.mkdir()
    (notes / f"a{CLIPBOARD}\u202e\nb.md").write_text(
        f"# Title {HOSTILE}\n\nThe Rhine {HOSTILE} flows north.\n"
    )
    record = {"text": f"Paris {HOSTILE}", "title": HOSTILE, "id": HOSTILE, HOSTILE: HOSTILE}
    (notes / "b.jsonl").write_text(json.dumps(record))
    done = subprocess.run(
        [str(COMMAND), "index", "build", "notes", "--out", "idx"], cwd=folder, capture_output=True, check=True
    )
    assert done.stdout == b"added 2, unchanged 0, deleted 0 passages from 2 files -> idx (2 passages)\n"
    return folder


SHOWING = [
    ["index", "search", "idx", "river"],
    ["index", "search", "idx", "river", "--full"],
    ["index", "search", "idx", "river", "--json"],
    ["index", "info", "idx"],
    ["models"],
]
MISTAKEN = [
    [HOSTILE],
    [f"--{HOSTILE}"],
    ["models", HOSTILE],
    ["index", "search", "idx", "q", "-k", HOSTILE],
    ["index", "search", HOSTILE, "q"],
    ["index", "search", "idx", "q", "--filter", HOSTILE],
    ["index", "search", "idx", "q", "--filter", json.dumps({"a": {HOSTILE: 1}})],
    ["index", "search", "idx", "q", "--filter", json.dumps({HOSTILE: [1]}, ensure_ascii=False)],
    ["index", "search", "idx", "q", "--filter", "[" * 20_000],
    ["index", "search", "idx", "q", "--filter", '{"a": ' + "[" * 20_000 + "]" * 20_000 + "}"],
    ["index", "search", "idx", "q", "--filter", '{"a": ' + "9" * 400 + "}"],
    ["index", "search", "idx", "q", "--model", HOSTILE],
    ["index", "search", "idx", "q", "--rerank", f"a/{HOSTILE}/b"],
    ["index", "build", HOSTILE, "--out", "new"],
    ["index", "build", "notes", "--out", "idx", "--factory", HOSTILE],
    ["encode", HOSTILE, "--role", "query", "--out", "v.npy"],
    ["encode", "-", "--role", HOSTILE, "--out", "v.npy"],
    ["encode", "-", "--role", "query", "--out", f"{HOSTILE}/v.npy"],
    ["rerank", "-", "--query", "q", "--model", HOSTILE],
    ["convert", HOSTILE, "--checkpoint", "x", "--out", "new"],
    ["convert", "minilm", "--checkpoint", HOSTILE, "--out", "new"],
    ["verify", HOSTILE],
    ["verify", "minilm", "--data", HOSTILE],
    ["--debug", "verify", HOSTILE],
    ["--debug", "index", "search", "idx", "q", "--filter", HOSTILE],
]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", SHOWING, ids=" ".join)
def test_results_on_a_terminal(hostile: Path, arguments: list[str]) -> None:
    code, sent = spawn_on_a_terminal(*arguments, cwd=hostile, whole=True)
    assert code == 0
    assert unfit(without_movements(sent)) == set()
    if "search" in arguments:
        assert r"\x1b]52;c;aGFja2Vk\x07" in sent.replace("\r\n", "") or "\\u001b]52;c;aGFja2Vk\\u0007" in sent


@pytest.mark.slow
@pytest.mark.parametrize("arguments", SHOWING, ids=" ".join)
def test_results_through_a_pipe(hostile: Path, arguments: list[str]) -> None:
    done = subprocess.run([str(COMMAND), *arguments], cwd=hostile, capture_output=True, check=True)
    assert unfit(done.stdout.decode()) == set()
    assert done.stderr == b""
    if "--json" in arguments:
        texts = {hit["text"] for hit in json.loads(done.stdout)}
        assert f"{' '.join(HOSTILE.split())}\n\nParis {HOSTILE}" in texts  # a title is one line
        assert {hit["metadata"].get(HOSTILE) for hit in json.loads(done.stdout)} == {HOSTILE, None}


@pytest.mark.parametrize("arguments", MISTAKEN, ids=range(len(MISTAKEN)))
def test_mistakes_are_one_line_without_commands(
    run: Run, hostile: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(hostile)
    result = run(*arguments)
    assert (result.code, result.out) == (2, "")
    *traced, line = result.err.splitlines()
    assert line.startswith("youtu-st: error: ")
    assert len(line) < 2000
    assert unfit(result.err) == set()
    assert bool(traced) == (arguments[0] == "--debug")


def test_mistakes_on_a_terminal(hostile: Path) -> None:
    for arguments in (["--debug", "verify", HOSTILE], ["index", "search", HOSTILE, "q"], [HOSTILE]):
        code, sent = spawn_on_a_terminal(*arguments, cwd=hostile, whole=True)
        assert code == 2
        assert unfit(without_movements(sent)) == set()


def test_bytes_that_are_no_text_are_shown(hostile: Path) -> None:
    name = os.fsdecode(b"caf\xe9\x9b.txt")
    code, sent = spawn_on_a_terminal(
        "encode", name, "--role", "query", "--out", "v.npy", cwd=hostile, whole=True
    )
    assert (code, sent) == (2, "youtu-st: error: caf\\udce9\\udc9b.txt: no such file or directory\r\n")


def test_a_folder_with_undecodable_names_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9\n.txt")).write_text("hello")
    result = run("index", "build", tmp_path, "--out", tmp_path / "new")
    assert result.code == 2
    assert result.err.endswith(
        "caf\\udce9\\n.txt': no index can hold a name that is not UTF-8: rename the file\n"
    )
    assert result.err.count("\n") == 1


def test_logs_and_warnings_of_libraries(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through handlers of their own, with tracebacks, and the way in which Python shows those without any."""
    import warnings

    own = logging.getLogger("a.library")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))

    def noisy() -> list[str]:
        own.warning("read %s\n%s", HOSTILE, "more")
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            own.exception("failed")
        logging.getLogger("another.library").error("%s", HOSTILE)
        warnings.warn(HOSTILE, UserWarning, stacklevel=1)
        raise ZeroDivisionError(HOSTILE)

    monkeypatch.setattr("youtu_st.spec.model.known_models", noisy)
    own.addHandler(handler)
    try:
        result = run("models")
    finally:
        own.removeHandler(handler)
    assert result.code == 1
    assert unfit(result.err) == set()
    assert unfit(stream.getvalue()) == set()
    assert stream.getvalue().splitlines()[0].startswith(r"WARNING read \x1b]52;c;")
    assert "Traceback (most recent call last):" in stream.getvalue()
    assert "youtu-st: warning: \\x1b]52" in result.err
    assert "unexpected ZeroDivisionError: \\x1b]52" in result.err
    assert type(logging.makeLogRecord({})) is logging.LogRecord  # as it was before


def test_a_spec_shows_nothing_but_text(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    checkpoints.save_spec(path, **{CLIPBOARD: 1, "pooling": CLIPBOARD})
    result = run("verify", path)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert unfit(result.err) == set()
    os.remove(path)
    os.mkfifo(path)
    result = run("verify", path)
    assert result.err == f"youtu-st: error: {path}: cannot read the spec: it is a pipe, and must be a file\n"


def test_the_doctor_shows_a_hostile_prompt_as_text(run: Run, tmp_path: Path, tiny: Path) -> None:
    import shutil

    directory = Path(shutil.copytree(tiny, tmp_path / "model"))
    config = directory / "config_sentence_transformers.json"
    content = json.loads(config.read_text())
    content["prompts"]["query"] = f"{HOSTILE}\nQuery:"
    config.write_text(json.dumps(content))
    for more in ([], ["--json"]):
        result = run("verify", directory, *more)
        assert unfit(result.out + result.err) == set()
        assert "aGFja2Vk" in result.out


def test_every_write_of_the_commands_goes_through_the_one_function() -> None:
    """Whoever adds a write finds this test: use echo, say, print_json or cell."""
    import youtu_st.cli

    allowed = {
        "console.py": {
            "print(f\"youtu-st: {printable(f'{kind}: {one_line(str(message))}')}\", file=sys.stderr, flush=True)",
            "typer.echo(printable(str(line)), err=err)",
            "typer.echo(printable(text, whole=True, escape=lambda character: json.dumps(character)[1:-1]))",
        },
        "__init__.py": {
            'print(printable("".join(traceback.format_exception(error)), whole=True), file=sys.stderr, end="")'
        },
    }
    writes = re.compile(
        r"(?<![\w.])print\(|typer\.echo\(|click\.echo|\.write\(|Text\(f?\"?\w*\{|from_markup|print_exception\("
    )
    for path in Path(youtu_st.cli.__file__).parent.glob("*.py"):
        found = {line.strip() for line in path.read_text().splitlines() if writes.search(line)}
        assert found == allowed.get(path.name, set()), path.name


def test_the_exit_code_is_kept(run: Run) -> None:
    assert main(["--version"]) == 0
    assert sys.stdout is not None
