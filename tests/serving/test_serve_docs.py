"""docs/serving.md: its examples are typed against the real command, and its tables name what there is."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import checkpoints
import httpx
import pytest
import yaml

from youtu_st.cli import main
from youtu_st.serving.metrics import Metrics
from youtu_st.serving.settings import ServerSettings, settings_from

pytest.importorskip("cohere")
pytest.importorskip("langchain_openai")
pytest.importorskip("llama_index.embeddings.openai_like")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "serving.md").read_text("utf-8")
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
START = "import sys; from youtu_st.cli import main; sys.exit(main())"
SECONDS = 120
"""For models to load, on a machine where much else runs."""
STAND_IN = {
    "model": "youtu-embedding",
    "checkpoint": "Youtu-Embedding",
    "reranker": "qwen3-reranker-0.6b",
    "reranker_checkpoint": "Qwen3-Reranker-0.6B",
    "max_length": 512,  # longer batches are run first, and take their time
    "reranker_max_length": 512,
    "batch_tokens": 2048,
}


def blocks(language: str, after: str = "") -> list[str]:
    """The page's blocks of a language; those after a comment, if one is given."""
    found = re.findall(rf"^{after}```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found, (language, after)
    return found


class Process:
    """The real command on a free port, which stands for one of the page's."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / f"{self.port}.log"
        command = [sys.executable, "-c", START, "serve", *arguments, "--port", str(self.port)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)

    @property
    def log(self) -> list[str]:
        return self._log.read_text("utf-8").splitlines()

    def wait_until_ready(self) -> None:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            try:
                if httpx.get(f"{self.url}/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError("\n".join(self.log))

    def stop(self) -> int:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(SECONDS)
        finally:
            self._process.kill()


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Process]]:
    """MiniLM, and the stand-in for Youtu-Embedding beside a reranker, by the page's ports."""
    folder = tmp_path_factory.mktemp("serving-page")
    checkpoints.save_checkpoint(folder / "Youtu-Embedding", "youtu", "bpe-bos", hidden=2048, positions=8192)
    checkpoints.reranker_checkpoint(folder / "Qwen3-Reranker-0.6B")
    (folder / "serve.yaml").write_text(yaml.safe_dump(STAND_IN))
    started = {"8000": Process(folder, "minilm"), "8001": Process(folder, "--config", "serve.yaml")}
    try:
        for process in started.values():
            process.wait_until_ready()
        yield started
    finally:
        for process in started.values():
            process.stop()


def here(text: str, processes: dict[str, Process]) -> str:
    """What the page says, with the ports that there are."""
    for port, process in processes.items():
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{process.port}")
    return text


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "CO_API_KEY", "YOUTU_ST_KEYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_the_python_examples_run(processes: dict[str, Process]) -> None:
    """They share their names, as a reader would type them in turn."""
    names: dict[str, Any] = {"__name__": "example"}
    runner = doctest.DocTestRunner(optionflags=OPTIONS, verbose=False)
    failures: list[str] = []
    for number, block in enumerate(blocks("python")):
        typed = here(block, processes)
        if ">>>" not in typed:
            exec(compile(typed, f"serving.md[{number}]", "exec"), names)
            continue
        test = doctest.DocTestParser().get_doctest(typed, names, f"serving.md[{number}]", "serving.md", 0)
        test.globs = names
        runner.run(test, out=failures.append, clear_globs=False)
    assert not failures, "\n".join(failures)


def test_the_commands_print_what_is_shown(processes: dict[str, Process]) -> None:
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("there is no curl here")
    same = doctest.OutputChecker().check_output
    typed = [
        pair
        for block in blocks("console", "<!-- asked -->\n")
        for pair in re.findall(r"^\$ (curl .*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]
    for command, want in typed:
        done = subprocess.run(
            ["bash", "-c", here(command, processes)], capture_output=True, text=True, check=True
        )
        assert same(want, done.stdout + "\n", OPTIONS), f"{command}\n{done.stdout}"


def test_what_the_start_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks("console", "<!-- refused -->\n")
    command, want = block.split("\n", 1)
    assert main(shlex.split(command)[2:]) == 2
    assert capsys.readouterr().err == want


def shape(line: str) -> str:
    """A line of the log without its time and its values."""
    return re.sub(r"=\S+", "=", line.partition(" ")[2])


def test_the_log_has_the_lines_that_are_shown(processes: dict[str, Process]) -> None:
    """Last: the server ends here."""
    process = processes["8000"]
    httpx.post(f"{process.url}/v1/embeddings", json={"model": "minilm", "input": "Which planet is red?"})
    httpx.post(f"{process.url}/v1/embeddings", json={"model": "minilm", "input": []})
    assert process.stop() == 0
    there = set(map(shape, process.log))
    for block in blocks("text", "<!-- logged: 8000 -->\n"):
        for line in block.splitlines():
            assert shape(line) in there, line


def test_the_settings_are_all_there_are_with_their_defaults(tmp_path: Path) -> None:
    (block,) = blocks("yaml")
    (tmp_path / "serve.yaml").write_text(block)
    given = settings_from(tmp_path / "serve.yaml")
    assert set(yaml.safe_load(block)) == set(ServerSettings.model_fields)
    assert given == ServerSettings(model="minilm")


def column(heading: str, head: str) -> set[str]:
    """The code spans in a column of the table below a heading."""
    section = re.search(rf"^#+ {heading}\n(.*?)^#", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None
    rows = [line.strip("|").split(" | ") for line in section[1].splitlines() if line.startswith("|")]
    place = [cell.strip(" `") for cell in rows[0]].index(head)
    return {name for row in rows[2:] for name in re.findall(r"`(\w+)`", row[place])}


def test_the_metrics_are_all_there_are() -> None:
    kinds = {"counter": "_total", "gauge": "", "histogram": ""}
    families = list(Metrics().registry.collect())
    assert column("Metrics", "name") == {one.name + kinds[one.type] for one in families}


def test_the_codes_of_errors_are_all_there_are() -> None:
    """Those of the routes, as the code writes them."""
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "youtu_st" / "serving").glob("*.py"))
    written = set(re.findall(r'code="(\w+)"', sources))
    usual = re.search(r"^_CODES = \{(.*?)^\}", sources, re.MULTILINE | re.DOTALL)
    assert usual is not None
    written |= set(re.findall(r'"(\w+)"', usual[1]))
    never_sent = {"too_large", "unavailable"}  # usual ones of 413 and 503, where each case has one of its own
    assert column("Errors", "code") == written - never_sent
