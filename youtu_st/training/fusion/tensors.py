"""The tensors in files of weights: what the headers say of them, and reading a part of one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from youtu_st.disk import open_plain, read_bounded
from youtu_st.errors import ModelLoadError, brief
from youtu_st.loading.checkpoint import WEIGHTS

INDEX = f"{WEIGHTS}.index.json"
BLOCK = 1 << 20
"""Elements that are read, computed and written at once."""
_MOST_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor in a file.

    Attributes:
        path: The file.
        name: Its name there.
        dtype: As the format calls it: ``F32``, ``BF16``, ``I64``.
        shape: Its shape.
    """

    path: Path
    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def is_float(self) -> bool:
        """Whether its elements are weights, and not positions, masks or codes."""
        return self.dtype.startswith(("F", "BF"))

    def blocks(self) -> Iterator[slice | None]:
        """Rows that together are all of it, each block of about :data:`BLOCK` elements; None: all at once."""
        if not self.shape:
            yield None
            return
        rows = max(1, BLOCK // max(1, math.prod(self.shape[1:])))
        for start in range(0, self.shape[0], rows):
            yield slice(start, min(start + rows, self.shape[0]))

    def read(self, rows: slice | None) -> Tensor:
        """Some of its rows.

        The file is opened for these alone and is let go with them: of one that stays open, all pages that
        were ever read count as this process's memory.
        """
        with safe_open(self.path, framework="pt") as file:
            tensor: Tensor = file.get_tensor(self.name) if rows is None else file.get_slice(self.name)[rows]
            return tensor


def weight_files(folder: Path) -> list[Path]:
    """The files that a library reads a folder's weights from: one, or the shards of an index; or none.

    Raises:
        ModelLoadError: If the index names what is no file there.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    index = folder / INDEX
    if not index.is_file():
        return []
    try:
        named = set(json.loads(read_bounded(index, _MOST_BYTES))["weight_map"].values())
        files = [folder / name for name in sorted(named)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ModelLoadError(f"{index} is no index of weights: it needs a weight_map") from error
    for file in files:
        if file.parent != folder or not file.is_file():
            raise ModelLoadError(f"{index} names {brief(file.name)}, which is no file beside it")
    return files


def stored_in(files: Iterable[Path]) -> dict[str, StoredTensor]:
    """All tensors of some files, by their names."""
    found = {}
    for path in files:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no dict
                part = file.get_slice(name)
                found[name] = StoredTensor(path, name, part.get_dtype(), tuple(part.get_shape()))
    return found


def header_of(path: Path) -> tuple[bytes, list[str]]:
    """What stands in a file before its tensors, and their names in the order in which they follow.

    The format: eight bytes, the length of the JSON text after them; that says where each tensor is.
    """
    with open_plain(path) as file:
        length = file.read(8)
        text = file.read(int.from_bytes(length, "little"))
    entries = {name: entry for name, entry in json.loads(text).items() if name != "__metadata__"}
    return length + text, sorted(entries, key=lambda name: entries[name]["data_offsets"])
