"""Tokens to one vector, with the mask that says which of them count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import torch
from sentence_transformers.base.modules import Module
from torch import Tensor

from youtu_st.errors import SpecError
from youtu_st.modules.mask import CONTENT_MASK
from youtu_st.spec.model import Pooling


def _rows(tokens: Tensor) -> Tensor:
    # Not len(tokens): a trace takes that for a number that is the same in every batch.
    return torch.arange(tokens.shape[0], device=tokens.device)


def first_tokens(tokens: Tensor, attended: Tensor) -> Tensor:
    """The first attended token of each row: ``(batch, tokens, dim)`` to ``(batch, dim)``."""
    width = attended.shape[1]
    positions = torch.arange(width, device=attended.device)
    first = torch.where(attended.bool(), positions, width - 1).amin(dim=1)
    return tokens[_rows(tokens), first]


def last_tokens(tokens: Tensor, attended: Tensor) -> Tensor:
    """The last attended token of each row: ``(batch, tokens, dim)`` to ``(batch, dim)``."""
    positions = torch.arange(attended.shape[1], device=attended.device)
    last = torch.where(attended.bool(), positions, 0).amax(dim=1)
    return tokens[_rows(tokens), last]


_ONE_TOKEN: dict[Pooling, Callable[[Tensor, Tensor], Tensor]] = {
    "last_token": last_tokens,
    "cls": first_tokens,
}


class InstructionMaskedPooling(Module):
    """One vector per text, summed in float32 whatever the network's dtype.

    Args:
        embedding_dimension: Length of a token's vector.
        pooling: ``masked_mean``: mean over ``content_mask``, or over all attended tokens where a text has no
            content (an empty query), so that a vector is always finite. ``mean``: over all attended tokens,
            instruction included. ``last_token``: the last attended token's vector. ``cls``: the first's.

    Raises:
        SpecError: If ``pooling`` is none of these.
    """

    __module__ = "youtu_st.modules"  # the name that saved models carry, wherever the class stands

    config_keys: list[str] = ["embedding_dimension", "pooling"]
    MODES = get_args(Pooling)

    def __init__(self, embedding_dimension: int, pooling: Pooling = "masked_mean") -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # untyped in the host
        if pooling not in self.MODES:
            raise SpecError(f"pooling must be one of {', '.join(self.MODES)}, not {pooling!r}")
        self.embedding_dimension = embedding_dimension
        self.pooling = pooling

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Add ``sentence_embedding``, float32, shape ``(batch, embedding_dimension)``.

        Args:
            features: ``token_embeddings`` ``(batch, tokens, dim)``, ``attention_mask`` and, for
                ``masked_mean``, ``content_mask``, both ``(batch, tokens)``. Not modified.
            **kwargs: Ignored.
        """
        tokens: Tensor = features["token_embeddings"]
        attended = features["attention_mask"].bool()
        if self.pooling in _ONE_TOKEN:
            vectors = _ONE_TOKEN[self.pooling](tokens, attended).float()
        else:
            counted = attended
            if self.pooling == "masked_mean" and CONTENT_MASK in features:
                content = features[CONTENT_MASK].bool()
                # Not torch.where: ONNX Runtime chooses between numbers only.
                none = ~content.any(dim=1, keepdim=True)
                counted = content | (none & attended)
            # Filled, not multiplied: a padded position may hold NaN, and 0 * NaN is NaN.
            total = tokens.float().masked_fill(~counted.unsqueeze(-1), 0.0).sum(dim=1)
            vectors = total / counted.sum(dim=1, keepdim=True)
        return {**features, "sentence_embedding": vectors}

    def get_embedding_dimension(self) -> int:
        """Length of a vector."""
        return self.embedding_dimension

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **kwargs: Any) -> None:
        """Write the module's settings; it has no weights."""
        self.save_config(output_path)
