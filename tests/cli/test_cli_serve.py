"""What ``youtu-st serve`` refuses, each in one line, before anything is loaded."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Result

from youtu_st.spec.model import known_models

Run = Callable[..., Result]
KEY = "sk-0123456789abcdef"
ON_THE_LINE = (
    "keys are not given on the command line, where every user of the machine can read them: put them into a file, "
    "one a line (--keys-file FILE), or into YOUTU_ST_KEYS"
)
OPEN = (
    "other machines reach this address, and there are no keys: give --keys-file FILE or set YOUTU_ST_KEYS, or insist "
    "with --no-keys"
)
KINDS = "a directory, a hub id (owner/name) or a .yaml file work too"

# Arguments and the line; run where serve.yaml, keys.txt, none.txt and typo.yaml are.
REFUSED = [
    ([], "say which model: youtu-st serve MODEL, or model: in the file of --config"),
    (
        ["minilmm"],
        f"unknown model 'minilmm'. Did you mean 'minilm'? Known names: {', '.join(known_models())}; {KINDS}",
    ),
    (
        ["minilm", "--reranker", "qwen"],
        "unknown reranker 'qwen'. Known names: ",
    ),
    (["minilm", "--host", "0.0.0.0"], f"--host 0.0.0.0: {OPEN}"),
    (["minilm", "--host", "::"], f"--host ::: {OPEN}"),
    (["--config", "serve.yaml"], f"--host 0.0.0.0: {OPEN}"),
    (["minilm", "--host", "no.such.host.invalid"], "--host 'no.such.host.invalid' is no address: "),
    (["minilm", "--host", "192.0.2.7", "--no-keys"], "--host 192.0.2.7 is no address of this machine: "),
    (["minilm", "--port", "65536"], "--port: input should be less than or equal to 65535, got 65536"),
    (["minilm", "--key", KEY], ON_THE_LINE),
    (["minilm", f"--api-key={KEY}"], ON_THE_LINE),
    (["minilm", "--keys", KEY], ON_THE_LINE),
    (["minilm", "--api-keys", KEY], ON_THE_LINE),
    (["minilm", "--keys-file", "gone.txt"], "gone.txt: cannot read the keys: No such file or directory"),
    (
        ["minilm", "--keys-file", "none.txt"],
        "none.txt: there is no key in it: write one a line, or leave it out",
    ),
    (["minilm", "--keys-file="], "--keys-file must not be empty: give it a value, or leave it out"),
    (
        ["minilm", "--keys-file", "keys.txt", "--no-keys"],
        "--no-keys and --keys-file contradict each other: leave one of them out",
    ),
    (
        ["minilm", "--default-role", "passage"],
        "--default-role: input should be 'query' or 'document', got 'passage'",
    ),
    (["minilm", "--truncation", "warn"], "--truncation: input should be 'error' or 'cut', got 'warn'"),
    (["minilm", "--log", "xml"], "--log: input should be 'text' or 'json', got 'xml'"),
    (["minilm", "--queue-tokens", "0"], "--queue-tokens: input should be greater than 0, got 0"),
    (["minilm", "--timeout", "nan"], "--timeout: input should be "),
    (["--config", "typo.yaml"], "typo.yaml: unknown field 'hots' (did you mean 'host'? allowed: "),
    (["--config", "keys.yaml"], "keys.yaml: field 'keys': keys have no place among settings"),
    (["--config", "gone.yaml"], "gone.yaml: cannot read the settings: No such file or directory"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "serve.yaml").write_text("model: minilm\nhost: 0.0.0.0\nport: 0\n")
    (tmp_path / "typo.yaml").write_text("hots: 0.0.0.0\n")
    (tmp_path / "keys.yaml").write_text(f"keys: [{KEY}]\n")
    (tmp_path / "keys.txt").write_text(f"{KEY}\n")
    (tmp_path / "keys.txt").chmod(0o600)
    (tmp_path / "none.txt").write_text("# none yet\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("YOUTU_ST_KEYS", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "line"), REFUSED, ids=[" ".join(words) or "nothing" for words, _ in REFUSED]
)
def test_it_refuses_in_one_line(run: Run, folder: Path, arguments: list[str], line: str) -> None:
    result = run("serve", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"youtu-st: error: {line}")
    assert result.err.count("\n") == 1
    assert KEY not in result.err


def test_a_variable_with_keys_contradicts_no_keys(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOUTU_ST_KEYS", KEY)
    result = run("serve", "minilm", "--no-keys", "--port", "0")
    line = "youtu-st: error: --no-keys and YOUTU_ST_KEYS contradict each other: leave one of them out\n"
    assert result == Result(2, "", line)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1.2.3", "::1"])
def test_an_address_that_only_this_machine_reaches_needs_no_keys(run: Run, folder: Path, host: str) -> None:
    """What it is refused for is the port, which is looked at after the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        taken = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"there is no {host} here")
    with taken:
        port = taken.getsockname()[1]
        result = run("serve", "minilm", "--host", host, "--port", port)
    assert result.code == 2
    assert result.err == (
        f"youtu-st: error: port {port} of {host} is in use: end what listens there, or choose another with --port\n"
    )


@pytest.mark.parametrize("how", ["--keys-file", "YOUTU_ST_KEYS", "--no-keys"])
def test_an_address_that_others_reach_is_served_with_keys_or_insistence(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "YOUTU_ST_KEYS":
        monkeypatch.setenv(how, KEY)
    further = {"--keys-file": [how, "keys.txt"], "--no-keys": [how]}.get(how, [])
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("serve", "minilm", "--host", "0.0.0.0", "--port", port, *further)
    assert result.err.startswith(f"youtu-st: error: port {port} of 0.0.0.0 is in use: ")


def test_nothing_heavy_is_imported_before_the_socket_listens(folder: Path) -> None:
    program = (
        "import sys, youtu_st.serving.run as run, youtu_st.serving.app; from youtu_st.cli import main\n"
        "run.run = lambda *what: print(*{name.split('.')[0] for name in sys.modules}) or 0\n"
        "sys.exit(main(['serve', 'minilm', '--port', '0']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "fastapi" in done.stdout.split()
    assert not {"torch", "transformers", "sentence_transformers", "tokenizers", "scipy"} & set(
        done.stdout.split()
    )
