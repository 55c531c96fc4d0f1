"""What large corpora cost, beside the ways that people have without this package, in one run.

Each contestant is a process of its own that reads Parquet and writes Parquet: the passages of SciFact and
SQuAD, with MiniLM. What each has written is compared with the library's vectors before its time counts. Turns
are interleaved, figures are medians. Documents a second are counted from the first text that goes to the
model to the last file in its place; beside them stands what a start costs. The other parts say how many rows
are encoded twice after a worker is killed, as the network itself counts them, and what a restart, the
driver's memory, a shard, a copy into LanceDB and a large `VectorIndex` cost.

    python benchmarks/scale.py --json PATH
    python benchmarks/scale.py --part embed --rows 500 --turns 1
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import promises
from encoding.machine import processor
from scaling import inputs, report
from scaling.processes import Failed, progress
from scaling.stage import Figures, Stage

TURNS = 5
NEEDS = {"ray": "ray", "kill": "ray", "copy": "lancedb"}
PARTS = ("embed", "ray", "kill", "restart", "memory", "shard", "copy", "index")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    parser.add_argument(
        "--part", nargs="+", default=PARTS, choices=PARTS, metavar="PART", help=", ".join(PARTS)
    )
    parser.add_argument("--turns", type=int, default=TURNS, metavar="N", help=f"turns ({TURNS})")
    parser.add_argument("--rows", type=int, metavar="N", help="of the passages; all of them otherwise")
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        metavar="X",
        help="share of the rows that the other parts make (1)",
    )
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where to work; a temporary one otherwise")
    return parser.parse_args(arguments)


def parts() -> dict[str, Callable[[Stage], dict[str, list[Figures]]]]:
    """By name."""
    from scaling import copies, indexes, kills, memory, restarts, shards, speeds

    speed = (speeds.embed, speeds.ray)
    others = (kills.kill, restarts.restart, memory.memory, shards.shard, copies.copy, indexes.index)
    return dict(zip(PARTS, (*speed, *others), strict=True))


def play(stage: Stage, names: Sequence[str]) -> tuple[dict[str, dict[str, list[Figures]]], dict[str, str]]:
    """All figures of the parts, turn by turn; and which were left out, and why."""
    found: dict[str, dict[str, list[Figures]]] = {}
    skipped: dict[str, str] = {}
    for name, part in parts().items():
        if name not in names:
            continue
        module = NEEDS.get(name)
        if module is not None and find_spec(module) is None:
            skipped[name] = f"{module} is not installed"
            continue
        progress(f"{name}:")
        try:
            found[name] = part(stage)
        except Failed as error:
            stage.failed[name] = str(error)
    return found, skipped


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    if not inputs.there():
        print(f"skipped: {inputs.MISSING}")
        return 0
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        stage = Stage(Path(folder), options.turns, options.rows, options.scale)
        turns, skipped = play(stage, options.part)
    found = {name: report.medians(taken) for name, taken in turns.items()}
    promised = report.targets(found)
    print(f"{processor()}, {os.cpu_count()} cores, medians of {options.turns}\n")
    for name, rows in found.items():
        print(report.table(name, rows))
    for kind, reasons in (("skipped", skipped), ("FAILED", stage.failed)):
        for name, reason in reasons.items():
            print(f"{kind}: {name}: {reason}")
    print(promises.target_table(promised))
    others = [own["others"] for rows in found.values() for own in rows.values() if own.get("others")]
    if others:
        print(f"\nmeanwhile other processes used {statistics.median(others):.0%} of the cores")
    seconds = round(time.perf_counter() - began)
    progress(f"took {seconds} s")
    if options.json:
        settings = {"turns": options.turns, "rows": options.rows, "scale": options.scale, "seconds": seconds}
        result = {
            "machine": {"processor": processor(), "cores": os.cpu_count()},
            "settings": settings,
            "parts": found,
            "turns": turns,
            "skipped": skipped,
            "failed": stage.failed,
            "targets": promised,
        }
        options.json.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    return 1 if stage.failed else 0


if __name__ == "__main__":
    sys.exit(main())
