"""How fast a server answers, beside the servers that people write or run instead, in one run.

Each contestant is a process on a loopback port, started as its users start it; a process of its own sends
requests in a closed loop. The model is MiniLM in all of them, the texts are SciFact's questions and
abstracts, and before anything is timed, all are seen to give the library's vectors. Turns are interleaved,
figures are medians of five turns; "CPU ms" is the server's processor time for each request, "client's" the
client's own.

OpenMP's threads wait for each other in a loop for some milliseconds, and where another process has a core
meanwhile (the client, say), all that computes with PyTorch gets slower by any factor up to thirty, now and
then. So all contestants run with OMP_WAIT_POLICY=passive, or with what the environment says of it; ``--spin``
leaves it out. The last line says how busy others were.

    python benchmarks/serve.py --infinity ../infinity/bin/python --json PATH
    python benchmarks/serve.py --only questions one --seconds 2 --turns 1
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import promises
from encoding.machine import processor
from servers import client, report, scenarios, texts
from servers.contestants import contestants
from servers.library import library
from servers.scenarios import OWN, SHARED, Figures, Stage, progress
from servers.workers import Failed, Worker

TURNS, SECONDS = 5, 4.0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*SHARED, *OWN]
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    parser.add_argument(
        "--only", nargs="+", default=names, choices=names, metavar="SCENARIO", help=str(names)
    )
    parser.add_argument("--turns", type=int, default=TURNS, metavar="N", help=f"turns ({TURNS})")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"of each load ({SECONDS:.0f})")
    parser.add_argument("--spin", action="store_true", help="OpenMP's threads wait in a loop, as by default")
    parser.add_argument("--infinity", metavar="PYTHON", help="an interpreter that has infinity-emb")
    return parser.parse_args(arguments)


def play(stage: Stage, names: Sequence[str], infinity: str | None) -> tuple[dict[str, Any], dict[str, str]]:
    """All figures of the scenarios, turn by turn; and who did not take part, and why."""
    found: dict[str, dict[str, list[Figures]]] = {}
    skipped: dict[str, str] = {}
    for name in (name for name in OWN if name in names):
        progress(f"{name}:")
        try:
            found[name] = OWN[name](stage)
        except Failed as error:
            stage.failed[name] = str(error)
    if set(names) & set(SHARED):
        there, skipped = contestants(infinity)
        try:
            for contestant in there:
                try:
                    stage.running[contestant.name] = (contestant, stage.start(contestant))
                except Failed as error:
                    stage.failed[contestant.name] = str(error)
            scenarios.check_vectors(stage)
            for name in (name for name in SHARED if name in names):
                progress(f"{name}:")
                found[name] = SHARED[name](stage)
        finally:
            for _, server in stage.running.values():
                server.stop()
    return found, skipped


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    if not texts.there():
        print(f"skipped: {texts.MISSING}")
        return 0
    began = time.perf_counter()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if not options.spin:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    questions, abstracts = texts.questions(), texts.documents()
    sending = Worker(client.functions)
    encoding = Worker(library, questions, abstracts)
    failed: dict[str, str] = {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            stage = Stage(
                client=sending,
                library=encoding,
                folder=Path(folder),
                turns=options.turns,
                seconds=options.seconds,
                questions=questions,
                abstracts=abstracts,
                running={},
                failed=failed,
            )
            turns, skipped = play(stage, options.only, options.infinity)
    finally:
        sending.end()
        encoding.end()
    found = {name: scenarios.medians(taken) for name, taken in turns.items()}
    promised = report.targets(found)
    print(f"{processor()}, {os.cpu_count()} cores, medians of {options.turns}\n")
    for name, rows in found.items():
        print(report.table(name, rows))
    openmp = os.environ.get("OMP_WAIT_POLICY", "spin")
    others = statistics.median(stage.others) if stage.others else None
    for kind, reasons in (("skipped", skipped), ("FAILED", failed)):
        for name, reason in reasons.items():
            print(f"{kind}: {name}: {reason}")
    print(promises.target_table(promised))
    if others is not None:
        print(f"\nOMP_WAIT_POLICY: {openmp}; meanwhile other processes used {others:.0%} of the cores")
    seconds = round(time.perf_counter() - began)
    progress(f"took {seconds} s")
    if options.json:
        settings = {"turns": options.turns, "seconds_of_a_load": options.seconds, "seconds": seconds}
        machine = {"processor": processor(), "cores": os.cpu_count(), "others": others, "openmp": openmp}
        result = {
            "machine": machine,
            "settings": settings,
            "scenarios": found,
            "turns": turns,
            "skipped": skipped,
            "failed": failed,
            "targets": promised,
        }
        options.json.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
