"""Spec and checkpoint to a ``SentenceTransformer``, and back to a directory that loads everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize

from youtu_st.backends import Backend, Dtype, Weights
from youtu_st.backends.device import available, dtype_to_load, keep_to_native
from youtu_st.backends.quiet import quiet_host
from youtu_st.backends.resting import whole_at_forks
from youtu_st.errors import InputError, ModelLoadError, YoutuError, in_one_line
from youtu_st.inputs import check_max_length, one_of
from youtu_st.loading import checkpoint as files
from youtu_st.loading.manifest import is_exported
from youtu_st.loading.saved import check_activations, module_types, own_modules
from youtu_st.loading.vacant import vacant
from youtu_st.loading.weights import check_loaded
from youtu_st.modules import checks, fingerprint
from youtu_st.modules.pooling import InstructionMaskedPooling
from youtu_st.modules.settings import check_prompts, ours, prompt_for
from youtu_st.modules.settings import split_special_tokens as split_texts
from youtu_st.modules.transformer import InstructionTransformer
from youtu_st.spec.model import MODELS, ModelSpec, ModuleSettings, known_models
from youtu_st.spec.prompts import ROLES, check_own


def load(
    model: str | Path | ModelSpec,
    checkpoint: str | Path | None = None,
    *,
    backend: Backend = "torch",
    weights: Weights | None = None,
    device: str | None = None,
    dtype: Dtype = "auto",
    trust_remote_code: bool = False,
    prompts: Mapping[str, str] | None = None,
    max_length: int | None = None,
    split_special_tokens: bool = False,
    model_kwargs: Mapping[str, Any] | None = None,
    hub: Mapping[str, Any] | None = None,
) -> SentenceTransformer:
    """Load a model with its prompts, masking, attention and normalisation in place.

    Args:
        model: A name that ``youtu-st models`` lists, a spec's ``.yaml`` file, a directory that
            ``save_pretrained`` wrote, a hub id (``owner/name``), or a spec that a program has made:
            ``load_spec("minilm").model_copy(update=...)``.
        checkpoint: Weights for a name or a spec: a transformers directory or a hub id. None: the package that
            carries them where it is installed, else the spec's hub repository.
        backend: ``torch``; the other engines run a whole model, see :class:`youtu_st.Encoder`.
        weights: None; likewise.
        device: ``cpu``, ``cuda``, ``cuda:1``, ...; None: the best there is.
        dtype: ``auto``: the checkpoint's own, but float32 for weights of half precision that the device has
            no instructions for; ``checkpoint``: the checkpoint's own; or a dtype's name.
        trust_remote_code: Run code that the checkpoint brings. Needed only where transformers does not know
            the architecture.
        prompts: Prompts that replace the model's own: ``query``, ``document`` or both. They are part of what
            a vector means, and so of the fingerprint.
        max_length: Tokens to read, prompt and special tokens included, if fewer than the model's maximum.
        split_special_tokens: Read special tokens that stand in a text, such as ``[SEP]``, as the characters
            that they are written with; a prompt's stay what they are. False: as the model was saved, or its
            spec says.
        model_kwargs: Passed on to ``from_pretrained`` of the network, e.g. ``attn_implementation``.
        hub: Passed on to ``huggingface_hub``: ``revision``, ``cache_dir``, ``token``, ``local_files_only``.

    Returns:
        A model whose ``encode_query`` and ``encode_document`` need no further arguments.

    Raises:
        UnknownModelError: If nothing goes by that name.
        SpecError: If the spec is wrong.
        ModelLoadError: If the weights are absent, are not the pinned ones, or do not behave as the spec says.
        InputError: If ``backend``, ``weights``, ``prompts``, ``max_length`` or ``hub`` is not what it may be,
            or special tokens cannot be split with the model's tokenizer.
    """
    options = files.hub_options(hub)
    shown = checkpoint or (model.name if isinstance(model, ModelSpec) else model)
    if dtype not in get_args(Dtype):
        raise ModelLoadError(f"dtype must be one of {', '.join(get_args(Dtype))}, not {dtype!r}")
    _check_backend(backend, weights)
    device = available(device)
    network = {**(model_kwargs or {}), "dtype": dtype_to_load(dtype, device)}
    with readable(shown):
        spec, directory = find(model, checkpoint, options)
        if spec is not None:
            files.verify(spec, directory)
    with whole_at_forks():
        with readable(shown):
            loaded = build(spec, directory, device, network, trust_remote_code)
            check_loaded(loaded, directory)
            checks.keep_to_limit(loaded)
            if spec is not None:
                _check_assembled(loaded, spec, directory)
        _set_prompts(loaded, prompts or {})
        if max_length is not None:
            loaded.max_seq_length = check_max_length(max_length, loaded.get_max_seq_length())
        mine = ours(loaded)
        if mine:
            check_prompts(loaded)
        if split_special_tokens or (mine and mine.settings.split_special_tokens):
            split_texts(loaded, [prompt_for(loaded, role) for role in ROLES])
        keep_to_native(loaded, dtype, device, stacklevel=2)
        if mine:
            checks.check_attention(mine)
        if dtype == "float16":
            to_float16(loaded)
        return loaded.eval()


def convert(
    model: str | Path,
    *,
    checkpoint: str | Path,
    out: str | Path,
    trust_remote_code: bool = False,
    split_special_tokens: bool = False,
) -> Path:
    """Write a sentence-transformers directory from a raw transformers checkpoint, in its own dtype.

    ``SentenceTransformer(out, trust_remote_code=True)`` and ``youtu_st.load(out)`` then give the vectors that
    ``youtu_st.load(model, checkpoint)`` gives.

    Args:
        model: A model's name, or a spec's ``.yaml`` file.
        checkpoint: A transformers directory or a hub id.
        out: The directory to write; must be absent or empty.
        trust_remote_code: As for :func:`load`.
        split_special_tokens: As for :func:`load`; the directory keeps it.

    Returns:
        ``out``.

    Raises:
        ModelLoadError: If ``out`` is not empty, or as for :func:`load`.
    """
    target = vacant(out)
    loaded = load(
        model,
        checkpoint,
        device="cpu",
        dtype="checkpoint",
        trust_remote_code=trust_remote_code,
        split_special_tokens=split_special_tokens,
    )
    loaded.save_pretrained(str(target))
    return Path(out)


@contextmanager
def readable(what: str | Path) -> Iterator[None]:
    """Say in one line of our own what the libraries below raise while they read a checkpoint, whatever it is.

    Raises:
        ModelLoadError: In place of their errors.
    """
    try:
        yield
    except YoutuError:
        raise
    except Exception as error:
        raise ModelLoadError(in_one_line(f"cannot load {str(what)!r}", error)) from error


def find(
    model: str | Path | ModelSpec, checkpoint: str | Path | None, hub: dict[str, Any]
) -> tuple[ModelSpec | None, Path]:
    """The spec that ``model`` stands for, if there is one, and the directory of the weights.

    Raises:
        YoutuError: As for :func:`load`.
    """
    spec = MODELS.resolve(model, checkpoint)
    return spec, files.local(str(model), hub) if spec is None else files.directory_for(spec, checkpoint, hub)


def build(
    spec: ModelSpec | None, directory: Path, device: str, network: dict[str, Any], trust_remote_code: bool
) -> SentenceTransformer:
    """The modules that a spec asks for, or without one those that the directory names; not checked here.

    Raises:
        ModelLoadError: If there is no spec, and the directory names no modules, or those of a reranker.
    """
    with quiet_host():
        if spec is None:
            return _from_directory(directory, device, network, trust_remote_code)
        return _from_spec(spec, directory, device, network, trust_remote_code)


def _from_spec(
    spec: ModelSpec, directory: Path, device: str, network: dict[str, Any], trust_remote_code: bool
) -> SentenceTransformer:
    trust = {"trust_remote_code": trust_remote_code}
    transformer = InstructionTransformer(
        str(directory),
        **{name: getattr(spec, name) for name in ModuleSettings.model_fields},
        model_kwargs={**network, **trust},
        config_kwargs=dict(trust),
        processor_kwargs={"model_max_length": spec.max_length, **trust},
    )
    pooling = InstructionMaskedPooling(transformer.get_embedding_dimension(), spec.pooling)
    modules: list[torch.nn.Module] = [transformer, pooling, *([Normalize()] if spec.normalize else [])]
    return SentenceTransformer(
        modules=modules, device=device, prompts=spec.prompts.model_dump(), similarity_fn_name="cosine"
    )


def _check_assembled(model: SentenceTransformer, spec: ModelSpec, directory: Path) -> None:
    transformer: Any = model[0]
    checks.check_added_tokens(transformer.tokenizer, spec)
    dimension = transformer.get_embedding_dimension()
    if dimension != spec.dimension:
        raise ModelLoadError(
            f"{directory} gives vectors of {dimension} dimensions, and {spec.name} has {spec.dimension}: "
            "is it this model's checkpoint?"
        )


def _from_directory(
    directory: Path, device: str, network: dict[str, Any], trust_remote_code: bool
) -> SentenceTransformer:
    if is_exported(directory):
        raise ModelLoadError(
            f"{directory} was exported, and holds no model of PyTorch: Encoder or Reranker opens it; name "
            "the model that it was made from"
        )
    if not module_types(directory):
        raise ModelLoadError(
            f"{directory} has no modules.json, so its prompts and pooling are not known. Say which model it "
            f"is: load(NAME, checkpoint={str(directory)!r}), NAME being one of {', '.join(known_models())}, "
            "or a .yaml file of your own"
        )
    if not trust_remote_code:
        check_activations(directory)
    modules = own_modules(directory, network, trust_remote_code)
    if modules is None:
        return SentenceTransformer(
            str(directory), device=device, model_kwargs=network, trust_remote_code=trust_remote_code
        )
    if not any(hasattr(module, "get_embedding_dimension") for module in modules[1:]):
        raise ModelLoadError(
            f"{directory} is no embedding model: none of its modules pools tokens to a vector. A reranker is "
            "opened by youtu_st.rerank.Reranker"
        )
    config = json.loads((directory / "config_sentence_transformers.json").read_text(encoding="utf-8"))
    names = ("prompts", "default_prompt_name", "similarity_fn_name", "truncate_dim")
    return SentenceTransformer(modules=modules, device=device, **{name: config.get(name) for name in names})


def to_float16(model: Any) -> None:
    """Round a model's weights to float16, and keep the fingerprint of the checkpoint's own."""
    before = fingerprint.weights_digest(model)
    model.to(torch.float16)
    fingerprint.remember_weights(model, before)


def _set_prompts(model: SentenceTransformer, prompts: Mapping[str, str]) -> None:
    check_own(prompts)
    model.prompts = {**model.prompts, **prompts}


def _check_backend(backend: Backend, weights: Weights | None) -> None:
    one_of("backend", backend, get_args(Backend))
    if backend != "torch":
        raise InputError(
            f"backend={backend!r} runs a whole model, and load() gives one of PyTorch: "
            f"use youtu_st.Encoder(model, backend={backend!r})"
        )
    if weights is not None:
        one_of("weights", weights, get_args(Weights))
        raise InputError(f"weights={weights!r} needs backend='openvino' or 'onnx'")
