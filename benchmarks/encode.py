"""How fast each way to encode is, side by side, in one run.

Each contestant is a process of its own, built as a user would build it; turns are interleaved, figures are
medians of five turns. What is encoded: see encoding/workloads.py. Ratios are to sentence-transformers as it
comes, and so are cosines, the lowest of all texts. "matmul" is the share of the speed that the same machine
reaches in the network's own matrix products, in PyTorch and in the same dtype, measured between the turns.
Memory is a process's peak after it was built and has encoded every text once; networks that must be converted
were converted before.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from encoding import plot, quality, report
from encoding.contestants import BASELINE, CONTESTANTS, RUNS
from encoding.players import SPAWN, First, Players, Turn, contestant, multiplications
from encoding.prepare import prepare, progress
from encoding.texts import DATA
from encoding.workloads import Workload

TURNS, QUICK_TEXTS = 5, 16
EXAMPLES = """examples:
  python benchmarks/encode.py                              everything: about ten minutes on two cores
  python benchmarks/encode.py --quick                      a few texts, tiny decoders, one turn: does it run?
  python benchmarks/encode.py --only minilm encoder-float32 onnxruntime
  python benchmarks/encode.py --json docs/encode-speed.json --plot docs/encode-speed.png
"""


def run(workload: Workload, names: Sequence[str], dtypes: Sequence[str], turns: int) -> report.Figures:
    """One workload: all contestants, all turns."""
    players, firsts = Players(), dict[str, First]()
    skipped, failed = dict[str, str](), dict[str, str]()
    halves = [dtype for dtype in dtypes if dtype != "float16"]
    players.start("matmul", multiplications, workload, halves)
    for name in names:
        said = players.start(name, contestant, name, workload)
        progress(f"{workload.name}: {name}: {'ready' if isinstance(said, First) else said}")
        if isinstance(said, First):
            firsts[name] = said
        else:
            (skipped if isinstance(said, str) else failed)[name] = str(said)
    if BASELINE not in firsts:
        raise SystemExit(f"{BASELINE}, which all are compared with, did not run: {failed or skipped}")
    taken: dict[str, list[Turn]] = {name: [] for name in firsts}
    multiplied = []
    for number in range(turns):
        multiplied.append(players.turn("matmul"))
        for name in list(firsts) if number % 2 == 0 else list(firsts)[::-1]:
            taken[name].append(players.turn(name))
        progress(f"{workload.name}: turn {number + 1} of {turns}")
    players.end()
    found = report.figures(workload, firsts, taken, multiplied)
    return {**found, "skipped": skipped, "failed": failed}


def in_process(work: Callable[..., Any], *arguments: Any) -> Any:
    """Call in a process of its own, so that this one stays small."""
    with ProcessPoolExecutor(1, mp_context=SPAWN) as pool:
        return pool.submit(work, *arguments).result()


def chosen(only: Sequence[str]) -> dict[str, list[str]]:
    """Contestants of each workload that ``--only`` leaves, and always the baseline."""
    names = [name for name in only if name in CONTESTANTS] or list(CONTESTANTS)
    places = [name for name in only if name in RUNS] or list(RUNS)
    return {
        place: [name for name in RUNS[place] if name in names or name == BASELINE]
        for place in RUNS
        if place in places
    }


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*RUNS, *CONTESTANTS]
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all figures to this file")
    parser.add_argument("--plot", type=Path, metavar="PATH", help="draw them into this PNG or SVG file")
    parser.add_argument(
        "--only", nargs="+", default=[], choices=names, metavar="NAME", help=f"of: {', '.join(names)}"
    )
    parser.add_argument("--texts", type=int, metavar="N", help="paragraphs; other texts in proportion")
    parser.add_argument("--turns", type=int, metavar="N", help=f"turns ({TURNS})")
    parser.add_argument("--quick", action="store_true", help="a few texts, tiny decoders, one turn")
    parser.add_argument(
        "--quality", action="store_true", help="nDCG@10 on all of SciFact too: many minutes a contestant"
    )
    options = parser.parse_args(arguments)
    if options.plot and "minilm" not in chosen(options.only):
        parser.error("--plot draws the minilm workload, which --only leaves out")
    if options.quality and not (DATA / "scifact").is_dir():
        parser.error("--quality needs SciFact in ../shared/data/scifact, which is not there")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    start = time.perf_counter()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    wanted = chosen(options.only)
    turns = options.turns or (1 if options.quick else TURNS)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["YOUTU_ST_CACHE"] = str(Path(folder, "cache"))
        texts = options.texts or (QUICK_TEXTS if options.quick else None)
        described, workloads = in_process(prepare, folder, texts, options.quick, wanted)
        found = {
            each.name: run(each, wanted[each.name], described["native_dtypes"], turns) for each in workloads
        }
        scores: dict[str, float] = {}
        if options.quality and "minilm" in found:
            minilm = next(each for each in workloads if each.name == "minilm")
            for name in found["minilm"]["contestants"]:
                scores[name] = in_process(quality.scifact, name, minilm)
                progress(f"SciFact: {name}: nDCG@10 {scores[name]:.4f}")
    promised = report.targets(found, scores)
    for name, each in found.items():
        print(report.table(name, each))
    print(report.target_table(promised))
    seconds = round(time.perf_counter() - start)
    progress(f"took {seconds} s")
    result = {
        "machine": described,
        "settings": {"turns": turns, "quick": options.quick, "seconds": seconds},
        "workloads": found,
        "scifact_ndcg_at_10": scores,
        "targets": promised,
    }
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    if options.plot:
        plot.draw(result, options.plot)
    return 1 if any(each["failed"] for each in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
