"""``youtu-st data synth``: the estimate, the question, what is written, and the exit code."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import Result

Run = Callable[..., Result]
CHAT = '''
import json
from pathlib import Path

from langchain_core.language_models.chat_models import SimpleChatModel


class Scripted(SimpleChatModel):
    """Rewords questions; a bus stops it, a tram fails."""

    model_name: str = "scripted-1"

    @property
    def _llm_type(self):
        return "scripted"

    def _call(self, messages, stop=None, run_manager=None, **kwargs):
        thing = json.loads(messages[-1].content)["query"].split()[3]
        with Path("calls").open("a") as file:
            print(thing, file=file)
        if thing == "bus" and Path("stop").exists():
            raise KeyboardInterrupt
        if thing == "tram":
            raise PermissionError("the key sk-0123456789abcdef is \\x1b[31mwrong")
        return json.dumps({"texts": [f"At what time does the {thing} depart?", "Who was Napoleon?"]})


model = Scripted()


def made():
    return model


def broken():
    raise ValueError("no key")


nothing = 3
'''
WITH = ["--mode", "paraphrase", "--model", "minilm", "--out", "out.jsonl"]
ALL = [*WITH, "--chat", "chat.py:model", "--yes"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a chat model and two rows, as the current one."""
    monkeypatch.chdir(tmp_path)
    Path("chat.py").write_text(CHAT)
    write("ferry", "bus")
    return tmp_path


def write(*things: str) -> None:
    rows = [
        {"task_type": "ir", "query": f"When does the {thing} leave?", "positives": ["At noon."]}
        for thing in things
    ]
    Path("a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def calls() -> list[str]:
    return Path("calls").read_text().split() if Path("calls").exists() else []


def test_what_is_made(run: Run) -> None:
    result = run("data", "synth", "a.jsonl", *ALL, "--price-in", "2", "--price-out", "10")
    assert (result.code, result.err) == (0, "")
    estimate, *lines = result.out.splitlines()
    assert estimate.startswith("2 calls, about ")
    assert estimate.endswith(" if each is made 3 times")
    assert lines == [
        "rejected 2 texts: too far from what it should mean",
        "2 new texts for 2 of 2 rows, 2 calls -> out.jsonl",
    ]
    queries = [json.loads(line)["query"][2] for line in Path("out.jsonl").read_text().splitlines()]
    assert queries == [
        "When does the ferry leave?",
        "At what time does the ferry depart?",
        "When does the bus leave?",
        "At what time does the bus depart?",
    ]
    assert json.loads(Path("out.jsonl.synth.json").read_text())["model"] == "chat.py:model (scripted-1)"
    again = run("data", "synth", "a.jsonl", *ALL)
    assert (again.code, "out.jsonl is there already: --force writes over it" in again.err) == (2, True)
    without_a_question = [argument for argument in ALL if argument != "--yes"]
    again = run("data", "synth", "a.jsonl", *without_a_question, "--force")
    assert (again.code, again.out.splitlines()[0]) == (
        0,
        "0 calls, about 0 tokens to read and 0 to write",
    )
    assert calls() == ["ferry", "bus"]
    assert run("data", "check", "out.jsonl", "--batch-size", "4").code == 0


def test_a_dry_run_asks_nothing_and_writes_nothing(run: Run, here: Path) -> None:
    row = {"task_type": "ir", "query": "When\u009b31m \x1b[31m?", "positives": ["At noon."]}
    Path("a.jsonl").write_text(json.dumps(row))
    before = sorted(here.iterdir())
    result = run("data", "synth", "a.jsonl", *WITH, "--dry-run")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].startswith("1 call, about ")
    assert lines[1] == "the first prompt, of a.jsonl, line 1:"
    assert lines[3].startswith("system: You write training data")
    assert lines[-1] == 'user: {"query": "When\\x9b31m \\u001b[31m?"}'
    assert sorted(here.iterdir()) == before
    assert run("data", "synth", "a.jsonl", *WITH, "--dry-run", "--chat", "chat.py:made").code == 0
    assert calls() == []


class Terminal(io.StringIO):
    """Standard input with somebody at it."""

    def isatty(self) -> bool:
        return True


