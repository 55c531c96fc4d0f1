"""One process that streams a folder of Parquet through ``iter_encode_document``, on all cores.

python -m scaling.streaming MODEL INPUT OUT MARK
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from scaling.results import mark, rows_of, vector_table
from youtu_st import Encoder

BLOCK = 1024


def main(model: str, source: str, out: str, first: str) -> None:
    encoder = Encoder(model)
    mark(Path(first))
    ids: list[str] = []

    def texts() -> Iterator[str]:
        for path in sorted(Path(source).glob("*.parquet")):
            for batch in pq.ParquetFile(path).iter_batches(BLOCK, columns=["id", "text"]):
                ids.extend(batch["id"].to_pylist())
                yield from batch["text"].to_pylist()

    Path(out).mkdir()
    writer = None
    for vectors in encoder.iter_encode_document(texts(), block_size=BLOCK):
        table: pa.Table = vector_table(ids[: len(vectors)], vectors)
        del ids[: len(vectors)]
        if writer is None:
            writer = pq.ParquetWriter(Path(out, "part.parquet"), table.schema, compression="none")
        writer.write_table(table)
    if writer is not None:
        writer.close()
    print(f"{rows_of(Path(out))} rows")


if __name__ == "__main__":
    main(*sys.argv[1:])
