"""Rerankers: a query and the documents that a search found, best first. See ``docs/rerank.md``.

What is known of the models loads no torch, and an exported model does not either; making any other does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from youtu_st.spec.reranker import RerankerSpec as RerankerSpec
from youtu_st.spec.reranker import known_rerankers as known_rerankers
from youtu_st.spec.reranker import load_reranker_spec as load_reranker_spec

if TYPE_CHECKING:
    from youtu_st.rerank.reranker import Ranked as Ranked
    from youtu_st.rerank.reranker import Reranker as Reranker

_LATER = ("Ranked", "Reranker")

__all__ = ["Ranked", "Reranker", "RerankerSpec", "known_rerankers", "load_reranker_spec"]


def __getattr__(name: str) -> object:
    if name in _LATER:
        return getattr(importlib.import_module("youtu_st.rerank.reranker"), name)
    raise AttributeError(f"module 'youtu_st.rerank' has no attribute {name!r}")
