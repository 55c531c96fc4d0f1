"""Attention of a network that is followed into a graph, as each engine computes it best."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from torch import Tensor
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask


def set_attention(network: Any, *, fused: bool) -> None:
    """Give a network attention that an engine computes as PyTorch does.

    ONNX Runtime gets it in parts, and exporting the host's adds a look for rows that see nothing, over all
    scores of all heads: a tenth of the time of a batch of paragraphs. There are no such rows here, see
    :func:`_seen`.

    Args:
        network: A transformers model that nobody else runs; it stays changed.
        fused: Whether the engine has PyTorch's own attention as one operation, as OpenVINO has.
    """
    name = "youtu-st-fused" if fused else "youtu-st-plain"
    transformers.AttentionInterface.register(name, sdpa_attention_forward if fused else _plain)
    transformers.AttentionMaskInterface.register(name, _seen if fused else _added)
    network.set_attn_implementation(name)


def _seen(*args: Any, **kwargs: Any) -> Tensor | None:
    """The host's mask, but a position that sees nothing sees everything.

    Under causal attention that is the padding before a text. PyTorch gives such a position zeros, OpenVINO
    gives it NaN, which the next layer would hand on to the text.
    """
    mask = sdpa_mask(*args, **kwargs)
    return None if mask is None else mask | ~mask.any(dim=-1, keepdim=True)


def _added(*args: Any, **kwargs: Any) -> Tensor | None:
    """The same as numbers to add to scores, made once for all layers."""
    mask = _seen(*args, **{**kwargs, "allow_is_causal_skip": False})
    if mask is None:
        return None
    return torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(torch.float32).min)


def _plain(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **told: Any,
) -> tuple[Tensor, None]:
    """``softmax(scaling * QK' + mask) V``, Vaswani et al. 2017, section 3.2.1; a key for a group of queries.

    Args:
        module: The layer.
        query: Shape ``(batch, heads, tokens, width)``.
        key: Shape ``(batch, groups, tokens, width)``.
        value: As ``key``, or of another width.
        attention_mask: Added to the scores; None: every position sees all.
        scaling: None: one over the root of the width.
        **told: Nothing that matters in evaluation.

    Returns:
        Shape ``(batch, tokens, heads, width of value)``; and None for the weights.
    """
    group = query.shape[1] // key.shape[1]
    if group > 1:
        key, value = key.repeat_interleave(group, dim=1), value.repeat_interleave(group, dim=1)
    scores = query @ key.transpose(2, 3) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if attention_mask is not None:
        scores = scores + attention_mask
    return (scores.softmax(dim=-1) @ value).transpose(1, 2).contiguous(), None
