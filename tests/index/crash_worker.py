"""Writes to an index until it is killed, and says before and after each operation what it does.

Run by ``test_index_crash.py``: ``crash_worker.py DIRECTORY SEED``. It starts when a line comes in. Each line it
prints is JSON: ``["begin", operation, ids, texts]``, then ``["done"]``.
"""

from __future__ import annotations

import json
import os
import random
import sys

from tiny import TinyEncoder

from youtu_st.index import VectorIndex


def say(*message: object) -> None:
    os.write(1, (json.dumps(message) + "\n").encode())  # no buffer: what was said has left the process


def main() -> None:
    path, seed = sys.argv[1], int(sys.argv[2])
    chance, encoder = random.Random(seed), TinyEncoder()
    say("ready")
    sys.stdin.readline()
    number = 0
    while True:
        index = VectorIndex.open(path, encoder)
        for _ in range(chance.randint(1, 6)):
            kind, known = chance.random(), index.ids()
            if kind < 0.45:
                size = chance.randint(1, 30)
                ids = [f"{seed}-{number}-{i}" for i in range(size)]
                number += 1
            elif kind < 0.7 and known:  # replaced by new texts
                ids = chance.sample(known, min(len(known), chance.randint(1, 20)))
                number += 1
            else:
                ids = chance.sample(known, min(len(known), chance.randint(1, 30)))
                say("begin", "delete", ids, [])
                index.delete(ids)
                say("done")
                continue
            texts = [f"{id} version {seed}-{number}" for id in ids]
            say("begin", "add", ids, texts)
            index.add(texts, ids)
            say("done")
        index.close()


if __name__ == "__main__":
    main()
