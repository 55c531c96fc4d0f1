"""How long a process takes from its start to its first vector, and a query then, with MiniLM.

Each contestant is a process of its own, that imports, opens, and encodes one question; then two hundred more,
one by one. Turns are interleaved, figures are medians. Before that, all is exported once, which does not
count; the vectors are compared with sentence-transformers'.

    python benchmarks/start.py --json PATH
    python benchmarks/start.py --turns 1
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import promises
from encoding import prepare, workloads
from encoding.contestants import FILES
from encoding.machine import processor
from scaling.processes import YOUTU_ST, Failed, Ran, progress, run

TURNS = 5
BASE, ENGINE, BARE_ONE = "sentence-transformers", "Encoder, onnx", "bare ONNX Runtime"
SEARCH, IMPORT = "index search", "import it alone"
QUESTION = "How is the weather today?"

PROGRAM = """
import time
began = time.perf_counter()
{opens}
vector = encode({question!r})
first = time.perf_counter() - began
times = []
for i in range(200):
    start = time.perf_counter()
    encode({question!r} + str(i))
    times.append(time.perf_counter() - start)
import json
print(json.dumps([first, sorted(times)[100] * 1e3, [float(x) for x in vector]]))
"""
STOCK = """
from sentence_transformers import SentenceTransformer
model = SentenceTransformer({stock!r}, device="cpu")
encode = lambda text: model.encode_query([text], show_progress_bar=False)[0]
"""
FASTEMBED = """
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType
TextEmbedding.add_custom_model(model="local/minilm", pooling=PoolingType.MEAN, normalization=True,
    sources=ModelSource(hf="local/minilm"), dim=384, model_file={file!r})
model = TextEmbedding("local/minilm", specific_model_path={graph!r}, local_files_only=True)
encode = lambda text: next(iter(model.query_embed(text)))
"""
OURS = """
from youtu_st import Encoder
encoder = Encoder({model!r}, **{settings!r})
encode = lambda text: encoder.encode_query([text])[0]
"""
BARE = """
import os
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import numpy, onnxruntime
from tokenizers import Tokenizer
tokenizer = Tokenizer.from_file({folder!r} + "/tokenizer.json")
tokenizer.no_padding()
options = onnxruntime.SessionOptions()
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession({folder!r} + "/model.onnx", options)
names = [port.name for port in session.get_inputs()]
def encode(text):
    ids = numpy.array([tokenizer.encode(text).ids])
    ones = numpy.ones_like(ids)
    given = dict(input_ids=ids, attention_mask=ones, content_mask=ones, token_type_ids=ones - 1)
    return session.run(None, {{name: given[name] for name in names}})[0][0]
