"""A reranker to a directory that opens without torch: its graph, its tokenizer, and all that it says."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Transformer

from youtu_st import probes
from youtu_st.backends.graphs import Engine, Rounding
from youtu_st.backends.graphs.rerankers import make_reranker_graph
from youtu_st.errors import ModelLoadError
from youtu_st.loading.asked import engine_for, whole_name
from youtu_st.loading.manifest import TOKENIZER, read_manifest, write_manifest
from youtu_st.loading.vacant import vacant, whole_directory
from youtu_st.modules.reader import PROBES, FastReader
from youtu_st.modules.readers import reader_for
from youtu_st.protocol import fingerprint
from youtu_st.rerank.exported import ExportedReranker
from youtu_st.rerank.hosted import HostedReranker
from youtu_st.rerank.loading import limit_of, load, set_max_length
from youtu_st.rerank.manifest import RerankerManifest
from youtu_st.rerank.transformer import TEMPLATE, RerankTransformer
from youtu_st.spec.reranker import RERANKERS

_LONG = "many words in a row, and more of them. " * 400
log = logging.getLogger("youtu_st")


def export_reranker(
    model: str | Path,
    *,
    out: str | Path,
    checkpoint: str | Path | None = None,
    engine: Engine | None = None,
    weights: Rounding | None = None,
    max_length: int | None = None,
    split_special_tokens: bool = False,
    trust_remote_code: bool = False,
    hub: Mapping[str, Any] | None = None,
) -> Path:
    """Write what ``Reranker(out)`` opens without torch, transformers and sentence-transformers.

    The directory holds one graph, from token ids to scores, ``tokenizer.json``, and a manifest with template,
    activation, lengths, identity, fingerprint and a digest of every file. It counts only once its tokens and
    its scores were those of the model.

    Args:
        model: A name, a directory, a hub id or a YAML file, as for :class:`~youtu_st.rerank.Reranker`.
        out: The directory to write; must be absent or empty.
        checkpoint: As for :class:`~youtu_st.rerank.Reranker`.
        engine: As for :func:`youtu_st.export`.
        weights: As for :func:`youtu_st.export`; what they may move scores by is
            :data:`youtu_st.backends.graphs.rerankers.MOST_MOVED`.
        max_length: Tokens to read of a pair, its template included. None: the model's own.
        split_special_tokens: As for :class:`~youtu_st.rerank.Reranker`.
        trust_remote_code: Run code that the checkpoint brings.
        hub: For downloads.

    Returns:
        ``out``.

    Raises:
        InputError: If an argument is not what it may be.
        ModelLoadError: If ``out`` is not empty, the model cannot be loaded or exported, or the graph does not
            give its scores on this machine.
        MissingDependencyError: If the engine is not installed.
    """
    vacant(out)
    chosen = engine_for(engine, weights)
    how = {"trust_remote_code": trust_remote_code, "split_special_tokens": split_special_tokens}
    loaded = load(model, checkpoint, device="cpu", dtype="float32", hub=hub, **how)
    spec = RERANKERS.resolve(model, checkpoint)
    name = RERANKERS.canonical_name(model)
    _check(loaded, name)
    context = limit_of(loaded, spec)
    with whole_directory(out) as scratch:
        # The graph is one of any length: what is read is the manifest's.
        made = make_reranker_graph(loaded, scratch, engine=chosen, weights=weights)
        set_max_length(loaded, max_length, context)
        _reader(loaded).backend_tokenizer.save(str(scratch / TOKENIZER))
        identity = HostedReranker(loaded).identity
        write_manifest(
            scratch,
            RerankerManifest,
            {
                "model": name,
                "checkpoint": whole_name(checkpoint),
                "engine": chosen,
                "weights": weights,
                **_said(loaded),
                "inputs": made.inputs,
                "max_length": loaded.max_seq_length,
                "context": context,
                "tokenizer": _reader(loaded).facts.now(),
                "activation": type(loaded.activation_fn).__name__,
                "identity": identity,
                "fingerprint": fingerprint(identity),
                "versions": made.versions,
                "difference": made.difference,
                "moved": made.moved,
            },
        )
        _compare(loaded, scratch, name)
    log.info("exported %s: largest difference %.2g", name, made.difference)
    return Path(out)


def _check(model: CrossEncoder, name: str) -> None:
    """Raise for a model whose pairs only sentence-transformers can read.

    Raises:
        ModelLoadError: Naming why.
    """
    first: Any = model[0]
    if not isinstance(first, Transformer):
        raise ModelLoadError(
            f"{name} begins with {type(first).__name__}, and what can be exported is a Transformer that "
            "reads text: use backend='torch'"
        )
    if list(first.modality_config) != ["text"]:
        raise ModelLoadError(
            f"{name} puts its pairs into a chat template of its own, which only sentence-transformers "
            f"reads: say which reranker it is, {RERANKERS.names()[0]!r} with checkpoint=, or a .yaml file"
        )
    _reader(model)


def _reader(model: CrossEncoder) -> FastReader:
    reader = reader_for(model.tokenizer)
    if not isinstance(reader, FastReader):
        raise ModelLoadError(f"{reader.name} has no tokenizer.json: only a fast tokenizer can be exported")
    return reader


def _said(model: CrossEncoder) -> dict[str, Any]:
    """What a model's own modules say of it."""
    first: Any = model[0]
    said: dict[str, Any] = {
        "network": first.model.config.model_type,
        "padding_side": first.tokenizer.padding_side,
    }
    if isinstance(first, RerankTransformer):
        template = {part: getattr(first, part) for part in (*TEMPLATE, "true_token", "false_token")}
        return {**said, "settings": first.settings, "template": template, "prompt": ""}
    prompt = model.prompts.get(model.default_prompt_name or "") or ""
    return {**said, "settings": None, "template": None, "prompt": prompt}


def _compare(model: CrossEncoder, folder: Path, name: str) -> None:
    """Raise unless the directory gives the same tokens and lengths for pairs of the probe texts.

    Raises:
        ModelLoadError: Naming the tokenizer.
    """
    theirs = HostedReranker(model).preprocessor
    ours = ExportedReranker(folder, manifest=read_manifest(folder, RerankerManifest)).preprocessor
    documents = [*PROBES, *probes.DOCUMENTS, *probes.PROBE_TEXTS, _LONG]
    for query in ("ok", probes.QUERIES[1], _LONG[:4000]):
        queries, own = [query] * len(documents), [None] * len(documents)
        heads = theirs.heads(queries, own), ours.heads(queries, own)
        rows = theirs.tokenize(documents, heads[0]), ours.tokenize(documents, heads[1])
        for there, here in zip(*rows, strict=True):
            columns = theirs.collate([there], ""), ours.collate([here], "")
            same = heads[0] == heads[1] and there.full_length == here.full_length
            for feature in ("input_ids", "attention_mask", "token_type_ids"):
                given = [column[feature].tolist() for column in columns if feature in column]
                same = same and len(given) != 1 and given[:1] == given[1:]
            if not same:
                raise ModelLoadError(
                    f"{name}: {_reader(model).name} gives other tokens than its tokenizer.json: use "
                    "backend='torch'"
                )
