"""Help: instant, and with an example for every command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from command import COMMAND, Result, spawn

from youtu_st.cli import app
from youtu_st.spec.registry import names

Run = Callable[..., Result]
COMMANDS = [
    [],
    ["models"],
    ["convert"],
    ["encode"],
    ["embed"],
    ["compare"],
    ["tokens"],
    ["verify"],
    ["rerank"],
    ["serve"],
    ["index"],
    ["index", "build"],
    ["index", "search"],
    ["index", "info"],
    ["index", "copy"],
    ["index", "check"],
    ["index", "stats"],
    ["index", "explore"],
    ["index", "import"],
    ["index", "export"],
    ["index", "list"],
    ["index", "show"],
    ["index", "delete"],
    ["index", "merge"],
    ["train"],
    ["fuse"],
    ["data"],
    ["data", "convert"],
    ["data", "check"],
    ["data", "mine"],
    ["data", "score"],
    ["data", "synth"],
    ["eval"],
    ["eval", "prompts"],
    ["eval", "plan"],
    ["eval", "run"],
    ["eval", "report"],
    ["eval", "retrieval"],
    ["eval", "chunks"],
]
WRITING = (["train"], ["fuse"], ["convert"], ["encode"], ["embed"], ["build"], ["mine"], ["score"], ["synth"])
WRITING += (["run"], ["report"], ["retrieval"], ["explore"], ["import"], ["merge"])
MANY = {
    "encode": 12,
    "embed": 17,
    "build": 15,
    "import": 11,
    "search": 12,
    "mine": 11,
    "synth": 12,
    "retrieval": 18,
    "run": 21,
    "plan": 13,
}
"""Options of commands that have more than nine."""
HEAVY = {"torch", "transformers", "sentence_transformers", "faiss", "tokenizers", "pandas", "scipy"}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_an_example_and_few_options(run: Run, command: list[str]) -> None:
    result = run(*command, "--help")
    assert (result.code, result.err) == (0, "")
    example = re.search(r"Example: (youtu-st .*)", result.out, flags=re.DOTALL)
    assert example is not None
    assert example[1].startswith(" ".join(["youtu-st", *command]))
    _, _, listed = result.out.partition("\nOptions:\n")  # a paragraph before may begin a line with one
    options = set(re.findall(r"^  (?:-h, )?(-{1,2}[\w-]+)", listed, flags=re.MULTILINE)) - {"--help"}
    assert len(options) <= MANY.get("".join(command[-1:]), 9)
    assert ("--out" in options) == (command[-1:] in WRITING)
    assert run(*command, "-h").out == result.out


def modules_after(*arguments: str, cwd: Path) -> set[str]:
    """Top-level modules that a command has imported when it is done."""
    program = (
        "import sys; from youtu_st.cli import main; code = main(sys.argv[1:]); "
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=cwd, capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_help_and_version_import_nothing_heavy(tmp_path: Path) -> None:
    assert not (HEAVY | {"numpy", "rich"}) & modules_after("--help", cwd=tmp_path)
    assert not (HEAVY | {"numpy", "rich"}) & modules_after("index", "search", "--help", cwd=tmp_path)
    assert not HEAVY & modules_after("--version", cwd=tmp_path)
    assert not HEAVY & modules_after("models", cwd=tmp_path)


def test_info_imports_no_torch(built: Path) -> None:
    assert not {"torch", "transformers"} & modules_after("index", "info", "idx", cwd=built)


def test_the_help_imports_no_server(tmp_path: Path) -> None:
    server = {"fastapi", "starlette", "uvicorn", "prometheus_client", "orjson", "asyncio"}
    assert not server & modules_after("--help", cwd=tmp_path)
    assert not server & modules_after("serve", "--help", cwd=tmp_path)


def test_help_takes_less_than_0_4_seconds(tmp_path: Path) -> None:
    def seconds() -> float:
        start = time.perf_counter()
        subprocess.run([str(COMMAND), "--help"], check=True, capture_output=True, cwd=tmp_path)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.4


def test_without_a_command_the_help_is_shown(run: Run) -> None:
    assert run() == run("--help")
    assert run("index") == Result(2, "", "youtu-st: error: Missing command. See: youtu-st index --help\n")


def test_version(run: Run) -> None:
    assert run("--version") == Result(0, "youtu-st 0.1.0\n", "")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("youtu-st verify qwen3", ["qwen3-embedding-0.6b", "qwen3-embedding-4b", "qwen3-embedding-8b"]),
        ("youtu-st encode t.txt --model mini", ["minilm"]),
        ("youtu-st rerank t.txt --model qwen3-reranker-8", ["qwen3-reranker-8b"]),
        ("youtu-st index search d q --rerank qwen3-reranker-4", ["qwen3-reranker-4b"]),
        ("youtu-st tok", ["tokens"]),
    ],
)
def test_a_shell_completes_names_without_the_libraries(tmp_path: Path, words: str, names: list[str]) -> None:
    program = (
        "import sys; from youtu_st.cli import main\ntry: main([])\nfinally: "
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    asked = {"_YOUTU_ST_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == names
    assert not HEAVY & set(done.stderr.split())


def test_every_argument_that_is_a_model_is_completed() -> None:
    """An embedding model's by the names of these, a reranker's by its own, one of either kind by both."""
    found = {}
    groups: list[tuple[str, Any]] = [("", typer.main.get_command(app))]
    for prefix, group in groups:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                groups.append((f"{name} ", command))
                continue
            context = command.make_context(name, [], resilient_parsing=True)
            for parameter in command.params:
                if parameter.name in ("model", "rerank"):
                    offered = {one.value for one in parameter.shell_complete(context, "")}
                    found[f"{prefix}{name} {parameter.name}"] = offered
    embedding, reranker = set(names("models")), set(names("rerankers"))
    commands = (
        "convert",
        "export",
        "encode",
        "embed",
        "compare",
        "tokens",
        "verify",
        "serve",
        "index build",
        "index import",
        "index search",
        "index check",
    )
    commands += ("data check", "data mine", "data synth")
    commands += ("eval prompts", "eval plan", "eval run", "eval retrieval", "eval chunks")
    wanted = {f"{command} model": embedding for command in commands}
    rerankers = ("rerank model", "index search rerank", "eval run rerank")
    both = {"export model": embedding | reranker}
    assert found == wanted | dict.fromkeys(rerankers, reranker) | both


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_quick_in_every_shell(tmp_path: Path, shell: str) -> None:
    """Less than a second for the fastest of three; an empty machine takes a third of that."""
    line = "youtu-st tokens multi"
    asked = {
        "_YOUTU_ST_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": "2",
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        result = spawn(cwd=tmp_path, **asked)
        taken.append(time.perf_counter() - start)
        assert (result.code, result.err) == (0, "")
        offered = re.findall(r"multilingual[\w.-]*", result.out)
        assert offered == ["multilingual-e5-large-instruct", "multilingual-e5-small"]
    assert min(taken) < 1


def test_completion_is_installed_where_the_shell_looks(tmp_path: Path) -> None:
    """A file in the user's home that asks the command, and a line that reads it."""
    home = {"HOME": str(tmp_path), "SHELL": "/bin/bash", "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    result = spawn("--install-completion", "bash", cwd=tmp_path, **home)
    assert (result.code, result.err) == (0, "")
    script = tmp_path / ".bash_completions" / "youtu-st.sh"
    assert "_YOUTU_ST_COMPLETE=complete_bash" in script.read_text()
    assert str(script) in (tmp_path / ".bashrc").read_text()
    typed = (
        f'source {script}; COMP_WORDS=(youtu-st tokens mini); COMP_CWORD=2; _youtu_st_completion "{COMMAND}"'
    )
    shell = subprocess.run(
        ["bash", "-c", f'{typed}; echo "${{COMPREPLY[@]}}"'], capture_output=True, text=True, check=True
    )
    assert shell.stdout == "minilm\n"
