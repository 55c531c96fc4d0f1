"""Further methods: those of sentence-transformers' own merge, which mergekit computes in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer

from youtu_st.backends.quiet import quiet_host
from youtu_st.errors import InputError, MissingDependencyError, did_you_mean, in_one_line, require
from youtu_st.loading.loader import load
from youtu_st.training.fusion.methods import METHODS
from youtu_st.training.fusion.sources import Source


def check_method(method: str) -> None:
    """Raise unless a method goes by that name.

    Raises:
        InputError: Naming those that are near, and all that there are.
        MissingDependencyError: If it is none of this package's, and the extra ``merge`` is not installed.
    """
    if method in METHODS:
        return
    try:
        known = [*METHODS, *_registered()]
    except MissingDependencyError:
        if not did_you_mean(method, METHODS):
            raise
        known = [*METHODS]
    if method not in known:
        meant = did_you_mean(method, known, most=3)
        raise InputError(f"unknown method {method[:100]!r} ({meant}known: {', '.join(known)})")


def merge(
    base: Source, checkpoints: Sequence[Source], *, method: str, weights: Sequence[float] | None, out: Path
) -> None:
    """Merge by a method of mergekit, and save what comes of it: all checkpoints are in memory at once.

    Args:
        base: Handed to the methods that take a base; others leave it out.
        checkpoints: What is merged.
        method: One of mergekit's.
        weights: One for each checkpoint; None: the method's own.
        out: The directory to write to.

    Raises:
        InputError: If the method takes no weights, or is not for so many checkpoints.
        ModelLoadError: As for :func:`youtu_st.load`.
    """
    rules = _registered()[method].spec
    parameters = {} if weights is None else {"weight": list(weights)}
    if parameters and "weight" not in {parameter.name for parameter in rules.parameters}:
        raise InputError(f"the method {method!r} takes no weights: leave them out")
    most = rules.contract.max_inputs or len(checkpoints) + 1
    # slerp is between two: the checkpoints, or where there is one, the base and that.
    takes_base = rules.contract.base.value in ("required", "optional") and len(checkpoints) < most
    sources = [*checkpoints, *([base] if takes_base else [])]
    models = [load(source.name, device="cpu", dtype="checkpoint") for source in sources]
    try:
        with quiet_host():
            merged = SentenceTransformer.merge(
                models,
                method,
                base_model=models[-1] if takes_base else None,
                parameters=parameters,
                out_dtype=next(models[0].parameters()).dtype,
            )
            merged.save_pretrained(str(out), create_model_card=False)
    except (ValueError, RuntimeError, TypeError) as error:
        raise InputError(in_one_line(f"the method {method!r} cannot merge these", error)) from error


def _registered() -> dict[str, Any]:
    """Mergekit's methods, by name."""
    host = require("mergekit.merge_methods", "merge")
    return {method.spec.name: method for method in host.registered_methods()}
