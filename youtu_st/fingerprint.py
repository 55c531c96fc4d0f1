"""What a vector means, as named parts and one short string."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from transformers import PreTrainedTokenizerBase

from youtu_st.modules import InstructionTransformer
from youtu_st.prompts import ROLES, prompt_for

SAMPLES = 1024
"""About how many values of each tensor are read."""


def identity(model: SentenceTransformer, dimension: int) -> dict[str, str]:
    """The parts that decide what a vector means; not dtype, device or backend.

    Args:
        model: Any sentence-transformers model.
        dimension: Length of the vectors that are handed out.

    Returns:
        Part names to short strings, fit for a message that says what differs.
    """
    first = model[0]
    mask = {}
    if isinstance(first, InstructionTransformer):
        mask = {
            "boundary": first.boundary,
            "special_tokens": first.special_tokens,
            "attention": first.attention,
        }
    after = [[type(module).__name__, _config(module)] for module in list(model)[1:]]
    return {
        "weights": weights_digest(model),
        "tokenizer": tokenizer_digest(model),
        "prompts": _json({role: prompt_for(model, role) for role in ROLES}),
        "mask": _json(mask),
        "pooling": _json(after),
        "max_length": str(model.get_max_seq_length()),
        "dimension": str(dimension),
        "normalize": "true",
    }


def fingerprint(parts: Mapping[str, str]) -> str:
    """Sixteen hexadecimal digits over the parts of :func:`identity`."""
    return _digest(_json(dict(parts)).encode())


def weights_digest(model: SentenceTransformer) -> str:
    """Digest of a sample of every tensor: names, shapes, and about a thousand values of each.

    Values are rounded to bfloat16 first, so that float32 and bfloat16 copies of one checkpoint agree. A model
    that was loaded as float16 carries the digest of what it was loaded from.
    """
    current = _sampled(model)
    before, after = getattr(model[0], "weights_before_cast", (None, None))
    return before if before is not None and current == after else current


def remember_weights(model: SentenceTransformer, before: str) -> None:
    """Note the digest that the weights had before they were rounded to another dtype."""
    first: Any = model[0]
    first.weights_before_cast = (before, _sampled(model))


def tokenizer_digest(model: SentenceTransformer) -> str:
    """Digest of the tokenizer: vocabulary, merges, normalisation and special tokens."""
    tokenizer: Any = model.tokenizer
    if isinstance(tokenizer, PreTrainedTokenizerBase) and tokenizer.is_fast:
        # Padding and truncation are state of the last call, not part of the tokenizer.
        tokenizer("", padding=False, truncation=False)
        return _digest(tokenizer.backend_tokenizer.to_str().encode())
    if isinstance(tokenizer, PreTrainedTokenizerBase):
        return _digest(_json([tokenizer.get_vocab(), tokenizer.special_tokens_map]).encode())
    return _digest(tokenizer.to_str().encode() if hasattr(tokenizer, "to_str") else b"")


def _sampled(model: SentenceTransformer) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if ".pooler." in name:  # no pooling here reads it, and a checkpoint without one gets a random one
            continue
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        flat = tensor.detach().reshape(-1)
        stride = (flat.numel() // SAMPLES) | 1  # odd, so that it does not walk down one column
        values = flat[::stride].to(torch.bfloat16 if tensor.is_floating_point() else torch.int64)
        digest.update(values.float().cpu().numpy().astype(np.float32).tobytes())
    return digest.hexdigest()[:16]


def _config(module: Any) -> dict[str, Any]:
    settings = module.get_config_dict() if hasattr(module, "get_config_dict") else {}
    return {} if isinstance(module, Transformer) else settings


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
