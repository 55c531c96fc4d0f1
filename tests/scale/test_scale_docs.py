"""docs/scale.md: its examples are typed in turn, and its tables name what there is."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
from settled import settled

from youtu_st.cli import app, main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scale.md").read_text("utf-8")
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
BLOCK = re.compile(r"(?:^<!-- (typed|on ray) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RAY = "on ray"


def blocks(*marks: str) -> list[tuple[str, str]]:
    """Language and lines of the blocks that are typed: all Python, and what stands after one of the marks."""
    found = [(kind, text) for mark, kind, text in BLOCK.findall(PAGE) if kind == "python" or mark in marks]
    assert found
    return found


class Typist:
    """Types what the page shows, in the working directory, and collects what came out otherwise.

    Args:
        capfd: Takes what this process prints.
        apart: Whether commands are processes of their own: Ray's output is that of all that was imported here.
    """

    def __init__(self, capfd: pytest.CaptureFixture[str], *, apart: bool = False) -> None:
        self._capfd, self._apart = capfd, apart
        self._names: dict[str, Any] = {"__name__": "example"}
        self._runner = doctest.DocTestRunner(optionflags=OPTIONS, verbose=False)
        self.failures: list[str] = []
        self.commands = 0

    def python(self, text: str) -> None:
        if ">>>" not in text:
            exec(compile(text, "scale.md", "exec"), self._names)
            return
        test = doctest.DocTestParser().get_doctest(text, self._names, "scale.md", "scale.md", 0)
        test.globs = self._names  # the parser copies; later blocks need what this one defines
        self._runner.run(test, out=self.failures.append, clear_globs=False)

    def console(self, text: str) -> None:
        for command, want in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
            got = self._printed(command)
            self.commands += 1
            if not doctest.OutputChecker().check_output(want, got, OPTIONS):
                self.failures.append(f"$ {command}\n{got}")

    def _printed(self, command: str) -> str:
        words = shlex.split(command)
        if words[0] != "youtu-st":
            done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
            return done.stdout
        if self._apart:
            command = [str(Path(sys.executable).with_name(words[0])), *words[1:]]
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
            return re.sub(r" +$", "", settled(ran.stderr) + ran.stdout, flags=re.MULTILINE)
        self._capfd.readouterr()
        main(words[1:])
        said = self._capfd.readouterr()
        return re.sub(r" +$", "", settled(said.err) + said.out, flags=re.MULTILINE)


def typed(capfd: pytest.CaptureFixture[str], *marks: str) -> Typist:
    typist = Typist(capfd)
    for kind, text in blocks(*marks):
        typist.console(text) if kind == "console" else typist.python(text)
    return typist


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.mark.slow
def test_the_page_shows_what_a_terminal_would(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("lancedb")
    if shutil.which("bash") is None or os.name == "nt":
        pytest.skip("there is no bash here")
    typist = typed(capfd, "typed")
    assert not typist.failures, "\n".join(typist.failures)
    assert typist.commands > 10


@pytest.mark.ray
@pytest.mark.slow
def test_the_examples_for_ray_run(capfd: pytest.CaptureFixture[str]) -> None:
    """Those that need it, after the Python that makes the corpus."""
    ray = pytest.importorskip("ray")
    typist = Typist(capfd, apart=True)
    (_, corpus), *_ = blocks()
    typist.python(corpus)
    try:
        for mark, kind, text in BLOCK.findall(PAGE):
            if mark == RAY:
                typist.console(text) if kind == "console" else typist.python(text)
    finally:
        ray.shutdown()
    assert not typist.failures, "\n".join(typist.failures)
    assert typist.commands


def test_every_option_that_is_named_is_one() -> None:
    """In code spans, and in lines with this package's command."""
    prose = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    spans = [text for text in re.findall(r"`([^`\n]+)`", prose) if text.startswith(("--", "youtu-st"))]
    lines = [line.partition("youtu-st ")[2] for line in PAGE.splitlines() if "$ youtu-st " in line]
    named = {name for text in [*spans, *lines] for name in re.findall(r"(?<!\S)--[a-z-]+", text)}
    assert len(named) > 15
    assert named - options_of(typer.main.get_command(app)) == set()


def options_of(command: Any) -> set[str]:
    """All options of a command and of those below it, hidden ones too."""
    own = {option for parameter in command.params for option in parameter.opts}
    return own.union(*(options_of(one) for one in getattr(command, "commands", {}).values()))
