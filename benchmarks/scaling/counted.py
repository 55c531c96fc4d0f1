"""MiniLM that writes down every row that goes through its network, whoever runs it."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from sentence_transformers.sentence_transformer.modules import Transformer
from servers.texts import stock_directory

WHERE = "COUNTED_ROWS"
"""Of the environment: the file that rows are written down in."""
LENGTH = 256


class CountedTransformer(Transformer):
    """The stock module; before each batch it appends one line to a file."""

    def forward(self, features: dict[str, Any], **further: Any) -> dict[str, Any]:
        ids, mask = features["input_ids"].numpy(), features["attention_mask"].numpy().astype(bool)
        rows = [digest(one[kept]) for one, kept in zip(ids, mask, strict=True)]
        line = json.dumps({"process": os.getpid(), "time": time.time(), "rows": rows}) + "\n"
        file = os.open(os.environ[WHERE], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(file, line.encode())  # at once, so that lines of several processes do not mix
        finally:
            os.close(file)
        found: dict[str, Any] = super().forward(features, **further)
        return found


def digest(ids: np.ndarray) -> str:
    return xxhash.xxh3_64_hexdigest(np.ascontiguousarray(ids, dtype=np.int64).tobytes())


def counted_model(directory: Path) -> Path:
    """A directory with MiniLM's files, whose first module is the counting one."""
    stock = Path(stock_directory())
    directory.mkdir()
    for path in stock.iterdir():
        if path.name != "modules.json":
            (directory / path.name).symlink_to(path)
    modules = json.loads((stock / "modules.json").read_text("utf-8"))
    modules[0]["type"] = f"{__name__}.{CountedTransformer.__name__}"
    (directory / "modules.json").write_text(json.dumps(modules), "utf-8")
    return directory


def rows_in_tokens(model: Path, texts: Sequence[str]) -> list[str]:
    """What is written down of each text."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(model))
    found = tokenizer(list(texts), truncation=True, max_length=LENGTH)["input_ids"]
    return [digest(np.array(ids)) for ids in found]


@dataclass(frozen=True)
class Count:
    """What went through the network.

    Attributes:
        batches: One line each: the process, the time, and its rows.
    """

    batches: list[Mapping[str, Any]]

    @classmethod
    def of(cls, log: Path) -> Count:
        if not log.exists():
            return cls([])
        whole = log.read_bytes().rpartition(b"\n")[0].splitlines()
        return cls([json.loads(line) for line in whole])

    def rows(self, known: set[str]) -> Counter[str]:
        """How often each of some rows did."""
        return Counter(row for batch in self.batches for row in batch["rows"] if row in known)
