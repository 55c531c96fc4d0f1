"""The script that people write: a folder of Parquet into a table of LanceDB, with the columns of a copy.

python -m scaling.bare_lance FOLDER DATABASE TABLE
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import lancedb
import pyarrow as pa
import pyarrow.parquet as pq


def main(source: str, database: str, table: str) -> None:
    paths = sorted(Path(source).glob("*.parquet"))
    dimension = pq.read_schema(paths[0]).field("vector").type.list_size
    schema = pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("text", pa.string()),
            pa.field("metadata", pa.json_(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), dimension), nullable=False),
        ]
    )

    def batches() -> Iterator[pa.RecordBatch]:
        for path in paths:
            for batch in pq.ParquetFile(path).iter_batches(8192):
                kept = [json.dumps({"kind": kind}) for kind in batch["kind"].to_pylist()]
                columns = [batch["id"], batch["text"], pa.array(kept, pa.json_())]
                vectors = pa.FixedSizeListArray.from_arrays(
                    batch["vector"].flatten(), type=schema.field("vector").type
                )
                yield pa.record_batch([*columns, vectors], schema=schema)

    lancedb.connect(database).create_table(table, pa.RecordBatchReader.from_batches(schema, batches()))


if __name__ == "__main__":
    main(*sys.argv[1:])
