"""Copies in small blocks until it is done, or killed; run by ``test_copy_killed.py``.

``copy_worker.py SOURCE DESTINATION``: it says ``ready`` when its imports are done, begins when a line comes in, and
says each step that it is told of. At the end it says in JSON what was compared.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings
from dataclasses import asdict

from youtu_st.scale.copying import copy_rows, lance, rows

rows._MOST = 50  # rows of a block: a copy of a thousand has many moments
lance.COMMIT_BYTES = 100 * 24 * 4  # each second block is committed


def main() -> None:
    source, destination = sys.argv[1:]
    warnings.simplefilter("ignore")
    kind = destination.partition(":")[0]
    modules = {
        "lancedb": "lance lancedb.index",
        "milvus": "pymilvus milvus_lite.server_manager",
        "qdrant": "qdrant_client",
    }
    for name in modules.get(kind, "").split():
        importlib.import_module(name)
    say("ready")
    sys.stdin.readline()
    proof = copy_rows(source, destination, resume=True, report=lambda what, done, rows: say(f"{what} {done}"))
    say(json.dumps({"holds": proof.holds, **asdict(proof)}))


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())  # no buffer: what was said has left the process


if __name__ == "__main__":
    main()
