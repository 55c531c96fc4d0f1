"""Every Python example of the README and of docs/ runs, and gives what is printed below it."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
from pathlib import Path

import pytest

from youtu_st.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_run(page, tmp_path, monkeypatch):
    """The blocks of a page share their names, as a reader would type them in turn."""
    blocks = FENCE.findall(page.read_text(encoding="utf-8"))
    assert blocks, f"{page.name} explains without a Python example"
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "example"}
    runner = doctest.DocTestRunner(optionflags=OPTIONS, verbose=False)
    failures: list[str] = []
    for number, block in enumerate(blocks):
        if ">>>" not in block:
            exec(compile(block, f"{page.name}[{number}]", "exec"), names)
            continue
        test = doctest.DocTestParser().get_doctest(block, names, f"{page.name}[{number}]", page.name, 0)
        test.globs = names  # the parser copies; later blocks need what this one defines
        runner.run(test, out=failures.append, clear_globs=False)
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target


def test_the_readme_shows_what_the_demo_prints(tmp_path, monkeypatch, capsys):
    """Its commands are those of demo.sh, and its output theirs; scores to three decimals."""
    shown = re.search(
        r"<!-- demo.*?```console\n(.*?)^```$",
        (ROOT / "README.md").read_text("utf-8"),
        re.DOTALL | re.MULTILINE,
    )[1]
    commands = re.findall(r"^\$ youtu-st (.*)$", shown, re.MULTILINE)
    assert commands == re.findall(r"^youtu (.*)$", (ROOT / "demo.sh").read_text("utf-8"), re.MULTILINE)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    printed = []
    for command in commands:
        assert main(shlex.split(command)) == 0
        printed.append(f"$ youtu-st {command}\n{capsys.readouterr().out}")
    score = re.compile(r"(?<=  )0\.\d{4}(?=  )")
    want, got = shown, "\n".join(printed)
    assert score.sub("", got) == score.sub("", want), (
        "paste the output of `COLUMNS=100 make demo` into README.md"
    )
    assert [float(x) for x in score.findall(got)] == pytest.approx(
        [float(x) for x in score.findall(want)], abs=1e-3
    )
