"""Exports that rerankers make for themselves: kept in the cache."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from youtu_st.backends.graphs import Engine, Rounding
from youtu_st.loading.kept import Kind
from youtu_st.rerank.manifest import RerankerManifest
from youtu_st.spec.reranker import RERANKERS as NAMES


def _make(
    model: Any, out: Path, engine: Engine, weights: Rounding | None, settings: Mapping[str, Any]
) -> None:
    from youtu_st.rerank.exporting import export_reranker

    export_reranker(
        model,
        out=out,
        checkpoint=settings.get("checkpoint"),
        engine=engine,
        weights=weights,
        trust_remote_code=bool(settings.get("trust_remote_code")),
        hub=settings.get("hub"),
    )


RERANKERS = Kind(NAMES, RerankerManifest, _make, ("reranker",))
"""As :func:`youtu_st.loading.kept.kept` takes it."""
