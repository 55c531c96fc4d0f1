"""The loop that people write: ``SentenceTransformer.encode``, file by file, and one file at the end.

python -m scaling.looping DIRECTORY INPUT OUT MARK
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from sentence_transformers import SentenceTransformer

from scaling.results import mark, vector_table


def main(model: str, source: str, out: str, first: str) -> None:
    transformer = SentenceTransformer(model)
    mark(Path(first))
    ids: list[str] = []
    vectors: list[np.ndarray] = []
    for path in sorted(Path(source).glob("*.parquet")):
        table = pq.read_table(path, columns=["id", "text"])
        ids.extend(table["id"].to_pylist())
        vectors.append(transformer.encode(table["text"].to_pylist()))
    Path(out).mkdir()
    pq.write_table(vector_table(ids, np.concatenate(vectors)), Path(out, "part.parquet"), compression="none")
    print(f"{len(ids)} rows")


if __name__ == "__main__":
    main(*sys.argv[1:])
