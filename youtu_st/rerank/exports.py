"""Models of either kind to directories that open without torch: encoders and rerankers."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from youtu_st.backends.graphs import Engine, Rounding
from youtu_st.disk import read_bounded
from youtu_st.errors import InputError, SpecError, UnknownModelError
from youtu_st.loading.manifest import is_exported
from youtu_st.spec.model import MODELS, ModelSpec
from youtu_st.spec.registry import expanded, fields_of, is_directory, is_hub_id, is_yaml
from youtu_st.spec.reranker import RERANKERS

_MOST_BYTES = 1 << 22
_SAYS_YES = "true_token"  # of the two kinds of specs, a reranker's alone has one


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
    """Write what opens without torch, transformers and sentence-transformers.

    ``Encoder(out)`` opens an embedding model, ``Reranker(out)`` a reranker. The directory holds one graph,
    from token ids to unit vectors or scores, ``tokenizer.json``, and a manifest with prompts or template,
    mask rules, identity, fingerprint and a digest of every file. It counts only once its tokens and its
    vectors or scores were those of the model.

    Args:
        model: A name, a directory, a hub id, a YAML file or a spec, see :func:`youtu_st.load` and
            :class:`~youtu_st.rerank.Reranker`.
        out: The directory to write; must be absent or empty.
        checkpoint: Weights for a name or a YAML file.
        engine: ``onnx`` (ONNX Runtime) or ``openvino``; None: the first of these that is installed.
        weights: ``int8``: weights rounded to eight bits, computed in float32. ``int8-dynamic``, with
            ``onnx``: activations too. None: float32.
        dimensions: Length that vectors are cut to; one that the model was trained for. None: whole.
        plain: Write stock sentence-transformers modules in place of a graph, where these give the same
            vectors: ``SentenceTransformer(out)`` then needs neither this package nor
            ``trust_remote_code``. See :func:`youtu_st.loading.plain.write_plain`.
        prompts: Prompts that replace the model's own; of an embedding model.
        max_length: Tokens to read: of an embedding model, if fewer than its maximum.
        split_special_tokens: Read special tokens that stand in a text as characters.
        trust_remote_code: Run code that the checkpoint brings.
        model_kwargs: For the network's ``from_pretrained``, see :func:`youtu_st.load`; of an embedding model.
        hub: For downloads, see :func:`youtu_st.load`.

    Returns:
        ``out``.

    Raises:
        InputError: If an argument is not what it may be, or is none for such a model.
        ModelLoadError: If ``out`` is not empty, the model cannot be loaded or exported, or the graph does not
            give its vectors or scores on this machine.
        UnknownModelError: If nothing goes by that name.
        MissingDependencyError: If the engine is not installed.
    """
    if not isinstance(model, str | Path | ModelSpec):
        raise InputError(
            "model must be a name, a directory, a hub id, a YAML file or a ModelSpec, not "
            f"{type(model).__name__}"
        )
    how = {
        "out": out,
        "checkpoint": checkpoint,
        "engine": engine,
        "weights": weights,
        "max_length": max_length,
        "split_special_tokens": split_special_tokens,
        "trust_remote_code": trust_remote_code,
        "hub": hub,
    }
    for_encoders = {
        "dimensions": dimensions,
        "plain": plain,
        "prompts": prompts,
        "model_kwargs": model_kwargs,
    }
    if isinstance(model, ModelSpec) or not is_reranker(model, hub):
        from youtu_st.loading.exporting import export_encoder

        return export_encoder(model, **how, **for_encoders)  # type: ignore[arg-type]  # as they were given
    given = [name for name, value in for_encoders.items() if value not in (None, False)]
    if given:
        raise InputError(f"{', '.join(given)}: for an embedding model, and {str(model)!r} is a reranker")
    from youtu_st.rerank.exporting import export_reranker

    return export_reranker(model, **how)  # type: ignore[arg-type]  # likewise


def is_reranker(model: str | Path, hub: Mapping[str, Any] | None = None) -> bool:
    """Whether a model is a reranker, by its name or by what its files say; nothing is loaded.

    Args:
        model: As for :func:`export`.
        hub: For the download of a hub id that no spec is for.

    Raises:
        UnknownModelError: If nothing goes by that name.
        InputError: If it is the directory of an exported model.
        YoutuError: If it cannot be downloaded.
    """
    name = str(model)
    if is_yaml(model):
        return _declares(expanded(model))
    if name in MODELS.names() or name in RERANKERS.names():
        return name in RERANKERS.names()
    if is_directory(model):
        if is_exported(model):
            raise InputError(f"{name!r} was exported already: export the model that it was made from")
        return _scores_pairs(expanded(model))
    if MODELS.by_hub_id(name) is not None or RERANKERS.by_hub_id(name) is not None:
        return MODELS.by_hub_id(name) is None
    if not is_hub_id(name):
        near = difflib.get_close_matches(name[:200].lower(), [*MODELS.names(), *RERANKERS.names()], n=1)
        registry = RERANKERS if near and near[0] in RERANKERS.names() else MODELS
        raise UnknownModelError(registry.unknown(name))
    from youtu_st.loading import checkpoint as files  # which loads the hub's client

    return _scores_pairs(files.local(name, files.hub_options(hub)))


def _declares(path: Path) -> bool:
    """Whether a spec's file declares a reranker; what is wrong with it, its reader says."""
    try:
        return _SAYS_YES in fields_of(path)
    except (OSError, SpecError, ValueError):
        return False


def _scores_pairs(directory: Path) -> bool:
    """Whether a checkpoint says that it gives scores of pairs."""
    saved = _settings(directory / "config_sentence_transformers.json").get("model_type")
    if (directory / "modules.json").is_file():
        return saved == "CrossEncoder"
    architectures = _settings(directory / "config.json").get("architectures")
    return isinstance(architectures, list) and str(architectures[:1]).endswith("ForSequenceClassification']")


def _settings(path: Path) -> dict[str, Any]:
    """What a file of settings says; nothing where there is none: loading the model says what is wrong."""
    try:
        found = json.loads(read_bounded(path, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
