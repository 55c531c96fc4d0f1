"""``youtu-st export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from youtu_st.cli.console import (
    TrustRemoteCode,
    UsageError,
    absolute_model,
    echo,
    loading,
    model_names,
    reranker_names,
)
from youtu_st.cli.loaded import SplitSpecialTokens

if TYPE_CHECKING:
    from youtu_st.loading.exported import ExportManifest
    from youtu_st.rerank.manifest import RerankerManifest


def any_names(incomplete: str) -> list[str]:
    """Names of embedding models and rerankers, for a shell that completes them."""
    return [*model_names(incomplete), *reranker_names(incomplete)]


EXAMPLE = "Example: youtu-st export minilm --out minilm-onnx"


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="An encoder's or a reranker's name, a directory, a hub id, or a spec's .yaml file.",
            autocompletion=any_names,
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write; absent or empty.")],
    checkpoint: Annotated[
        str | None, typer.Option(metavar="DIR", help="Weights for a name: a directory or a hub id.")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="onnx or openvino; the first of these that is installed.")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="int8: weights of eight bits; int8-dynamic: activations too, with onnx."),
    ] = None,
    dimensions: Annotated[
        int | None, typer.Option(metavar="N", help="Length to cut vectors to.", show_default=False)
    ] = None,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Stock sentence-transformers modules in place of a graph."),
    ] = False,
    split_special_tokens: SplitSpecialTokens = False,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Write a directory that opens without PyTorch, with the same vectors or scores."""
    from youtu_st.backends.graphs import Engine, Rounding
    from youtu_st.loading.exported import read_export
    from youtu_st.loading.manifest import read_manifest
    from youtu_st.rerank.exports import is_reranker
    from youtu_st.rerank.manifest import RerankerManifest
    from youtu_st.spec.reranker import RERANKERS

    for option, value, allowed in (("engine", engine, Engine), ("weights", weights, Rounding)):
        if value is not None and value not in get_args(allowed):
            raise UsageError(f"--{option} must be one of {', '.join(get_args(allowed))}, not {value!r}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is not an empty directory: nothing is overwritten")
    scores = is_reranker(model)
    if scores:
        RERANKERS.resolve(model)  # a mistake in a spec is found at once
        if dimensions is not None or plain:
            raise UsageError(f"--dimensions and --plain are for embedding models, and {model} is a reranker")
    name = RERANKERS.canonical_name(model) if scores else absolute_model(model)
    told: dict[str, Any] = {
        "out": out,
        "checkpoint": checkpoint,
        "trust_remote_code": trust_remote_code,
        "split_special_tokens": split_special_tokens,
        "engine": engine,
        "weights": weights,
        "dimensions": dimensions,
        "plain": plain,
    }
    if plain and (engine or weights or dimensions):
        given = "leave --engine, --weights and --dimensions out"
        raise UsageError(f"--plain writes modules and no graph: {given}")
    with loading(f"exporting {model} ..."):
        from youtu_st.rerank.exports import export as write

        write(name, **told)
    if scores:
        said = _reranker_words(read_manifest(out, RerankerManifest))
    else:
        said = "stock modules" if plain else _words(read_export(out))
    echo(f"{name} -> {out}: {said}")


def _words(manifest: ExportManifest) -> str:
    rounded = ""
    if manifest.weights:
        rounded = f" with {manifest.weights} weights, lowest cosine {manifest.cosine:.4f}"
    return (
        f"{manifest.engine}{rounded}, {manifest.dimension} dimensions, fingerprint {manifest.fingerprint}, "
        f"largest difference {manifest.difference:.1g}"
    )


def _reranker_words(manifest: RerankerManifest) -> str:
    rounded = ""
    if manifest.weights:
        rounded = f" with {manifest.weights} weights, which move scores by up to {manifest.moved:.1%}"
    return (
        f"{manifest.engine}{rounded}, a reranker of {manifest.max_length} tokens, "
        f"fingerprint {manifest.fingerprint}, largest difference {manifest.difference:.1g}"
    )
