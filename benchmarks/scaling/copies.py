"""``index copy`` into LanceDB, beside a bare script that writes the same columns."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from scaling import inputs
from scaling.contestants import embed
from scaling.processes import YOUTU_ST, Failed, Ran, run
from scaling.stage import Figures, Stage
from scaling.tiny import tiny_model

ROWS, DIMENSION, TABLE = 200_000, 384, "copied"
COPY, BARE = "index copy", "bare script"


def copy(stage: Stage) -> dict[str, list[Figures]]:
    """Of 200,000 rows, from the folder that ``embed`` has written."""
    count = stage.count(ROWS)
    source = inputs.write(stage.folder / "to-copy", inputs.short_texts(count), count)
    model, folder = tiny_model(stage.folder / "copy-model", DIMENSION), stage.folder / "copied-from"
    run(embed(source, folder, model, "--keep-text", "--keep", "kind"), stage.folder / "copied-from.log")

    def play(command: Callable[[Path], Sequence[str]]) -> Figures:
        with stage.scratch() as scratch:
            ran = run(command(scratch / "db"), scratch / "log")
            return {**_seconds(ran), "rows": check(scratch / "db", count)}

    def ours(database: Path) -> list[str]:
        return [*YOUTU_ST, "index", "copy", str(folder), f"lancedb:{database}#{TABLE}"]

    def bare(database: Path) -> list[str]:
        return [sys.executable, "-m", "scaling.bare_lance", str(folder / "vectors"), str(database), TABLE]

    return stage.take_turns({BARE: partial(play, bare), COPY: partial(play, ours)})


def _seconds(ran: Ran) -> Figures:
    return {"seconds": ran.seconds, "cpu_s": ran.cpu, "driver_mb": ran.memory / 1e6}


def check(database: Path, count: int) -> int:
    """The rows of the table: all of them, each once.

    Raises:
        Failed: If they are not.
    """
    import lancedb
    import pyarrow.compute as pc

    rows = lancedb.connect(str(database)).open_table(TABLE).to_lance().to_table(columns=["id"])["id"]
    if len(rows) != count or pc.count_distinct(rows).as_py() != count:
        raise Failed(f"{len(rows):,} rows are there, {pc.count_distinct(rows).as_py():,} of them different")
    return len(rows)
