"""What arguments of other libraries' encoders mean here, so that their users can keep them.

An argument that would give other vectors than ``encode_query`` and ``encode_document`` is an error that says
what to use instead; one that changes no vector is taken.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any, Literal

import torch
from sentence_transformers.base.modules import Normalize

from youtu_st.encoder import Encoder
from youtu_st.errors import InputError
from youtu_st.protocol import TextEncoder
from youtu_st.spec.prompts import prompt_for

_OWN = [name for name in inspect.signature(Encoder).parameters if name not in ("model", "backend")]
_HUB = {
    "cache_folder": "cache_dir",
    "revision": "revision",
    "token": "token",
    "use_auth_token": "token",
    "local_files_only": "local_files_only",
}
_LOAD_IT = (
    "for anything else load the model yourself and pass encoder=Encoder(SentenceTransformer(..., {name}=...))"
)
_ROLE_PROMPTS = {"query": ("query",), "document": ("document", "passage", "corpus", "text")}
_FREE = ("batch_size", "show_progress_bar", "convert_to_numpy", "convert_to_tensor", "chunk_size")
_FIXED = {
    "precision": ("float32", 'quantise in the index instead: factory="SQ8"'),
    "output_value": ("sentence_embedding", "for token vectors call encoder.model.encode"),
    "pool": (
        None,
        'one process uses all of a device; for several pass device=["cuda:0", "cuda:1"] to Encoder',
    ),
}


def encoder_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of :class:`~youtu_st.Encoder` from the arguments of ``SentenceTransformer(...)``.

    Args:
        given: Arguments of ``SentenceTransformer`` other than the model's name, of ``Encoder``, or of both.

    Returns:
        Keyword arguments of ``Encoder``.

    Raises:
        InputError: If an argument is neither's, or has no meaning here: the message says what to use.
    """
    settings: dict[str, Any] = {}
    hub = dict(given.get("hub") or {})
    for name, value in given.items():
        if name in _HUB:
            if value is not None:
                hub[_HUB[name]] = value
        elif name == "truncate_dim":
            settings["dimensions"] = value
        elif name == "model_kwargs":
            settings |= _network(value or {})
        elif name in ("tokenizer_kwargs", "processor_kwargs"):
            _must_be_in(name, set(value or {}), {"padding_side"})  # no vector here depends on it
        elif name == "similarity_fn_name":
            _must_be_in(name, {str(getattr(value, "value", value))}, {"None", "cosine", "dot"})
        elif name == "backend" or name in _OWN:
            settings[name] = value
        elif value is not None:
            near = difflib.get_close_matches(name, [*_OWN, *_HUB, "truncate_dim"], n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InputError(f"{name!r} is not taken here: {hint}{_LOAD_IT.format(name=name)}")
    return {**settings, "hub": hub} if hub else settings


def check_encode_arguments(
    given: Mapping[str, Any], encoder: TextEncoder, role: Literal["query", "document"]
) -> None:
    """Refuse arguments of ``SentenceTransformer.encode`` that would give other vectors than the encoder's.

    Args:
        given: What a user wants passed to ``encode``.
        encoder: The encoder that is used.
        role: What is encoded with them.

    Raises:
        InputError: Naming the argument, and what to use instead.
    """
    for name, value in given.items():
        if name in _FREE:
            continue
        if name in _FIXED:
            allowed, instead = _FIXED[name]
            if value != allowed:
                raise InputError(f"{name} must be {allowed!r} here, not {value!r}: {instead}")
        elif name == "normalize_embeddings":
            check_normalized(value, encoder)
        elif name in ("prompt", "prompt_name"):
            _check_prompt(name, value, encoder, role)
        elif name == "device":
            device = encoder.runtime.get("device")
            if value is not None and str(value) != device:
                raise InputError(f"the model is on {device!r}: choose another device where it is loaded")
        elif name == "truncate_dim":
            if value not in (None, encoder.dimension):
                raise InputError(
                    f"truncate_dim is {value}, and vectors have {encoder.dimension}: give it where the model "
                    "is loaded, so that queries and documents have the same"
                )
        else:
            raise InputError(f"{name!r} is not an argument of encode that is taken here")


def check_normalized(normalize: bool | None, encoder: TextEncoder) -> None:
    """Refuse to leave vectors unscaled, where that would make a difference.

    Raises:
        InputError: If ``normalize`` is False and the model does not scale its vectors itself.
    """
    own = isinstance(encoder, Encoder) and any(isinstance(module, Normalize) for module in encoder.model)
    if normalize is False and not own:
        raise InputError(
            "vectors have unit length here, so that a dot product is a cosine: leave the argument out, or "
            "call encoder.model.encode for vectors as the network gives them"
        )


def _network(given: Mapping[str, Any]) -> dict[str, Any]:
    """``model_kwargs``: the dtype is a setting of the encoder, the rest goes to the network."""
    rest = {name: value for name, value in given.items() if name not in ("dtype", "torch_dtype")}
    settings: dict[str, Any] = {"model_kwargs": rest} if rest else {}
    dtype = given.get("dtype", given.get("torch_dtype"))
    if dtype is not None:
        settings["dtype"] = str(dtype).removeprefix("torch.") if isinstance(dtype, torch.dtype) else dtype
    return settings


def _must_be_in(name: str, given: set[str], allowed: set[str]) -> None:
    if given - allowed:
        raise InputError(
            f"{name} takes {' or '.join(sorted(allowed))} here, not {', '.join(sorted(given - allowed))}: "
            + _LOAD_IT.format(name=name)
        )


def _check_prompt(name: str, value: Any, encoder: TextEncoder, role: Literal["query", "document"]) -> None:
    if value is None or (name == "prompt_name" and value in _ROLE_PROMPTS[role]):
        return
    if isinstance(encoder, Encoder):
        own = prompt_for(encoder.model, role)
        if own == (value if name == "prompt" else encoder.model.prompts.get(value)):
            return
    instruction = "query_instruction" if role == "query" else "text_instruction"
    raise InputError(
        f"{name}={value!r} is not the model's own {role} prompt. For a task description that goes through "
        f"the model's template use {instruction}=...; for a prompt as it stands load the model with "
        f'prompts={{"{role}": ...}}'
    )
