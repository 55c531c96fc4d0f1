"""From a table to a searchable index: the commands of the page, as they stand."""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "training.md"
BIN = Path(sys.executable).parent


@pytest.mark.slow
def test_the_commands_of_the_page_lead_from_a_table_to_an_index(tmp_path: Path) -> None:
    block = re.search(
        r"<!-- commands.*?```console\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert block is not None
    commands = [line.removeprefix("$ ") for line in block[1].splitlines()]
    assert len(commands) < 10
    with (tmp_path / "questions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["query", "positive"])
        for i in range(72):
            writer.writerow(
                [f"When does ferry {i} leave?", f"Ferry {i} leaves at {i % 24}:{i % 60:02} from pier {i}."]
            )
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "ferry.md").write_text("# Ferry\n\nThe ferry leaves at noon from pier 3.\n")
    (tmp_path / "notes" / "bread.md").write_text("# Bread\n\nBread is baked at night.\n")
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    for command in commands:
        done = subprocess.run(
            shlex.split(command), cwd=tmp_path, capture_output=True, text=True, timeout=300, env=environment
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert "The ferry leaves at noon" in done.stdout
    assert done.stdout.index("ferry leaves") < (done.stdout + "Bread is baked").index("Bread is baked")
