"""Two gloo processes beside one with the joined batch: the same gradients."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from gloo_worker import CASES, GUARD
from rows import classes, pairs, questions, write
from run_once import once

from youtu_st.training.data.rows import Row

HERE = Path(__file__).parent


def torchrun(
    *words: str | Path, cwd: Path, ranks: int = 2, timeout: int = 300
) -> subprocess.CompletedProcess[str]:
    """Start processes that train together, and wait for them."""
    paths = [str(HERE), str(HERE.parent), str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc_per_node",
            str(ranks),
            *map(str, words),
        ],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
    )


@pytest.fixture(scope="module")
def compared(tiny: Path) -> dict[str, dict[str, float]]:
    """The largest difference of gradients for each case, as a share of the largest gradient."""
    folder = once("gloo", lambda folder: compare(tiny, folder))
    found: dict[str, dict[str, float]] = json.loads((folder / "found.json").read_text())
    return found


def compare(tiny: Path, folder: Path) -> None:
    """Write ``found.json``."""
    folder.mkdir()
    asked = questions(8, positives=2, negatives=4, instruction="Find the passage")
    # Texts that repeat across the two processes: a positive as another's negative, a question as a passage.
    asked[6] = replace(asked[6], negatives=(asked[1].positives[0], *asked[6].negatives[1:]))
    asked[7] = replace(asked[7], positives=(asked[0].positives[1], asked[2].query))
    taught = [
        replace(
            row,
            positive_scores=tuple(1.0 + i / 8 for _ in row.positives),
            negative_scores=tuple(j / 10 for j, _ in enumerate(row.negatives)),
        )
        for i, row in enumerate(asked)
    ]
    rows: dict[str, list[Row]] = {
        "ir": taught,
        "sts": pairs(8, instruction="Retrieve similar text"),
        "cls": classes(8, negatives=2, instruction="Classify"),
    }
    for name, made in rows.items():
        write(folder / f"{name}.jsonl", made)
    out = folder / "found.json"
    done = torchrun(HERE / "gloo_worker.py", tiny, folder, out, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_one_process(case: str, compared: dict[str, dict[str, float]]) -> None:
    assert compared[case]["largest"] > 1e-4
    assert compared[case]["off"] < 5e-6


def test_processes_with_weights_of_their_own_are_told(compared: dict[str, dict[str, float]]) -> None:
    assert compared[GUARD]["told"] is True
