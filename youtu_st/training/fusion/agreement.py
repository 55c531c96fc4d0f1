"""Whether a base and several checkpoints are one model but for their weights: their settings, as saved."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sentence_transformers.base.modules import Normalize
from transformers import AutoTokenizer

from youtu_st.disk import read_bounded
from youtu_st.errors import InputError, ModelLoadError, brief
from youtu_st.loading.contents import MODULES
from youtu_st.loading.loader import readable
from youtu_st.modules.fingerprint import vocabulary_digest
from youtu_st.modules.pooling import InstructionMaskedPooling
from youtu_st.modules.transformer import InstructionTransformer
from youtu_st.spec.model import ModelSpec, ModuleSettings
from youtu_st.training.fusion.sources import Source

_MOST_BYTES = 32 << 20
_MOST_NAMED = 3
_OURS = InstructionTransformer.__name__
_TOKENIZER = "tokenizer.json"
# Which task a checkpoint was trained on decides these; they say how to run, and not what a vector means.
_RUNS = ("max_seq_length", "unpad_inputs")
_NETWORK_RUNS = ("architectures", "dtype", "torch_dtype", "transformers_version", "use_cache", "auto_map")
_SHAPE = ("num_hidden_layers", "num_attention_heads", "num_key_value_heads", "hidden_act", "head_dim")
"""Of a network's settings, those that a base must share: releases write others in words of their own."""
_TUNED = (f"{_OURS}.template", f"{_OURS}.matryoshka_dimensions")
"""Of a module's settings, those that fine-tuning may give a model that had none."""


@dataclass
class Declared:
    """What a directory or a spec says of a model.

    Attributes:
        modules: The names of its modules' classes.
        settings: Theirs, each by ``Class.name``.
        prompts: What stands before texts, and how vectors are compared.
        network: The settings of the networks in it.
    """

    modules: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    prompts: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)


def check_agreement(base: Source, checkpoints: Sequence[Source]) -> None:
    """Raise unless the checkpoints differ in weights alone, and the base reads and pools as they do.

    A base may have other prompts: to train with new ones is what fine-tuning may be for.

    Raises:
        InputError: Naming both sides, what differs, and both values.
        ModelLoadError: If a tokenizer cannot be read.
    """
    first, *others = checkpoints
    declared = _declared(first)
    for other in others:
        theirs = _declared(other)
        spec = first.spec or other.spec
        _compare(first, other, "", {"modules": declared.modules}, {"modules": theirs.modules})
        keys = _declared_by(spec).settings if spec else {*declared.settings, *theirs.settings}
        _compare(first, other, "", declared.settings, theirs.settings, keys)
        _compare(first, other, "", declared.prompts, theirs.prompts)
        _compare(first, other, "the network's ", declared.network, theirs.network, _common(declared, theirs))
        _check_tokenizers(first, other)
    theirs = _declared(base)
    if theirs.modules[:1] == declared.modules[:1]:  # stock modules and ours say the same in other words
        _compare(base, first, "", {"modules": theirs.modules}, {"modules": declared.modules})
        keys = {*theirs.settings} & {*declared.settings} - {*_TUNED}
        _compare(base, first, "", theirs.settings, declared.settings, keys)
    common = [key for key in _common(theirs, declared) if key in _SHAPE]
    _compare(base, first, "the network's ", theirs.network, declared.network, common)
    _check_tokenizers(base, first)


def _compare(
    left: Source,
    right: Source,
    what: str,
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    keys: Iterable[str] | None = None,
) -> None:
    """Raise for values that differ; one that is not there is as good as one that says no."""
    differ = [
        f"{what}{key} ({brief(ours.get(key))} and {brief(theirs.get(key))})"
        for key in sorted({*ours, *theirs} if keys is None else keys)
        if (ours.get(key) or None) != (theirs.get(key) or None)
    ]
    if differ:
        more = f" and {len(differ) - _MOST_NAMED} more" if len(differ) > _MOST_NAMED else ""
        raise InputError(
            f"{left.name} and {right.name} differ in {', '.join(differ[:_MOST_NAMED])}{more}: fusion takes "
            "checkpoints that differ in their weights alone"
        )


def _common(left: Declared, right: Declared) -> Iterable[str]:
    return (
        key
        for key in {*left.network} & {*right.network}
        if key not in _NETWORK_RUNS and not key.startswith("_") and "dropout" not in key
    )


def _declared(source: Source) -> Declared:
    found = _declared_by(source.spec) if source.spec else Declared()
    if source.is_saved:
        _read_modules(source.directory, found)
        settings = _json(source.directory / "config_sentence_transformers.json")
        found.prompts = {f"the {role} prompt": text for role, text in (settings.get("prompts") or {}).items()}
        for name in ("default_prompt_name", "similarity_fn_name", "truncate_dim"):
            found.prompts[name] = settings.get(name)
    else:
        found.network = _json(source.directory / "config.json")
    if "quantization_config" in found.network:
        raise ModelLoadError(
            f"{source.name} is quantized, and codes cannot be fused: take the weights that it was made from"
        )
    return found


def _declared_by(spec: ModelSpec) -> Declared:
    pooling = InstructionMaskedPooling.__name__
    rules = json.loads(spec.model_dump_json(include=set(ModuleSettings.model_fields)))
    return Declared(
        modules=[_OURS, pooling, *([Normalize.__name__] if spec.normalize else [])],
        settings={f"{_OURS}.{name}": value for name, value in rules.items()}
        | {f"{pooling}.pooling": spec.pooling},
        prompts={f"the {role} prompt": text for role, text in spec.prompts.model_dump().items()}
        | {"similarity_fn_name": "cosine"},
    )


def _read_modules(directory: Path, found: Declared) -> None:
    for entry in _json(directory / MODULES):
        name = entry["type"].rpartition(".")[2]
        found.modules.append(name)
        folder = directory / entry["path"]
        settings = _json(folder / "config.json")
        if "model_type" in settings:  # a network's own; its module's are beside them
            found.network |= settings
            settings = _json(folder / "sentence_bert_config.json")
        found.settings |= {f"{name}.{key}": value for key, value in settings.items() if key not in _RUNS}


def _check_tokenizers(left: Source, right: Source) -> None:
    """By their files, and where these differ by what they do: releases write the same in other words."""
    files = [_tokenizer_file(source) for source in (left, right)]
    if files[0] and files[0] == files[1]:
        return
    if len({_digest(source) for source in (left, right)}) > 1:
        raise InputError(
            f"{left.name} and {right.name} have different tokenizers, by their vocabulary or by the ids of a "
            "few texts: fusion takes checkpoints that differ in their weights alone"
        )


def _tokenizer_file(source: Source) -> Mapping[str, Any]:
    content = _json(_reader(source) / _TOKENIZER)
    return {name: value for name, value in content.items() if name not in ("truncation", "padding")}


def _digest(source: Source) -> str:
    with readable(source.name):
        return vocabulary_digest(AutoTokenizer.from_pretrained(_reader(source)))


def _reader(source: Source) -> Path:
    """The folder of the module that reads texts, which is the first."""
    return source.directory / (_json(source.directory / MODULES)[0]["path"] if source.is_saved else "")


def _json(path: Path) -> Any:
    return json.loads(read_bounded(path, _MOST_BYTES)) if path.is_file() else {}
