"""A reranker as frameworks call it: loaded once for all adapters, and told how many texts are wanted."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from youtu_st.errors import InputError, did_you_mean
from youtu_st.frameworks.arguments import refuse_settings
from youtu_st.inputs import check_count
from youtu_st.rerank import Ranked, Reranker

DEFAULT_MODEL = "qwen3-reranker-0.6b"
_SETTINGS = [name for name in inspect.signature(Reranker).parameters if name != "model"]


def reranker_for(model: str | None, *, reranker: Reranker | None, settings: Mapping[str, Any]) -> Reranker:
    """The reranker that is there, or this process's one for a model (None: the default) and settings.

    Raises:
        InputError: If both are given, if ``reranker`` is something else, or if a setting is unknown.
        YoutuError: As for :class:`~youtu_st.rerank.Reranker`.
    """
    for name in settings:
        if name not in _SETTINGS:
            hint = did_you_mean(name, _SETTINGS)
            raise InputError(f"{name!r} is not taken here: {hint}use one of {', '.join(_SETTINGS)}")
    if reranker is None:
        return Reranker.shared(model or DEFAULT_MODEL, **settings)
    if not isinstance(reranker, Reranker):
        raise InputError(
            f"reranker must be a Reranker, not {type(reranker).__name__}; "
            "for a CrossEncoder pass Reranker(model)"
        )
    refuse_settings({"model": model, **settings}, Reranker)
    return reranker


def check_top_n(top_n: int | None) -> None:
    """Raise unless ``top_n`` is None, for all texts, or at least 1."""
    try:
        check_count("top_n", 1 if top_n is None else top_n)
    except InputError as error:
        raise InputError(f"top_n must be an int of at least 1, or None for all, not {top_n!r}") from error


def best(
    reranker: Reranker, query: str, texts: Sequence[str], *, top_n: int | None, instruction: str | None
) -> list[Ranked]:
    """The ``top_n`` texts that answer a query best, see :meth:`youtu_st.rerank.Reranker.rank`."""
    check_top_n(top_n)  # again: frameworks let fields be assigned to at any time
    return reranker.rank(query, texts, k=top_n, instruction=instruction)
