"""What a vector means, as named parts and one short string.

Indexes in the field carry these strings, so they depend on what a model is and does, not on how this release
of a library writes it down: no names of weights, no serialised tokenizer, no settings that do nothing.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from youtu_st.modules.pooling import InstructionMaskedPooling
from youtu_st.modules.transformer import InstructionTransformer
from youtu_st.protocol import canonical as _json
from youtu_st.protocol import digest as _digest
from youtu_st.protocol import fingerprint as fingerprint
from youtu_st.spec.prompts import ROLES, prompt_for

_SEEN: weakref.WeakKeyDictionary[Any, tuple[Any, str]] = weakref.WeakKeyDictionary()

SAMPLES = 1024
"""About how many values of each tensor are read."""

PROBES = (
    "The quick brown fox can't jump over 13 lazy dogs, or 2,048.50!",
    "Query:What's new?\n\n\tIndented  twice ;-) ::) #tag @name <eos> </s> [SEP] e-mail: a.b@c.de",
    "Größe naïve ÅNGSTRÖM ﬁne \u00a0no-break e\u0301",
    "法国首都是哪里？今天天气很好，我们去公园吧。繁體中文：測試。",
    "日本語のテキスト 한국어 русский العربية हिन्दी 😀👩‍👩‍👧🎉",
    "",
)
"""Texts whose token ids stand for a tokenizer's rules, beside its vocabulary."""


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
    }


def weights_digest(model: SentenceTransformer) -> str:
    """Digest of a sample of every tensor: names, shapes, and about a thousand values of each.

    Values are rounded to bfloat16 first, so that float32 and bfloat16 copies of one checkpoint agree. A model
    that was loaded as float16, or for OpenVINO, carries the digest of what it was loaded from.
    """
    current = _sampled(model)
    before, after = getattr(model[0], "weights_before_cast", (None, None))
    return before if before is not None and current == after else current


def remember_weights(model: SentenceTransformer, before: str) -> None:
    """Note the digest that the weights had before they were rounded to another dtype, or let go."""
    first: Any = model[0]
    first.weights_before_cast = (before, _sampled(model))


def tokenizer_digest(model: SentenceTransformer) -> str:
    """Digest of the vocabulary and of the token ids of a few multilingual probe texts."""
    tokenizer: Any = getattr(model, "tokenizer", None)
    if isinstance(tokenizer, Tokenizer):
        ids = [encoding.ids for encoding in tokenizer.encode_batch(list(PROBES))]
        return _vocabulary_digest(tokenizer, ids)
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        return "none"
    ids = tokenizer(list(PROBES), padding=False, truncation=False, verbose=False)["input_ids"]
    # Sorting the vocabulary takes a tenth of a second: once, unless tokens were added or are split otherwise.
    state = (len(tokenizer), ids)
    if tokenizer not in _SEEN or _SEEN[tokenizer][0] != state:
        _SEEN[tokenizer] = (state, _vocabulary_digest(tokenizer, ids))
    return _SEEN[tokenizer][1]


def _vocabulary_digest(tokenizer: Any, ids: Any) -> str:
    return _digest(_json([sorted(tokenizer.get_vocab().items()), ids]).encode())


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
