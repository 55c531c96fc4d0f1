"""An encoder to a directory that opens without torch: its graph, its tokenizer, and all that it says."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer

from youtu_st.backends.graphs import Engine, Rounding
from youtu_st.backends.graphs.making import make_graph
from youtu_st.errors import InputError
from youtu_st.inputs import check_dimensions
from youtu_st.loading.asked import engine_for, whole_name
from youtu_st.loading.exported import ExportManifest, read_export, texts_of
from youtu_st.loading.loader import load
from youtu_st.loading.manifest import TOKENIZER, write_manifest
from youtu_st.loading.plain import write_plain
from youtu_st.loading.reading import check_reading, reading_of
from youtu_st.loading.vacant import vacant, whole_directory
from youtu_st.modules import fingerprint
from youtu_st.modules.settings import lengths_of, normalizes, prompt_for
from youtu_st.spec.model import MODELS, ModelSpec, ModuleSettings
from youtu_st.spec.prompts import ROLES

log = logging.getLogger("youtu_st")


def export_encoder(
    model: str | Path | ModelSpec,
    *,
    out: str | Path,
    checkpoint: str | Path | None = None,
    engine: Engine | None = None,
    weights: Rounding | None = None,
    dimensions: int | None = None,
    plain: bool = False,
    **loads: Any,
) -> Path:
    """Write what ``Encoder(out)`` opens without torch, transformers and sentence-transformers.

    Args:
        model: As for :func:`youtu_st.export`, and so are the others that are named.
        out: Likewise.
        checkpoint: Likewise.
        engine: Likewise.
        weights: Likewise.
        dimensions: Likewise.
        plain: Likewise.
        **loads: Further arguments of :func:`youtu_st.load`.

    Returns:
        ``out``.

    Raises:
        YoutuError: As for :func:`youtu_st.export`.
    """
    vacant(out)
    chosen: Engine | None = None
    if plain:
        _refuse(engine=engine, weights=weights, dimensions=dimensions)
    else:
        chosen = engine_for(engine, weights)
    loaded = load(model, checkpoint, device="cpu", dtype="float32", **loads)
    if chosen is None:
        return write_plain(loaded, Path(out))
    name = MODELS.canonical_name(model)
    if dimensions is not None:
        check_dimensions(dimensions, lengths_of(loaded), name)
    with whole_directory(out) as scratch:
        source = {"model": name, "checkpoint": whole_name(checkpoint)}
        _write(loaded, scratch, source, engine=chosen, weights=weights, dimensions=dimensions)
    return Path(out)


def _refuse(**graph: object) -> None:
    """Raise for what is said of a graph, where none is made.

    Raises:
        InputError: Naming it.
    """
    given = [name for name, value in graph.items() if value is not None]
    if given:
        raise InputError(
            f"{', '.join(given)}: for a graph, and a plain export has stock modules in place of one"
        )


def _write(
    loaded: SentenceTransformer,
    folder: Path,
    source: Mapping[str, str | None],
    *,
    engine: Engine,
    weights: Rounding | None,
    dimensions: int | None,
) -> None:
    texts, reader = reading_of(loaded)
    made = make_graph(loaded, folder, engine=engine, weights=weights, dimension=dimensions)
    reader.backend_tokenizer.save(str(folder / TOKENIZER))
    dimension = dimensions or loaded.get_embedding_dimension() or 0
    identity = fingerprint.identity(loaded, dimension)
    first: Any = loaded[0]
    manifest = write_manifest(
        folder,
        ExportManifest,
        {
            **source,
            "engine": engine,
            "weights": weights,
            "network": first.model.config.model_type,
            "inputs": made.inputs,
            "dimension": dimension,
            "max_length": loaded.get_max_seq_length(),
            "padding_side": texts.padding_side,
            "counts_positions": texts.counts_positions,
            "settings": texts.settings.model_copy(update=_shorter(texts.settings, dimension)),
            "prompts": {role: prompt_for(loaded, role) for role in ROLES},
            "named_prompts": {name: prompt or "" for name, prompt in loaded.prompts.items()},
            "normalizes": normalizes(loaded),
            "marks_content": texts.marks_content,
            "tokenizer": reader.facts.now(),
            "identity": identity,
            "fingerprint": fingerprint.fingerprint(identity),
            "versions": made.versions,
            "difference": made.difference,
            "cosine": made.cosine,
        },
    )
    read_export(folder)
    check_reading(loaded, texts_of(folder, manifest))
    log.info("exported %s: largest difference %.2g", source["model"], made.difference)


def _shorter(settings: ModuleSettings, dimension: int) -> dict[str, Any]:
    """The lengths below a vector's own, where that is one of the shorter ones itself."""
    known = settings.matryoshka_dimensions
    if isinstance(known, dict):
        return {"matryoshka_dimensions": {"from": min(known["from"], dimension)}}
    return {"matryoshka_dimensions": tuple(length for length in known if length <= dimension)}
