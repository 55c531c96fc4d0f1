"""What is examined: a model loaded without a word about its faults, and what it should be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

from youtu_st.backends.device import available, dtype_to_load, is_native
from youtu_st.loading import checkpoint as files
from youtu_st.loading.load import assemble, from_directory, readable, resolve_spec
from youtu_st.modules.pooling import InstructionMaskedPooling
from youtu_st.modules.transformer import InstructionTransformer
from youtu_st.spec.model import ModelSpec

_STOCK_POOLINGS = {"mean": "mean", "lasttoken": "last_token", "cls": "first_token", "max": "max"}


@dataclass(frozen=True, slots=True)
class Expected:
    """What a model should be. None: nothing says so.

    Attributes:
        attention: ``causal`` or ``bidirectional``.
        pooling: A rule of :data:`~youtu_st.verification.tokens.RULES`.
        boundary: As in a spec.
        special_tokens: As in a spec.
        bos: Whether a token is added before a text.
        eos: Whether one is added after it.
        padding_side: ``left`` or ``right``.
        prompts: By role.
        normalize: Whether vectors have unit length.
        dimension: Length of a vector.
        max_length: Tokens that are read.
        shorter: Shorter lengths that vectors may be cut to; a range by its start.
    """

    attention: str | None = None
    pooling: str | None = None
    boundary: Any = "offsets"
    special_tokens: Any = "include"
    bos: bool | None = None
    eos: bool | None = None
    padding_side: str | None = None
    prompts: dict[str, str] | None = None
    normalize: bool | None = None
    dimension: int | None = None
    max_length: int | None = None
    shorter: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """A model under examination.

    Attributes:
        name: What the user called it.
        model: Loaded, whatever is wrong with it; in the dtype that :func:`youtu_st.load` would choose.
        directory: Where its files are.
        source: Where they come from, for people.
        spec: What is known about it; None for a directory without one.
        own_modules: Whether the modules are those that the directory names itself, as against those that the
            spec asks for.
        expected: What it should be: as the spec says, else as its own settings do.
    """

    name: str
    model: SentenceTransformer
    directory: Path
    source: str
    spec: ModelSpec | None
    own_modules: bool
    expected: Expected


def load_subject(
    model: str | Path, *, checkpoint: str | Path | None = None, trust_remote_code: bool = False
) -> Subject:
    """Load a model for examination.

    Args:
        model: As for :func:`youtu_st.load`.
        checkpoint: As for :func:`youtu_st.load`. A directory with a ``modules.json`` is examined as it is.
        trust_remote_code: As for :func:`youtu_st.load`.

    Raises:
        YoutuError: If nothing can be loaded at all.
    """
    device = available(None)
    network = {"dtype": dtype_to_load("auto", device)}
    spec = resolve_spec(model, checkpoint)
    with readable(checkpoint or model):
        if spec is None:
            directory, own = files.local(str(model), {}), True
        else:
            directory = files.directory_for(spec, checkpoint, {})
            own = checkpoint is not None and _loads_by_itself(directory, trust_remote_code)
        if spec is None or own:
            loaded = from_directory(directory, device, network, trust_remote_code)
        else:
            loaded = assemble(spec, directory, device, network, trust_remote_code)
    if not is_native(loaded.dtype or torch.float32, device):
        loaded.float()
    expected = _from_spec(spec) if spec is not None else settings_of(loaded)
    source = str(checkpoint or model) if own or checkpoint is not None else _origin(spec, directory)
    return Subject(str(model), loaded.eval(), directory, source, spec, own, expected)


def _origin(spec: ModelSpec | None, directory: Path) -> str:
    """Where weights come from that nobody named."""
    if spec is None:
        return str(directory)
    package = spec.package
    inside = package is not None and package.module in directory.parts
    return f"the package {package.name}" if package is not None and inside else f"the hub, {spec.hub_id}"


def _loads_by_itself(directory: Path, trust_remote_code: bool) -> bool:
    """Whether a directory names its modules, and none of them is code that may not be run."""
    path = directory / "modules.json"
    if not path.is_file():
        return False
    types = [str(entry["type"]) for entry in json.loads(path.read_text(encoding="utf-8"))]
    ours = ("youtu_st.", "sentence_transformers.")
    return trust_remote_code or all(name.startswith(ours) for name in types)


def _from_spec(spec: ModelSpec) -> Expected:
    return Expected(
        attention=spec.attention,
        pooling=spec.pooling,
        boundary=spec.boundary,
        special_tokens=spec.special_tokens,
        bos=spec.bos,
        eos=spec.eos,
        padding_side=spec.padding_side,
        prompts=spec.prompts.model_dump(),
        normalize=spec.normalize,
        dimension=spec.dimension,
        max_length=spec.max_length,
        shorter=spec.matryoshka_dimensions or ((spec.matryoshka_from,) if spec.matryoshka_from else ()),
    )


def settings_of(model: SentenceTransformer) -> Expected:
    """A model without a spec should do what its own settings say."""
    first, pooling = model[0], declared_pooling(model)
    ours = isinstance(first, InstructionTransformer)
    return Expected(
        attention=first.attention if isinstance(first, InstructionTransformer) else None,
        pooling=pooling,
        boundary=first.boundary if ours else "offsets",
        special_tokens=first.special_tokens if ours else "include",
        normalize=any(isinstance(module, Normalize) for module in model),
        shorter=shorter_lengths(model) or (),
    )


def shorter_lengths(model: SentenceTransformer) -> tuple[int, ...] | None:
    """What a model's module says its vectors may be cut to, a range by its start; None: it does not say."""
    first = model[0]
    if not isinstance(first, InstructionTransformer):
        return None
    start = first.matryoshka_from
    return tuple(first.matryoshka_dimensions) or ((start,) if start else ())


def declared_pooling(model: SentenceTransformer) -> str | None:
    """The rule that a model's pooling module says it follows; None for one that has no such module."""
    module = model[1] if len(model) > 1 and isinstance(model[0], Transformer) else None
    if isinstance(module, InstructionMaskedPooling):
        return module.pooling
    if not isinstance(module, Pooling):
        return None
    mode = module.pooling_mode
    if mode == "mean" and not module.include_prompt:
        return "masked_mean"
    return _STOCK_POOLINGS.get(mode, mode) if isinstance(mode, str) else "+".join(mode)
