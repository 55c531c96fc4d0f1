"""What is known about a model, as data: its prompts, pooling, padding, template. Loads no torch."""

from __future__ import annotations

from youtu_st.spec.model import MODELS, ModelSpec, Prompts, known_models, lengths, load_spec
from youtu_st.spec.prompts import fill
from youtu_st.spec.registry import configs_directory
from youtu_st.spec.reranker import RERANKERS, RerankerSpec, known_rerankers, load_reranker_spec

__all__ = [
    "MODELS",
    "RERANKERS",
    "ModelSpec",
    "Prompts",
    "RerankerSpec",
    "configs_directory",
    "fill",
    "known_models",
    "known_rerankers",
    "lengths",
    "load_reranker_spec",
    "load_spec",
]
