"""Corpora for ``youtu-st embed``, and what is in a folder that it wrote, read by nothing of the package."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from youtu_st import Encoder
from youtu_st.protocol import Vectors

WORDS = ("river", "train", "bank", "form", "city", "france", "capital", "science", "cell", "protein", "water")


def rows(number: int, *, seed: int = 1, longest: int = 24) -> list[dict[str, Any]]:
    """Rows with an id, a text, a language and a year; no two texts are alike."""
    chance = random.Random(seed)
    return [
        {
            "id": f"d{seed}-{i}",
            "text": " ".join(chance.choices(WORDS, k=chance.randint(3, longest))) + f" {i}",
            "lang": chance.choice(["en", "zh"]),
            "year": 2000 + i % 20,
        }
        for i in range(number)
    ]


def write_jsonl(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def parts(out: Path) -> list[Path]:
    return sorted((out / "vectors").glob("part-*.parquet"))


def stored(out: Path) -> dict[str, Vectors]:
    """Vectors by id; no id is there twice."""
    found: dict[str, Vectors] = {}
    for path in parts(out):
        table = pq.read_table(path)
        ids = table["id"].to_pylist()
        assert len(set(ids)) == len(ids)
        assert not found.keys() & set(ids)
        found.update(zip(ids, np.array(table["vector"].to_pylist(), dtype=np.float32), strict=True))
    return found


def check(out: Path, wanted: list[dict[str, Any]], encoder: Encoder) -> None:
    """Every id once, vectors as the encoder has them, and nothing that only somebody at work would need."""
    found = stored(out)
    assert found.keys() == {row["id"] for row in wanted}
    vectors = np.array([found[row["id"]] for row in wanted])
    assert np.abs(vectors - encoder.encode_document([row["text"] for row in wanted])).max() < 1e-6
    check_tidy(out)


def check_tidy(out: Path) -> None:
    """No file is left of whoever was at work."""
    left = [name for _, _, names in os.walk(out) for name in names]
    assert not [name for name in left if name != "job.json" and not name.startswith("part-")]
