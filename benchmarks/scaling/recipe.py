"""Ray Data's documented recipe: ``read_parquet``, ``map_batches`` over a pool of actors, ``write_parquet``.

python -m scaling.recipe ADDRESS BLOCK DIRECTORY INPUT OUT MARK

The class is the one of Ray's guide to batch inference: the model is loaded in ``__init__``, and ``__call__``
takes a batch, which ``encode`` sorts by length. There are two actors.

- On two nodes with one CPU each the recipe never begins: the actors take both, and the tasks that read wait
  for one. So its nodes must say that they have one more.
- As documented (BLOCK is 0) small files become one block, and one actor does everything. Ray warns of it, and
  says to set ``override_num_blocks``, which changes nothing here (2.60). With BLOCK, rows are repartitioned
  into blocks of so many.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ray
import ray.data

from scaling.results import mark

BATCH, ACTORS = 256, 2


class Embed:
    def __init__(self, model: str, first: str) -> None:
        from sentence_transformers import SentenceTransformer

        self.model = SentenceTransformer(model, trust_remote_code=True)
        self.first = Path(first)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        mark(self.first)
        return {"id": batch["id"], "vector": self.model.encode(list(batch["text"]))}


def main(address: str, block: str, model: str, source: str, out: str, first: str) -> None:
    ray.init(address, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = ray.data.read_parquet(source)
    if int(block):
        rows = rows.repartition(target_num_rows_per_block=int(block))
    rows = rows.map_batches(
        Embed,
        fn_constructor_args=(model, first),
        batch_size=BATCH,
        compute=ray.data.ActorPoolStrategy(size=ACTORS),
    )
    rows.write_parquet(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
