"""Exports that rerankers make for themselves: kept in the cache."""

from __future__ import annotations

from collections.abc import Callable

from youtu_st.loading.kept import Kind
from youtu_st.rerank.manifest import RerankerManifest
from youtu_st.spec.reranker import RERANKERS as NAMES


def _export_reranker() -> Callable[..., object]:
    from youtu_st.rerank.exporting import export_reranker

    return export_reranker


RERANKERS = Kind(NAMES, RerankerManifest, _export_reranker, key=("reranker",))
"""As :func:`youtu_st.loading.kept.kept` takes it."""