def test_the_question(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asking = ["data", "synth", "a.jsonl", *WITH, "--chat", "chat.py:made"]
    monkeypatch.setattr("sys.stdin", io.StringIO())
    result = run(*asking)
    assert (result.code, calls()) == (2, [])
    assert result.err == "youtu-st: error: nothing was asked: --yes goes on after the estimate\n"
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    result = run(*asking)
    assert (result.code, result.out.splitlines()[-1].strip(), calls()) == (1, "nothing was asked", [])
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert (run(*asking).code, calls()) == (0, ["ferry", "bus"])


def test_part_of_it_is_exit_code_1(run: Run) -> None:
    write("ferry", "tram")
    result = run("data", "synth", "a.jsonl", *ALL)
    assert result.code == 1
    assert result.err == (
        "youtu-st: note: a.jsonl, line 2: left as it is: PermissionError: the key *** is [31mwrong\n"
    )
    assert result.out.splitlines()[-2:] == [
        "left 1 row as it was: PermissionError",
        "1 new text for 1 of 2 rows, 4 calls -> out.jsonl",
    ]
    assert len(Path("out.jsonl").read_text().splitlines()) == 3


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(run: Run) -> None:
    Path("stop").touch()
    result = run("data", "synth", "a.jsonl", *ALL, "--limit", "2")
    assert result.code == 130
    assert result.err == (
        "youtu-st: synth: what was answered is kept in out.jsonl.synth.journal; go on with: "
        "youtu-st data synth a.jsonl --mode paraphrase --model minilm --out out.jsonl --chat chat.py:model "
        "--at-once 1 --limit 2 --yes\n"
        "youtu-st: error: interrupted\n"
    )
    assert not Path("out.jsonl").exists()
    Path("stop").unlink()
    result = run(*result.err.splitlines()[0].partition("go on with: youtu-st ")[2].split())
    assert (result.code, calls()) == (0, ["ferry", "bus", "bus"])


def test_several_at_once(run: Run) -> None:
    write("ferry", "bus", "train", "plane", "coach")
    result = run("data", "synth", "a.jsonl", *ALL, "--at-once", "3")
    assert (result.code, result.err, sorted(calls())) == (
        0,
        "",
        ["bus", "coach", "ferry", "plane", "train"],
    )
    assert result.out.splitlines()[-1] == "5 new texts for 5 of 5 rows, 5 calls -> out.jsonl"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"--chat": "chat.py"}, "--chat must be chat.py:model (an object or"),
        ({"--chat": "chat.py:"}, "--chat must be chat.py:model (an object or"),
        ({"--chat": "none.py:model"}, "--chat none.py: there is no such file"),
        ({"--chat": "chat.py:modle"}, "there is no 'modle' in it: did you mean 'model'?"),
        ({"--chat": "chat.py:nothing"}, "it must be a chat model with a method 'invoke', and is a int"),
        ({"--chat": "chat.py:broken"}, "calling it fails: ValueError: no key"),
        ({"--chat": "bad.py:model"}, "--chat bad.py: running it fails: ZeroDivisionError"),
        ({"--chat": "os.path:none"}, "--chat os.path: there is no 'none' in it"),
        ({"--mode": "paraphrse"}, "unknown mode 'paraphrse': did you mean 'paraphrase'?"),
        ({"--model": "minilmm"}, "unknown model 'minilmm'"),
        ({"--out": "no/out.jsonl"}, "there is no directory"),
        ({"--out": "a.jsonl"}, "a.jsonl is the file that is read"),
        ({"--at-once": "0"}, "--at-once must be an int of at least 1, not 0"),
        ({"--limit": "0"}, "--limit must be an int of at least 1, not 0"),
        ({"--price-in": "-1"}, "--price-in must be a number of at least 0, not -1.0"),
        ({"--price-out": "nan"}, "--price-out must be a number of at least 0, not nan"),
    ],
)
def test_mistakes(run: Run, changed: dict[str, str], told: str) -> None:
    Path("bad.py").write_text("1 / 0")
    options = dict(zip(ALL[:-1:2], ALL[1::2], strict=True)) | changed
    result = run("data", "synth", "a.jsonl", *(word for pair in options.items() for word in pair), "--yes")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), result.err
    assert told in result.err
    assert calls() == []


def test_no_chat_model_and_no_rows(run: Run) -> None:
    result = run("data", "synth", "a.jsonl", *WITH)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "--chat must name the chat model" in result.err
    result = run("data", "synth", "none.jsonl", *ALL)
    assert (result.code, result.err) == (2, "youtu-st: error: none.jsonl: no such file or directory\n")
    Path("a.jsonl").write_text("{")
    result = run("data", "synth", "a.jsonl", *ALL)
    assert (result.code, "a.jsonl, line 1: not valid JSON" in result.err) == (2, True)
    assert calls() == []


@pytest.mark.skipif(importlib.util.find_spec("langchain") is not None, reason="LangChain itself is installed")
def test_a_provider_needs_langchain(run: Run) -> None:
    for named in ("openai:gpt-none", "no-such:model"):
        result = run("data", "synth", "a.jsonl", *WITH, "--chat", named, "--yes")
        assert (result.code, result.out) == (2, "")
        assert "the package 'langchain' must be installed: pip install langchain" in result.err


def test_a_module_that_python_finds(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any
) -> None:
    folder = tmp_path_factory.mktemp("installed")
    (folder / "our_chat_models").mkdir()
    (folder / "our_chat_models" / "scripted.py").write_text(CHAT)
    monkeypatch.syspath_prepend(folder)
    result = run("data", "synth", "a.jsonl", *WITH, "--chat", "our_chat_models.scripted:Scripted", "--yes")
    assert (result.code, result.err, calls()) == (0, "", ["ferry", "bus"])
    for name in [name for name in sys.modules if name.startswith("our_chat_models")]:
        del sys.modules[name]
