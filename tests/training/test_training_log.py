"""What is measured and logged: each step once, also by a run that goes on."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rows import pairs, questions, write
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_training_run import recipe, run

from youtu_st.training.checkpoints import cut_log


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("rows")
    return {
        "ir": write(folder / "asked.jsonl", questions(48)),
        "held": write(folder / "held.jsonl", pairs(20)),
    }


def entries(out: Path) -> list[dict[str, Any]]:
    text = (out.with_name(out.name + ".checkpoints") / "log.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("best", ["true", "false"])
def test_every_step_is_measured_once(tiny: Path, files: dict[str, Path], tmp_path: Path, best: str) -> None:
    changes = (
        f"evaluation.data={files['held']}",
        f"evaluation.keep_best={best}",
        "train.save_every=2",
        "evaluation.every=2",
        "train.learning_rate=1e-2",
    )
    record, told = run(tmp_path / "out", recipe(tiny, files, *changes, data="ir"))
    found = [
        (entry["step"], entry["eval_held_spearman_cosine"])
        for entry in entries(tmp_path / "out")
        if "eval_held_spearman_cosine" in entry
    ]
    assert [step for step, _ in found] == [0, 2, 4, 6]
    assert sum(": held_spearman_cosine" in line for line in told) == 4
    measured = dict(found)
    kept = max((2, 4, 6), key=lambda step: measured[step]) if best == "true" else 6
    assert record.after == {"held_spearman_cosine": measured[kept]}


def test_what_no_step_has_measured_is_measured_at_the_end(
    tiny: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    changes = (
        f"evaluation.data={files['held']}",
        "evaluation.keep_best=false",
        "evaluation.every=4",
        "train.save_every=4",
    )
    record, _ = run(tmp_path / "out", recipe(tiny, files, *changes, data="ir"))
    steps = [
        entry["step"]
        for entry in entries(tmp_path / "out")
        if "eval_runtime" in entry or "eval_held_spearman_cosine" in entry
    ]
    assert steps == [0, 4, 6]
    assert set(record.after) == {"held_spearman_cosine"}


@pytest.mark.slow
def test_a_run_that_goes_on_logs_each_step_once(tiny: Path, files: dict[str, Path], tmp_path: Path) -> None:
    changes = (f"evaluation.data={files['held']}", "train.save_every=2", "train.keep=9")
    wanted = recipe(tiny, files, *changes, data="ir")
    whole, _ = run(tmp_path / "whole", wanted)
    shutil.copytree(tmp_path / "whole.checkpoints", tmp_path / "out.checkpoints")
    for later in (4, 6):  # killed after step 5, its log further than its checkpoint, and torn
        shutil.rmtree(tmp_path / "out.checkpoints" / f"checkpoint-{later}")
    log = tmp_path / "out.checkpoints" / "log.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-2]) + '{"step": 5, "epo')
    again, _ = run(tmp_path / "out", wanted, resume=True)

    def counted(out: str) -> Counter[tuple[int, str]]:
        kinds = ("loss", "eval_held_spearman_cosine", "train_runtime")
        return Counter(
            (entry["step"], kind) for entry in entries(tmp_path / out) for kind in kinds if kind in entry
        )

    assert counted("out") == counted("whole")
    assert max(counted("out").values()) == 1
    assert again.after == pytest.approx(whole.after, abs=1e-6)
    board = EventAccumulator(str(tmp_path / "out.checkpoints" / "tensorboard")).Reload()
    # Of two files of one second, TensorBoard may read the later one first.
    assert {event.step for event in board.Scalars("train/loss")} == {1, 2, 3, 4, 5, 6}


def test_what_is_cut_from_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    cut_log(tmp_path, 3)
    assert not log.exists()
    lines = [f'{{"step": {step}, "loss": {step}.5}}\n' for step in range(1, 6)]
    for extra in (
        "",
        "not JSON\n",
        "[1]\n",
        '{"step": "x"}\n',
        '{"step": 3, "train_runtime": 1}\n',
        '{"step": 2',
    ):
        log.write_text("".join(lines) + extra)
        cut_log(tmp_path, 3)
        assert log.read_text() == "".join(lines[:3])
