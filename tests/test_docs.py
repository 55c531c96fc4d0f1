"""Every Python example of the READMEs and of docs/ runs, and gives what is printed below it."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
from pathlib import Path

import pytest
from settled import settled

from youtu_st.cli import main
from youtu_st.errors import MissingDependencyError

ROOT = Path(__file__).parents[1]
READMES = ["README.md", "README.zh-CN.md"]
PAGES = [*(ROOT / name for name in READMES), *sorted((ROOT / "docs").rglob("*.md"))]
NEED_MORE = ("serving.md", "scale.md")  # a server, a cluster: test_serve_docs.py, test_scale_docs.py
RUN_HERE = [page for page in PAGES if page.name not in NEED_MORE]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TYPED = re.compile(
    r"^```python\n(.*?)^```$|^<!-- typed -->\n```console\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


LONG = {
    "docs/export.md",
    "docs/verify.md",
    "docs/training.md",
    "docs/langchain.md",
    "docs/speed.md",
    "docs/llamaindex.md",
}


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=name, marks=[pytest.mark.slow] if name in LONG else [])
        for page, name in ((page, page.relative_to(ROOT).as_posix()) for page in RUN_HERE)
    ],
)
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
            try:
                exec(compile(block, f"{page.name}[{number}]", "exec"), names)
            except MissingDependencyError as error:
                if "'openvino'" not in str(error):
                    raise
                pytest.skip(
                    f"the extra openvino is not installed, which block {number} of this page is about"
                )
            continue
        test = doctest.DocTestParser().get_doctest(block, names, f"{page.name}[{number}]", page.name, 0)
        test.globs = names  # the parser copies; later blocks need what this one defines
        runner.run(test, out=failures.append, clear_globs=False)
    assert not failures, "\n".join(failures)


@pytest.mark.slow
def test_the_chinese_quick_start_finds_chinese(real_e5_small, tmp_path, monkeypatch):
    """Its block for multilingual-e5-small, with the real weights in place of a download."""
    page = (ROOT / "docs" / "zh" / "quickstart.md").read_text("utf-8")
    block = re.search(r"^<!-- real:.*?^```py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert block is not None
    name = '"multilingual-e5-small"'
    typed = block[1].replace(name, f"{name}, checkpoint={str(real_e5_small)!r}")
    assert typed != block[1]
    monkeypatch.chdir(tmp_path)
    failures: list[str] = []
    test = doctest.DocTestParser().get_doctest(typed, {}, "quickstart", None, 0)
    doctest.DocTestRunner(optionflags=OPTIONS, verbose=False).run(test, out=failures.append)
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target


def shown(marker: str, page: str = "README.md") -> str:
    """The console block of a README after a marker."""
    readme = (ROOT / page).read_text("utf-8")
    block = re.search(rf"<!-- {marker}.*?```console\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    assert block is not None, f"{page} has no block after <!-- {marker}"
    return block[1]


def printed(commands: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What commands print, each after its own line."""
    blocks = []
    for command in commands:
        assert main(shlex.split(command)) == 0
        out = re.sub(r" +$", "", capsys.readouterr().out, flags=re.MULTILINE)  # tables pad their last column
        blocks.append(f"$ youtu-st {command}\n{out}")
    return "\n".join(blocks)


def assert_same_but_scores(got: str, want: str, remedy: str) -> None:
    """Equal to the letter; scores to three decimals."""
    score = re.compile(r"(?<=  )[01]\.\d{4,}(?=  |$)", re.MULTILINE)
    assert score.sub("", got) == score.sub("", want), remedy
    assert [float(x) for x in score.findall(got)] == pytest.approx(
        [float(x) for x in score.findall(want)], abs=1e-3
    )


@pytest.mark.slow
def test_the_readme_shows_what_the_demo_prints(tmp_path, monkeypatch, capsys):
    """Its commands are those of demo.sh, and its output theirs."""
    want = shown("demo")
    commands = re.findall(r"^\$ youtu-st (.*)$", want, re.MULTILINE)
    assert commands == re.findall(r"^youtu (.*)$", (ROOT / "demo.sh").read_text("utf-8"), re.MULTILINE)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    assert_same_but_scores(
        printed(commands, capsys), want, "paste the output of `COLUMNS=100 make demo` into README.md"
    )


@pytest.mark.parametrize(
    ("page", "marker"), [("README.md", "models"), ("README.md", "verify"), ("README.zh-CN.md", "models")]
)
def test_the_readme_shows_what_a_command_prints(page, marker, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    want = shown(marker, page)
    commands = re.findall(r"^\$ youtu-st (.*)$", want, re.MULTILINE)
    assert commands, marker
    assert_same_but_scores(printed(commands, capsys), want, f"paste its output after <!-- {marker} -->")


def test_the_chinese_page_of_commands_shows_what_a_terminal_would(tmp_path, monkeypatch, capsys):
    """Its Python blocks write the files; its marked console blocks are typed in turn, errors included."""
    page = (ROOT / "docs" / "zh" / "cli.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    typed = 0
    names: dict[str, object] = {}
    for python, console in TYPED.findall(page):
        if python:
            exec(python, names)
        for command, want in re.findall(r"^\$ youtu-st (.*)\n((?:(?!\$ ).*\n)*)", console, re.MULTILINE):
            main(shlex.split(command))
            said = capsys.readouterr()
            got = re.sub(r" +$", "", settled(said.err) + said.out, flags=re.MULTILINE)
            assert_same_but_scores(
                got.strip(), want.strip(), f"docs/zh/cli.md shows other output for: {command}"
            )
            typed += 1
    assert typed, "no block of the page is typed"
