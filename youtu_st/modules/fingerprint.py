"""What a vector means, as named parts and one short string.

Indexes in the field carry these strings, so they depend on what a model is and does, not on how this release
of a library writes it down: no names of weights, no serialised tokenizer, no settings that do nothing.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from youtu_st.modules.pooling import InstructionMaskedPooling
from youtu_st.modules.reader import PROBES as PROBES
from youtu_st.modules.settings import ours, prompt_for, splits_special_tokens
from youtu_st.protocol import SPLIT
from youtu_st.protocol import canonical as _json
from youtu_st.protocol import digest as _digest
from youtu_st.protocol import fingerprint as fingerprint
from youtu_st.spec.model import MaskRule
from youtu_st.spec.prompts import ROLES

_KNOWN: weakref.WeakKeyDictionary[Any, dict[str, tuple[object, str]]] = weakref.WeakKeyDictionary()
"""By model and part: the state that the part was in, and its digest then."""

SAMPLES = 1024
"""About how many values of each tensor are read for a digest."""
GLANCES = 32
"""How many values of each tensor tell whether it is still the one whose digest is known."""


def identity(model: SentenceTransformer, dimension: int) -> dict[str, str]:
    """The parts that decide what a vector means; not dtype, device or backend.

    Args:
        model: Any sentence-transformers model.
        dimension: Length of the vectors that are handed out.

    Returns:
        Part names to short strings, fit for a message that says what differs.
    """
    mine = ours(model)
    mask = mine.settings.model_dump(include=set(MaskRule.model_fields)) if mine else {}
    after = [[type(module).__name__, _settings(module)] for module in list(model)[1:]]
    return {
        "weights": weights_digest(model),
        "tokenizer": tokenizer_digest(model),
        "prompts": _json({role: prompt_for(model, role) for role in ROLES}),
        "mask": _json(mask),
        "pooling": _json(after),
        "max_length": str(model.get_max_seq_length()),
        "dimension": str(dimension),
        "normalize": "true",
        **split_identity(model),
    }


def split_identity(model: Any) -> dict[str, str]:
    """The part that says that special tokens in texts are read as characters; only there where they are."""
    return {SPLIT: "true"} if splits_special_tokens(model) else {}


def weights_digest(model: SentenceTransformer) -> str:
    """Digest of a sample of every tensor: names, shapes, and about a thousand values of each.

    Values are rounded to bfloat16 first, so that float32 and bfloat16 copies of one checkpoint agree. A model
    that was loaded as float16 carries the digest of what it was loaded from.
    """
    current = _current_weights(model)
    before, after = getattr(model[0], "weights_before_cast", (None, None))
    return before if before is not None and current == after else current


def remember_weights(model: SentenceTransformer, before: str) -> None:
    """Note the digest that the weights had before they were rounded to another dtype."""
    first: Any = model[0]
    first.weights_before_cast = (before, _current_weights(model))


def tokenizer_digest(model: SentenceTransformer) -> str:
    """Digest of the vocabulary and of the token ids of a few multilingual probe texts."""
    tokenizer: Any = getattr(model, "tokenizer", None)
    if not isinstance(tokenizer, (Tokenizer, PreTrainedTokenizerBase)):
        return "none"
    size = tokenizer.get_vocab_size() if isinstance(tokenizer, Tokenizer) else len(tokenizer)
    state = (id(tokenizer), size, _ids(tokenizer, PROBES[1:2]))
    return _once(model, "tokenizer", state, lambda: vocabulary_digest(tokenizer))


def _once(model: SentenceTransformer, part: str, state: object, digest: Callable[[], str]) -> str:
    """The digest of a part of a model, computed again only where a cheap look shows another state of it."""
    known = _KNOWN.setdefault(model, {})
    if part not in known or known[part][0] != state:
        known[part] = (state, digest())
    return known[part][1]


def _current_weights(model: SentenceTransformer) -> str:
    return _once(model, "weights", _weights_state(model), lambda: _sampled(model))


def _weights_state(model: SentenceTransformer) -> list[Any]:
    """Where each tensor is, and a few of its values: all read at once, as a device answers slowly.

    A change of whole tensors shows in these, be it in place, by a cast, or by another module. No tensor is
    held, so that weights that are let go are freed.
    """
    state: list[Any] = []
    parts: dict[torch.device, list[torch.Tensor]] = {}
    with torch.no_grad():
        for tensor in chain(model.parameters(), model.buffers()):
            state.append((tensor.data_ptr(), tensor.dtype, tensor.shape))
            stride = (tensor.numel() // GLANCES) | 1
            values = tensor.reshape(-1)[: GLANCES * stride : stride]
            parts.setdefault(tensor.device, []).append(values)
        return [*state, *(torch.cat(read).float().cpu().numpy().tobytes() for read in parts.values())]


def _ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    if isinstance(tokenizer, Tokenizer):
        return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    ids: list[list[int]] = tokenizer(list(texts), padding=False, truncation=False, verbose=False)["input_ids"]
    return ids


def vocabulary_digest(tokenizer: Any) -> str:
    """Digest of a vocabulary and of the token ids of :data:`PROBES`."""
    return _digest(_json([sorted(tokenizer.get_vocab().items()), _ids(tokenizer, PROBES)]).encode())


def _sampled(model: SentenceTransformer) -> str:
    """Digest over a digest of each tensor, in no order: names change from release to release."""
    digests = []
    for name, tensor in model.state_dict().items():
        if ".pooler." in name:  # no pooling here reads it, and a checkpoint without one gets a random one
            continue
        flat = tensor.detach().reshape(-1)
        stride = (flat.numel() // SAMPLES) | 1  # odd, so that it does not walk down one column
        values = flat[::stride].to(torch.bfloat16 if tensor.is_floating_point() else torch.int64)
        digests.append(_digest(str(tuple(tensor.shape)).encode() + values.float().cpu().numpy().tobytes()))
    return _digest(_json(sorted(digests)).encode())


def _settings(module: Any) -> dict[str, Any]:
    if isinstance(module, InstructionMaskedPooling):
        return {"pooling": module.pooling}
    if isinstance(module, Normalize) or not hasattr(module, "get_config_dict"):
        return {}
    return dict(module.get_config_dict())
