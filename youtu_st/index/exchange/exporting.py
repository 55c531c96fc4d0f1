"""An index written to a file, without its model: Parquet, JSON Lines, or a matrix and its texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from youtu_st import disk
from youtu_st.errors import InputError, VectorIndexError, brief, printable, require
from youtu_st.index.blocks import Block, read_blocks
from youtu_st.index.exchange.parquet import ABOUT
from youtu_st.index.storage.directory import IndexDirectory
from youtu_st.index.storage.manifest import Manifest, read_manifest
from youtu_st.protocol import Vectors

SUFFIXES = (".parquet", ".jsonl", ".npy")
_ROWS = 1024

Report = Callable[[int, int], None]


def export_index(path: str | Path, to: str | Path, *, report: Report = lambda done, total: None) -> int:
    """Write all documents of an index, with their vectors, in the order they were added.

    - ``.parquet``: the columns ``id``, ``text``, ``metadata`` (JSON) and ``vector`` (float32).
    - ``.jsonl``: an object a line, with these fields; ``metadata`` is an object.
    - ``.npy``: the matrix of vectors, float32; ``id``, ``text`` and ``metadata`` of its rows go into the
      lines of a ``.jsonl`` file beside it.

    Read again by :func:`open_source`, the vectors are the same, bit by bit. Each file is written whole or not
    at all.

    Args:
        path: The index.
        to: The file.
        report: Told how many documents are written, and of how many.

    Returns:
        How many documents there are.

    Raises:
        IndexNotFoundError: If there is no index.
        InputError: If the file's ending is another, or its texts would replace a file that is not theirs.
        MissingDependencyError: If pyarrow is needed and not installed.
        VectorIndexError: If the index is changed meanwhile, its vectors cannot be given back, or the file
            cannot be written.
    """
    to = Path(to)
    check_target(to)
    manifest = read_manifest(path)
    with closing(IndexDirectory(Path(path), manifest, None)) as directory:
        total = directory.read(lambda documents, _: documents.state.documents)
        blocks = _told(read_blocks(directory, _ROWS), report, total)
        try:
            _WRITERS[to.suffix.lower()](to, blocks, manifest, total)
        except OSError as error:
            raise VectorIndexError(
                f"{printable(str(to))} cannot be written: {error.strerror or error}"
            ) from error
    return int(total)


def check_target(to: Path) -> None:
    """Refuse a file of another kind, and one whose texts would replace somebody's file.

    Raises:
        InputError: Naming it.
        MissingDependencyError: If pyarrow is needed and not installed.
    """
    suffix = to.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"the file must end in {', '.join(SUFFIXES)}, not {brief(to.suffix or to.name)}")
    if suffix == ".parquet":
        require("pyarrow.parquet", "scale")
    if suffix == ".npy" and _texts(to).exists() and not to.exists():
        raise InputError(
            f"the texts of {printable(to.name)} go to {printable(str(_texts(to)))}, which is there already"
        )


def _texts(to: Path) -> Path:
    return to.with_suffix(".jsonl")


def _told(blocks: Iterator[Block], report: Report, total: int) -> Iterator[Block]:
    done = 0
    for block in blocks:
        yield block
        done += len(block.ids)
        report(done, total)


def _write_parquet(to: Path, blocks: Iterator[Block], manifest: Manifest, total: int) -> None:
    pa: Any = require("pyarrow", "scale")
    pq: Any = require("pyarrow.parquet", "scale")
    about = {"model": manifest.model, "fingerprint": manifest.fingerprint}
    strings = [(name, pa.large_string()) for name in ("id", "text", "metadata")]
    vector = pa.list_(pa.float32(), manifest.dimension)
    schema = pa.schema([*strings, ("vector", vector)], metadata={ABOUT: json.dumps(about)})
    with disk.whole(to) as written, pq.ParquetWriter(str(written), schema) as writer:
        for block in blocks:
            numbers = pa.array(np.ascontiguousarray(block.vectors, dtype=np.float32).reshape(-1))
            rows = pa.FixedSizeListArray.from_arrays(numbers, manifest.dimension)
            columns = [pa.array(column, pa.large_string()) for column in block[:3]]
            writer.write_table(pa.Table.from_arrays([*columns, rows], schema=schema))


def _write_lines(to: Path, blocks: Iterator[Block], manifest: Manifest, total: int) -> None:
    with disk.whole(to) as written, written.open("w", encoding="utf-8", newline="\n") as file:
        for block in blocks:
            for line, vector in zip(_lines(block), block.vectors, strict=True):
                file.write(f'{line}, "vector": [{_numbers(vector)}]}}\n')


def _write_matrix(to: Path, blocks: Iterator[Block], manifest: Manifest, total: int) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": (total, manifest.dimension)}
    with (
        disk.whole(_texts(to)) as texts,
        disk.whole(to) as matrix,
        matrix.open("wb") as file,
        texts.open("w", encoding="utf-8", newline="\n") as lines,
    ):
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block.vectors, dtype="<f4").tobytes())
            lines.writelines(f"{line}}}\n" for line in _lines(block))


def _lines(block: Block) -> Iterator[str]:
    """Each document as JSON, but for its last brace; its metadata is JSON already."""
    for id, text, metadata in zip(block.ids, block.texts, block.metadata, strict=True):
        named = json.dumps({"id": id, "text": text}, ensure_ascii=False)
        yield f'{named[:-1]}, "metadata": {metadata}'


def _numbers(vector: Vectors) -> str:
    """Nine digits tell each float32 from its neighbours, and are read as it."""
    return ", ".join(f"{number:.9g}" for number in vector.tolist())


_WRITERS: dict[str, Callable[[Path, Iterator[Block], Manifest, int], None]] = {
    ".parquet": _write_parquet,
    ".jsonl": _write_lines,
    ".npy": _write_matrix,
}
