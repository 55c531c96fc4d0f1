"""Who turns a folder of Parquet into a folder of Parquet with vectors: each a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from servers.texts import stock_directory

from scaling import results
from scaling.processes import YOUTU_ST

MODEL, WORKERS, SHARD_TOKENS, BLOCK = "minilm", 2, 1 << 16, 256
OURS, STREAM, LOOP = "embed --workers 2", "iter_encode_document", "SentenceTransformer.encode"
ON_RAY, RAY_DATA, RAY_BLOCKS = "embed --engine ray", "Ray Data", "Ray Data, repartitioned"


@dataclass(frozen=True)
class Job:
    """What a contestant is given.

    Attributes:
        source: The folder of Parquet.
        out: Where its own folder will be.
        mark: File that some write as their first text goes to the model.
        address: Of the cluster; "": none.
        model: A name or a directory; None: MiniLM.
        shard_tokens: Of the shards of those that have some.
    """

    source: Path
    out: Path
    mark: Path
    address: str = ""
    model: str | None = None
    shard_tokens: int = SHARD_TOKENS


@dataclass(frozen=True)
class Contestant:
    """One way to do it.

    Attributes:
        name: In the tables.
        command: What is run.
        first: Seconds since the epoch when its first text went to the model.
        cpus: Of each of the two Ray nodes that it needs; 0: none.
    """

    name: str
    command: Callable[[Job], Sequence[str]]
    first: Callable[[Job], float]
    cpus: int = 0


def embed(source: Path, out: Path, model: Path | str = MODEL, *further: str) -> list[str]:
    """This project's command."""
    how = ["--model", str(model), "--out", str(out), "--id", "id", "--workers", str(WORKERS), *further]
    return [*YOUTU_ST, "embed", str(source), *how]


def passages(job: Job, *further: str) -> list[str]:
    """The same for the passages: these are few, so that their shards are smaller than usual."""
    trusted = [] if job.model is None else ["--trust-remote-code"]
    shards = ["--shard-tokens", str(job.shard_tokens)]
    return embed(job.source, job.out, job.model or MODEL, *shards, *trusted, *further)


def script(name: str, *before: str, job: Job, model: str) -> list[str]:
    """One of this folder."""
    given = [*before, model, str(job.source), str(job.out), str(job.mark)]
    return [sys.executable, "-m", f"scaling.{name}", *given]


def recipe(job: Job, block: int) -> list[str]:
    return script("recipe", job.address, str(block), job=job, model=job.model or stock_directory())


def of_shards(job: Job) -> float:
    return results.first_row(job.out)


def of_mark(job: Job) -> float:
    return results.marked(job.mark)


ours = Contestant(OURS, passages, of_shards)
stream = Contestant(STREAM, lambda job: script("streaming", job=job, model=MODEL), of_mark)
loop = Contestant(LOOP, lambda job: script("looping", job=job, model=stock_directory()), of_mark)
on_ray = Contestant(
    ON_RAY, lambda job: passages(job, "--engine", "ray", "--address", job.address), of_shards, cpus=1
)
ray_data = Contestant(RAY_DATA, lambda job: recipe(job, 0), of_mark, cpus=2)
ray_blocks = Contestant(RAY_BLOCKS, lambda job: recipe(job, BLOCK), of_mark, cpus=2)
