"""What arguments of other libraries' encoders mean here, so that their users can keep them.

An argument that would give other vectors than ``encode_query`` and ``encode_document`` is an error that says
what to use instead; one that changes no vector is taken.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from youtu_st.encoder import Encoder
from youtu_st.errors import InputError, did_you_mean
from youtu_st.protocol import Role, TextEncoder

_OWN = {name: name for name in inspect.signature(Encoder).parameters if name != "model"}
_OWN |= {"truncate_dim": "dimensions"}
_HUB = {name: name for name in ("revision", "token", "local_files_only")}
_HUB |= {"cache_folder": "cache_dir", "use_auth_token": "token"}
# Values of arguments of SentenceTransformer(...), or keys in them, with which no vector changes.
_HARMLESS: dict[str, set[str]] = {
    "tokenizer_kwargs": {"padding_side"},
    "processor_kwargs": {"padding_side"},
    "similarity_fn_name": {"cosine", "dot"},
}
# Arguments of encode(...) with which no vector changes, whatever their values.
_FREE = ("batch_size", "show_progress_bar", "convert_to_numpy", "convert_to_tensor", "chunk_size")
_ROLE_PROMPTS = {"query": ("query",), "document": ("document", "passage", "corpus", "text")}


def encoder_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments of :class:`~youtu_st.Encoder` from those of it or of ``SentenceTransformer(...)``.

    Raises:
        InputError: If an argument is neither's, or has no meaning here: the message says what to use.
    """
    settings: dict[str, Any] = {}
    hub = dict(given.get("hub") or {})
    for name, value in given.items():
        if name == "model_kwargs":  # the dtype is a setting of the encoder, the rest goes to the network
            rest = dict(value or {})
            old = rest.pop("torch_dtype", None)
            dtype = rest.pop("dtype", old)
            settings |= {} if dtype is None else {"dtype": str(dtype).removeprefix("torch.")}
            settings |= {"model_kwargs": rest} if rest else {}
        elif name in _OWN:
            settings[_OWN[name]] = value
        elif name in _HUB and value is not None:
            hub[_HUB[name]] = value
        elif value is not None:
            instead = f"use encoder=Encoder(SentenceTransformer(..., {name}=...))"
            if name not in _HARMLESS:
                raise _refused(name, did_you_mean(name, [*_OWN, *_HUB]) + instead)
            parts = set(value) if isinstance(value, Mapping) else {str(getattr(value, "value", value))}
            if parts - _HARMLESS[name]:
                raise _refused(name, instead, value)
    return {**settings, "hub": hub} if hub else settings


def check_encode_arguments(given: Mapping[str, Any], encoder: TextEncoder, role: Role) -> None:
    """Refuse arguments of ``SentenceTransformer.encode`` that would give other vectors than the encoder's.

    Raises:
        InputError: Naming the argument, and what to use instead.
    """
    allowed = _allowed(encoder, role)
    for name, value in given.items():
        values, instead = allowed.get(name, ((), f"use one of {', '.join([*_FREE, *allowed])}"))
        if name not in _FREE and (value if value is None else str(value)) not in values:
            raise _refused(name, instead, value if name in allowed else None)


def refuse_settings(given: Mapping[str, Any], kind: type[object]) -> None:
    """Refuse settings for a model to be loaded that come with one that is loaded.

    Raises:
        InputError: Naming those that are not None.
    """
    names = ", ".join(name for name, value in given.items() if value is not None)
    if names:
        raise InputError(f"{names}: for a model to be loaded, and this one is; pass it to {kind.__name__}")


def _allowed(encoder: TextEncoder, role: Role) -> dict[str, tuple[tuple[str | None, ...], str]]:
    """Values, as they are written, with which no vector changes, and what to use instead of others."""
    mine = encoder if isinstance(encoder, Encoder) else None
    own = None if mine is None else mine.prompts[role]
    names = [] if mine is None else [name for name, prompt in mine.named_prompts.items() if prompt == own]
    scaled = (None, "True", *(["False"] if mine is not None and mine.normalizes else []))
    unit = (scaled, "use encoder.model.encode for other than vectors of unit length")
    device = encoder.runtime.get("device")
    instruction = "query_instruction" if role == "query" else "text_instruction"
    instead = (
        f"use {instruction}= for a task description, which goes through the model's template, or "
        f'prompts={{"{role}": ...}} where the model is loaded, for a prompt as it stands'
    )
    return {
        "normalize_embeddings": unit,
        "normalize": unit,  # LlamaIndex's name for it
        "precision": (("float32",), 'use factory="SQ8" for the index, which quantises there'),
        "output_value": (("sentence_embedding",), "use encoder.model.encode for token vectors"),
        "pool": ((None,), 'use Encoder(..., device=["cuda:0", "cuda:1"]); one process uses all of a device'),
        "device": ((None, device), f"use it where the model is loaded, which is on {device!r}"),
        "truncate_dim": (
            (None, str(encoder.dimension)),
            f"use it where the model is loaded, for both roles; vectors have {encoder.dimension}",
        ),
        "prompt": ((None, own), instead),
        "prompt_name": ((None, *_ROLE_PROMPTS[role], *names), instead),
    }


def _refused(name: str, instead: str, value: object = None) -> InputError:
    """The one message. The value of an unknown name may be a token: it is not shown."""
    shown = "" if value is None else f" as {value!r:.80}"
    return InputError(f"{name!r} is not taken here{shown}: {instead}")