"""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    parser.add_argument("--turns", type=int, default=TURNS, metavar="N", help=f"turns ({TURNS})")
    return parser.parse_args(arguments)


def programs(folder: Path) -> dict[str, list[str]]:
    """Commands by contestant; what they open is made here."""
    import youtu_st

    workload = workloads.minilm(workloads.Size(8))
    graph = prepare.export(workload, folder / "graph")
    made: dict[str, Path] = {}
    ways: dict[str, dict[str, Any]] = {
        "onnx": {"engine": "onnx"},
        "openvino": {"engine": "openvino"},
        "dynamic": {"engine": "onnx", "weights": "int8-dynamic"},
    }
    for name, way in ways.items():
        progress(f"exporting: {name}")
        made[name] = youtu_st.export("minilm", out=folder / name, **way)
    opens = {
        BASE: STOCK.format(stock=workload.stock),
        "fastembed": FASTEMBED.format(graph=graph, file=FILES[0]),
        "Encoder, torch": OURS.format(model="minilm", settings={}),
        ENGINE: OURS.format(model=str(made["onnx"]), settings={}),
        "Encoder, openvino": OURS.format(model=str(made["openvino"]), settings={}),
        "Encoder, int8-dynamic": OURS.format(model=str(made["dynamic"]), settings={}),
        BARE_ONE: BARE.format(folder=str(made["onnx"])),
    }
    return {
        name: [sys.executable, "-c", PROGRAM.format(opens=text, question=QUESTION)]
        for name, text in opens.items()
    }


def searches(folder: Path) -> dict[str, Callable[[], Ran]]:
    """A search from the shell, beside the import that it does without."""
    (folder / "notes.txt").write_text("The Rhine flows north.\nMars is the Red Planet.\n")
    further = {"YOUTU_ST_CACHE": str(folder / "cache"), "YOUTU_ST_ENGINE": "onnx"}
    index = str(folder / "index")
    build = [*YOUTU_ST, "index", "build", str(folder / "notes.txt"), "--out", index]
    run(build, folder / "build.log", further=further)
    search = [*YOUTU_ST, "index", "search", index, "Which planet is red?", "-k", "1"]
    return {
        SEARCH: lambda: run(search, folder / "search.log", further=further),
        IMPORT: lambda: run([sys.executable, "-c", "import sentence_transformers"], folder / "import.log"),
    }


def play(folder: Path, turns: int) -> dict[str, list[dict[str, Any]]]:
    """All figures, turn by turn."""
    found: dict[str, list[dict[str, Any]]] = {}
    players, commands, right = programs(folder), searches(folder), None
    for turn in range(turns):
        progress(f"turn {turn + 1} of {turns}")
        for name, command in players.items():
            ran = run(command, folder / "log")
            first, query, vector = json.loads(ran.said.strip().splitlines()[-1])
            right = vector if right is None else right
            figures = {"first_s": first, "query_ms": query, "cosine": float(np.dot(vector, right))}
            found.setdefault(name, []).append({**figures, **_of(ran)})
        for name, call in commands.items():
            ran = call()
            found.setdefault(name, []).append({"first_s": ran.seconds, **_of(ran)})
    return found


def _of(ran: Ran) -> dict[str, Any]:
    return {"whole_s": ran.seconds, "cpu_s": ran.cpu, "memory_mb": ran.memory / 1e6, "others": ran.others}


COLUMNS: promises.Columns = {
    "first_s": ("first s", ".2f"),
    "query_ms": ("query ms", ".2f"),
    "memory_mb": ("peak MB", ".0f"),
    "cosine": ("cosine", ".6f"),
}


def targets(found: Mapping[str, Mapping[str, Any]]) -> list[promises.Figures]:
    """What was promised of a start."""

    def beside(name: str, other: str, figure: str) -> float | None:
        return promises.ratio(found[name].get(figure), found[other].get(figure))

    dynamic = "Encoder, int8-dynamic"
    return promises.judged(
        [
            (
                "start to first vector, beside the host",
                "<=",
                0.12,
                beside(ENGINE, BASE, "first_s"),
            ),
            ("the same, beside fastembed", "<=", 1.0, beside(ENGINE, "fastembed", "first_s")),
            ("index search, seconds", "<=", 1.0, found[SEARCH].get("first_s")),
            ("the same, beside the import", "<=", 0.25, beside(SEARCH, IMPORT, "first_s")),
            ("one query, beside sentence-transformers", "<=", 0.36, beside(ENGINE, BASE, "query_ms")),
            (
                "one query, beside the bare engine",
                "<=",
                1.15,
                beside(ENGINE, "bare ONNX Runtime", "query_ms"),
            ),
            ("one query, dynamic int8", "<=", 0.25, beside(dynamic, BASE, "query_ms")),
            ("peak memory of a search", "<=", 0.5, beside(SEARCH, BASE, "memory_mb")),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as folder:
        try:
            turns = play(Path(folder), options.turns)
        except Failed as error:
            print(f"FAILED: {error}")
            return 1
    found = {
        name: {figure: statistics.median(turn[figure] for turn in taken) for figure in taken[0]}
        for name, taken in turns.items()
    }
    print(f"{processor()}, {os.cpu_count()} cores, medians of {options.turns}\n")
    print(promises.table("start:", found, COLUMNS, name=24, width=10))
    promised = targets(found)
    print(promises.target_table(promised))
    others = statistics.median(own["others"] for own in found.values())
    print(f"\nmeanwhile other processes used {others:.0%} of the cores")
    if options.json:
        machine = {"processor": processor(), "cores": os.cpu_count()}
        result = {"machine": machine, "medians": found, "turns": turns, "targets": promised}
        options.json.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
