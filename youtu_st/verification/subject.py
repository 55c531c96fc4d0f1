"""What is examined: a model loaded without a word about its faults, and what it should be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

from youtu_st.backends.device import available, dtype_to_load, is_native
from youtu_st.loading.loader import build, find, readable
from youtu_st.loading.saved import are_known, module_types
from youtu_st.modules.settings import declared_pooling, normalizes, ours
from youtu_st.spec.model import ModelSpec, ModuleSettings, Prompts


class Expected(ModuleSettings):
    """What a model should be: what its module should carry, and the rest of a spec. None: nothing says so.

    Attributes:
        pooling: A rule of :data:`~youtu_st.verification.tokens.RULES`.
        bos: Whether a token is added before a text.
        eos: Whether one is added after it.
        prompts: Before queries and documents.
        normalize: Whether vectors have unit length.
        dimension: Length of a vector.
        max_length: Tokens that are read.
    """

    pooling: str | None = None
    bos: bool | None = None
    eos: bool | None = None
    prompts: Prompts | None = None
    normalize: bool | None = None
    dimension: int | None = None
    max_length: int | None = None


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
    """Load a model for examination; the arguments are those of :func:`youtu_st.load`.

    A ``checkpoint`` with a ``modules.json`` is examined as it is.

    Raises:
        YoutuError: If nothing can be loaded at all.
    """
    device = available(None)
    network = {"dtype": dtype_to_load("auto", device)}
    with readable(checkpoint or model):
        spec, directory = find(model, checkpoint, {})
        types = module_types(directory)
        by_itself = types and (trust_remote_code or are_known(types))  # no code that may not be run
        own = spec is None or (checkpoint is not None and bool(by_itself))
        loaded = build(None if own else spec, directory, device, network, trust_remote_code)
    if not is_native(loaded.dtype or torch.float32, device):
        loaded.float()
    source = str(checkpoint or model) if spec is None or checkpoint is not None else _origin(spec, directory)
    if spec is None:
        expected = settings_of(loaded)
    else:
        expected = Expected(**{name: getattr(spec, name) for name in Expected.model_fields})
    return Subject(str(model), loaded.eval(), directory, source, spec, own, expected)


def _origin(spec: ModelSpec, directory: Path) -> str:
    """Where weights come from that nobody named."""
    if spec.package is not None and spec.package.module in directory.parts:
        return f"the package {spec.package.name}"
    return f"the hub, {spec.hub_id}"


def settings_of(model: SentenceTransformer) -> Expected:
    """A model without a spec should do what its own settings say; its tokenizer says nothing of itself."""
    mine = ours(model)
    own = mine.settings.model_dump(exclude={"padding_side"}) if mine else {"special_tokens": "include"}
    return Expected(**own, pooling=declared_pooling(model), normalize=normalizes(model))
