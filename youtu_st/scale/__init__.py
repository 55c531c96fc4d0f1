"""Corpora of any size: a folder of rows to a folder of vectors, and on into a database.

    dataset.map_batches(youtu_st.scale.EmbedBatch, fn_constructor_args=("minilm",), concurrency=2)

Names are imported on first use: neither Ray nor Arrow is loaded here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from youtu_st.scale.cluster.batch import EmbedBatch as EmbedBatch

_HOME = {"EmbedBatch": "youtu_st.scale.cluster.batch"}

__all__ = ["EmbedBatch"]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'youtu_st.scale' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
