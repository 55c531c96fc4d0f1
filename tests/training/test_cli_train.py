"""``youtu-st train`` as its users run it: alone, interrupted, and in two processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from rows import pairs, questions, write
from safetensors.torch import load_file

import youtu_st
from youtu_st.cli import main

COMMAND = Path(sys.executable).with_name("youtu-st")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("data")
    asked = write(folder / "asked.jsonl", questions(48, positives=2, negatives=2, instruction="Find it"))
    scored = write(folder / "scored.jsonl", pairs(48, instruction="Compare"))
    return f"{asked},{scored}"


def words(tiny: Path, data: str, *changes: str) -> list[str]:
    settings = [
        f"model={tiny}",
        f"data={data}",
        "tasks.ir.batch_size=4",
        "tasks.sts.batch_size=4",
        "train.max_length=32",
        "train.learning_rate=1e-3",
        "train.gradient_checkpointing=false",
        "train.precision=fp32",
        *changes,
    ]
    return ["train", "codiemb", *(word for one in settings for word in ("--set", one))]


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(COMMAND), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        env=ENVIRONMENT,
    )


@pytest.mark.slow
def test_the_plan_marks_what_is_before_a_text_and_trains_nothing(
    tiny: Path, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run(*words(tiny, data), "--dry-run", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "96 steps in all" in done.stdout  # 12 of each data set, 4 epochs
    assert "asked query: [Instruction: Find it \\nQuery:]" in done.stdout
    assert "scored second: [Instruction: Compare \\nQuery:]" in done.stdout
    assert "asked candidates: [" not in done.stdout
    assert not list(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert main([*words(tiny, data), "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [(one["found"]["name"], one["steps"], one["rows"], one["left_out"]) for one in plan["data"]] == [
        ("asked", 12, 4, 0),
        ("scored", 12, 4, 0),
    ]


@pytest.mark.slow
def test_a_run_says_how_it_goes_and_writes_where_it_says(tiny: Path, data: str, tmp_path: Path) -> None:
    held = write(tmp_path / "held.jsonl", pairs(12))
    done = run(
        *words(tiny, data, "train.max_steps=4", "train.log_every=2", f"evaluation.data={held}"), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "youtu-st: train: step 2 of 4: loss " in done.stderr
    assert "Warning" not in done.stderr
    assert "it/s" not in done.stderr
    *measured, last = done.stdout.splitlines()
    assert last.startswith("tiny-codiemb: 4 steps in ")
    assert [line.split(":")[0] for line in measured] == ["held_spearman_cosine"]
    assert youtu_st.load(tmp_path / "tiny-codiemb").get_embedding_dimension() == 32


@pytest.mark.slow
def test_ctrl_c_leaves_a_checkpoint_and_says_how_to_go_on(tiny: Path, data: str, tmp_path: Path) -> None:
    wanted = words(tiny, data, "train.max_steps=400", "train.epochs=200", "train.log_every=1", "train.seed=3")
    started = subprocess.Popen(
        [str(COMMAND), *wanted, "--out", "run"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    log = tmp_path / "run.checkpoints" / "log.jsonl"
    deadline = time.monotonic() + 120
    while not (log.exists() and log.read_text().count("\n") >= 3):
        assert started.poll() is None, started.stderr.read() if started.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=60)
    assert (started.returncode, out) == (130, "")
    assert "stopping after this step, with a checkpoint" in err
    (line,) = [line for line in err.splitlines() if "go on with: " in line]
    again = line.partition("go on with: ")[2]
    assert again.endswith("--out run --resume")
    (checkpoint,) = (tmp_path / "run.checkpoints").glob("checkpoint-*")
    step = int(checkpoint.name.partition("-")[2])
    assert 3 <= step < 400
    assert not (tmp_path / "run").exists()
    assert not list(tmp_path.glob(".run*"))
    # The command goes on there; here with fewer steps, which is another run and is refused.
    refused = run(
        *words(tiny, data, "train.max_steps=9", "train.seed=3"), "--out", "run", "--resume", cwd=tmp_path
    )
    assert refused.returncode == 2
    assert "train.max_steps: 400 then, 9 now" in refused.stderr


@pytest.mark.slow
def test_two_processes_train_one_model(
    tiny: Path, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from test_two_processes import torchrun

    held = write(tmp_path / "held.jsonl", pairs(12))
    changes = ("train.max_steps=4", "tasks.ir.batch_size=2", "tasks.sts.batch_size=2", "train.log_every=1")
    changes = (*changes, f"evaluation.data={held}", "evaluation.keep_best=false")
    done = torchrun("--no-python", COMMAND, *words(tiny, data, *changes), "--out", "two", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    measured, last = done.stdout.splitlines()
    assert measured.startswith("held_spearman_cosine: ")
    assert last.startswith("two: 4 steps in ")
    monkeypatch.chdir(tmp_path)
    assert main([*words(tiny, data, "train.max_steps=4", "train.log_every=1"), "--out", "one"]) == 0
    # Ranks take turns batch by batch, so a step of both is the step of one with batches as large.
    logs = [
        [
            json.loads(line)
            for line in (tmp_path / f"{name}.checkpoints" / "log.jsonl").read_text().splitlines()
            if "grad_norm" in line
        ]
        for name in ("one", "two")
    ]
    assert len(logs[0]) == 4
    for one, two in zip(*logs, strict=True):
        assert two["grad_norm"] == pytest.approx(one["grad_norm"], rel=2e-3)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, weight in one.items():
        assert torch.allclose(weight, two[name], atol=2e-4), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["codiem"], "unknown recipe 'codiem': did you mean 'codiemb'? known: "),
        (["codiemb"], "which model is to be trained? --set model=NAME"),
        (["codiemb", "--set", "model=minilm"], "there is nothing to train on: --set data=FILE.jsonl"),
        (["codiemb", "--set", "train.learning_rat=1"], "did you mean 'learning_rate'?"),
        (["codiemb", "--set", "tasks.sts.loss=codiem"], "did you mean 'codiemb'?"),
        (
            ["codiemb", "--set", "model"],
            "a change is FIELD=VALUE, as in train.learning_rate=2e-5, not 'model'",
        ),
        (
            ["codiemb", "--set", "model=minilm", "--set", "data=none.jsonl"],
            "none.jsonl: no such file or directory",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = run("train", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_two_processes_that_go_on_in_a_later_epoch_are_two_that_never_stopped(
    tiny: Path, data: str, tmp_path: Path
) -> None:
    from test_two_processes import torchrun

    asked = data.partition(",")[0]  # 6 steps an epoch
    changes = (f"data={asked}", "train.max_steps=11", "train.save_every=8", "train.keep=9")
    wanted = ["--no-python", COMMAND, *words(tiny, data, *changes)]
    done = torchrun(*wanted, "--out", "whole", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    shutil.copytree(tmp_path / "whole.checkpoints", tmp_path / "begun.checkpoints")
    shutil.rmtree(tmp_path / "begun.checkpoints" / "checkpoint-11")
    done = torchrun(*wanted, "--out", "begun", "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "begun"))
    assert all(torch.equal(one[name], other[name]) for name in one)
