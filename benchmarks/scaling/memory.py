"""The driver's memory: what it needs for many rows beside what it needs for few."""

from __future__ import annotations

from functools import partial

from scaling import inputs, results
from scaling.contestants import embed
from scaling.processes import Failed, run
from scaling.stage import Figures, Stage
from scaling.tiny import tiny_model

FEW, MANY = 10_000, 1_000_000


def memory(stage: Stage) -> dict[str, list[Figures]]:
    """The most that the process of the command has had, with a model that costs little; one turn."""
    model = tiny_model(stage.folder / "memory-model", 32)

    def play(count: int) -> Figures:
        with stage.scratch() as folder:
            source = inputs.write(folder / "in", inputs.short_texts(count), count)
            ran = run(embed(source, folder / "out", model), folder / "log")
            rows = results.rows_of(folder / "out")
            if rows != count:
                raise Failed(f"{rows:,} rows were written, not {count:,}")
            shards = len(results.files_of(folder / "out"))
            return {"driver_mb": ran.memory / 1e6, "rows": rows, "shards": shards, "seconds": ran.seconds}

    counts = {f"{usual:,} rows": stage.count(usual) for usual in (FEW, MANY)}
    return stage.take_turns({name: partial(play, count) for name, count in counts.items()}, turns=1)
