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


def export(
    model: str | Path | ModelSpec,
    *,
    out: str | Path,
    checkpoint: str | Path | None = None,
    engine: Engine | None = None,
    weights: Rounding | None = None,
    dimensions: int | None = None,
    plain: bool = False,
    prompts: Mapping[str, str] | None = None,
    max_length: int | None = None,
    split_special_tokens: bool = False,
    trust_remote_code: bool = False,
    model_kwargs: Mapping[str, Any] | None = None,
    hub: Mapping[str, Any] | None = None,
) -> Path:
    """Write what ``Encoder(out)`` opens without torch, transformers and sentence-transformers.

    The directory holds one graph, from token ids to unit vectors, ``tokenizer.json``, and a manifest with
    prompts, mask rules, identity, fingerprint and a digest of every file. It counts only once its tokens and
    its vectors were those of the model.

    Args:
        model: A name, a directory, a hub id, a YAML file or a spec, see :func:`youtu_st.load`.
        out: The directory to write; must be absent or empty.
        checkpoint: Weights for a name or a YAML file.
        engine: ``onnx`` (ONNX Runtime) or ``openvino``; None: the first of these that is installed.
        weights: ``int8``: weights rounded to eight bits, computed in float32. ``int8-dynamic``, with
            ``onnx``: activations too. None: float32.
        dimensions: Length that vectors are cut to; one that the model was trained for. None: whole.
        plain: Write stock sentence-transformers modules in place of a graph, where these give the same
            vectors: ``SentenceTransformer(out)`` then needs neither this package nor
            ``trust_remote_code``. See :func:`youtu_st.loading.plain.write_plain`.
        prompts: Prompts that replace the model's own.
        max_length: Tokens to read, if fewer than the model's maximum.
        split_special_tokens: Read special tokens that stand in a text as characters.
        trust_remote_code: Run code that the checkpoint brings.
        model_kwargs: For the network's ``from_pretrained``, see :func:`youtu_st.load`.
        hub: For downloads, see :func:`youtu_st.load`.

    Returns:
        ``out``.

    Raises:
        InputError: If an argument is not what it may be.
        ModelLoadError: If ``out`` is not empty, the model cannot be loaded or exported, or the graph does not
            give its vectors on this machine.
        MissingDependencyError: If the engine is not installed.
    """
    vacant(out)
    chosen: Engine | None = None
    if plain:
        _refuse(engine=engine, weights=weights, dimensions=dimensions)
    else:
        chosen = engine_for(engine, weights)
    loaded = load(
        model,
        checkpoint,
        device="cpu",
        dtype="float32",
        prompts=prompts,
        max_length=max_length,
        split_special_tokens=split_special_tokens,
        trust_remote_code=trust_remote_code,
        model_kwargs=model_kwargs,
        hub=hub,
    )
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
