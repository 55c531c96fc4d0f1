"""Two processes that fail: what is of both is said by the first, what is of one by that one."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from rows import questions, write
from test_two_processes import torchrun

from youtu_st.cli import together
from youtu_st.errors import InputError, PeerError, TrainingError

WORKER = """
import os, sys
from youtu_st.cli import main, together
together.PATIENCE = float(sys.argv[1])
here = sys.argv[2 + int(os.environ["RANK"])]
words = [f"data={here}", "model=" + sys.argv[4], "tasks.ir.batch_size=4", "train.max_steps=2", *sys.argv[5:]]
code = main(["train", "codiemb", "--out", "out", *(word for one in words for word in ("--set", one))])
open(f"code-{os.environ['RANK']}", "w").write(str(code))
sys.exit(code)
"""


@pytest.fixture
def worker(tmp_path: Path) -> Path:
    write(tmp_path / "a.jsonl", questions(24))
    (tmp_path / "worker.py").write_text(WORKER)
    return tmp_path / "worker.py"


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("youtu-st: error: ")]


def codes(folder: Path, code: str) -> dict[str, str]:
    """What each process ended with; one that torchrun ended before it could tell has ended with the first's."""
    told = {path.name: path.read_text() for path in folder.glob("code-*")}
    return {"code-1": code, **told}


@pytest.mark.slow
def test_what_is_of_both_is_said_once_with_one_code(worker: Path, tiny: Path, tmp_path: Path) -> None:
    done = torchrun(worker, "60", "none.jsonl", "none.jsonl", tiny, cwd=tmp_path)
    assert done.returncode != 0
    assert lines(done.stderr) == ["youtu-st: error: none.jsonl: no such file or directory"]
    assert codes(tmp_path, "2") == {"code-0": "2", "code-1": "2"}


@pytest.mark.slow
def test_what_stops_both_in_training_is_said_once(worker: Path, tiny: Path, tmp_path: Path) -> None:
    changes = ("train.learning_rate=1e-30", "train.gradient_checkpointing=false")
    done = torchrun(worker, "60", "a.jsonl", "a.jsonl", tiny, *changes, cwd=tmp_path)
    (line,) = lines(done.stderr)
    assert "no weight has moved after 2 steps" in line
    assert codes(tmp_path, "1") == {"code-0": "1", "code-1": "1"}
    assert done.stderr.count("find_unused_parameters=True was specified") == 1


@pytest.mark.slow
def test_what_is_of_one_is_said_by_it(worker: Path, tiny: Path, tmp_path: Path) -> None:
    done = torchrun(worker, "1", "a.jsonl", "none.jsonl", tiny, cwd=tmp_path)
    assert "youtu-st: error: none.jsonl: no such file or directory" in lines(done.stderr)
    assert codes(tmp_path, "none")["code-1"] == "2"
    assert "a fault of the program" not in done.stderr


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "MASTER_ADDR": "here"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TORCH_CPP_LOG_LEVEL", "INFO")
    monkeypatch.setattr(together, "PATIENCE", 0.3)


def fail(error: BaseException) -> None:
    with together.told_once():
        raise error


@pytest.mark.usefixtures("second")
@pytest.mark.parametrize(
    ("error", "code"),
    [(InputError("a"), 2), (OSError("a"), 2), (TrainingError("a"), 1), (ZeroDivisionError("a"), 1)],
)
def test_another_than_the_first_is_silent_where_it_is_ended(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    monkeypatch.setattr(together, "PATIENCE", 60.0)
    caught: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: caught.append(number))
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.05):  # one that comes too early is nobody's
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        ours = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as told:
            fail(error)
        assert told.value.code == code
        assert signal.getsignal(signal.SIGTERM) is ours
    finally:
        done.set()
        thread.join()
        signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("second")
def test_another_than_the_first_tells_what_is_its_own() -> None:
    start = time.monotonic()
    with pytest.raises(InputError, match="mine"):
        fail(InputError("mine"))
    assert time.monotonic() - start >= 0.3
    assert os.environ["TORCH_CPP_LOG_LEVEL"] == "INFO"  # whoever has set it


@pytest.mark.usefixtures("second")
@pytest.mark.parametrize(("error", "code"), [(PeerError("gone"), 1), (KeyboardInterrupt(), 130)])
def test_what_the_first_says_in_any_case_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    monkeypatch.setattr(together, "PATIENCE", 60.0)
    start = time.monotonic()
    with pytest.raises(SystemExit) as told:
        fail(error)
    assert told.value.code == code
    assert time.monotonic() - start < 30


def test_one_process_alone_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "TORCH_CPP_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="mine"):
        fail(InputError("mine"))
    assert "TORCH_CPP_LOG_LEVEL" not in os.environ
