"""Batches without padding: the attended tokens of all rows in one line, and back."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.utils.generic import is_flash_attention_requested


@dataclass(frozen=True)
class Packing:
    """Where the attended tokens of a padded batch lie when its rows stand one after another in one line.

    Attributes:
        attended: True where a token is attended, shape ``(rows, width)``; padding may be on either side.
    """

    attended: Tensor

    @property
    def lengths(self) -> Tensor:
        """Attended tokens of each row, int64, shape ``(rows,)``."""
        return self.attended.sum(dim=1)

    @property
    def rows(self) -> Tensor:
        """The row that each token of the line comes from, int64, shape ``(tokens,)``."""
        return self.attended.nonzero()[:, 0]

    @property
    def positions(self) -> Tensor:
        """Position of each token of the line in its own row, from 0, int64, shape ``(tokens,)``."""
        return (self.attended.cumsum(dim=1) - 1)[self.attended]

    def pack(self, padded: Tensor) -> Tensor:
        """``(rows, width, ...)`` to ``(1, tokens, ...)``."""
        return padded[self.attended].unsqueeze(0)

    def unpack(self, line: Tensor) -> Tensor:
        """``(1, tokens, ...)`` to ``(rows, width, ...)``, zero where a token is not attended."""
        padded = line.new_zeros((*self.attended.shape, *line.shape[2:]))
        padded[self.attended] = line[0]
        return padded

    def flash_arguments(self) -> dict[str, Any]:
        """What transformers' flash attention takes to keep the rows apart, as ``DataCollatorWithFlattening``.

        Returns:
            ``cu_seq_lens_q`` and ``cu_seq_lens_k``, where each row begins and the last one ends, int32, shape
            ``(rows + 1,)``; ``max_length_q`` and ``max_length_k``, the tokens of the longest row.
        """
        borders = torch.nn.functional.pad(self.lengths.cumsum(dim=0), (1, 0)).to(torch.int32)
        longest = int(self.lengths.max())
        queries = {"cu_seq_lens_q": borders, "max_length_q": longest}
        return {**queries, "cu_seq_lens_k": borders, "max_length_k": longest}


def packs(network: object) -> bool:
    """Whether a network's batches should run without padding: where it attends through flash attention.

    Only flash attention keeps the rows of a line apart without a mask. Where it is not installed,
    transformers loads no network that asks for it.
    """
    if not isinstance(network, PreTrainedModel) or not is_flash_attention_requested(config=network.config):
        return False
    # Code of its own may attend in its own way, and not be told where a row ends.
    compatible: Any = network.is_backend_compatible
    taken = inspect.signature(network.forward).parameters.values()
    passes_on = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken)
    return passes_on and bool(compatible())


def position_table(network: torch.nn.Module) -> torch.nn.Embedding | None:
    """A network's learned table of absolute positions, if it has one."""
    for name, module in network.named_modules():
        if name.endswith(("position_embeddings", "wpe")) and isinstance(module, torch.nn.Embedding):
            return module
    return None


def first_position(network: PreTrainedModel) -> int:
    """Position id of a first token: RoBERTa and its kin count from ``padding_idx + 1``, others from 0."""
    table = position_table(network)
    return 0 if table is None or table.padding_idx is None else table.padding_idx + 1


def pack_features(features: dict[str, Any], packing: Packing, first: int = 0) -> dict[str, Any]:
    """A padded batch as one line.

    Args:
        features: ``input_ids``, ``attention_mask`` and perhaps more tensors of shape ``(rows, width)``. Not
            modified.
        packing: The packing of its ``attention_mask``.
        first: See :func:`first_position`.

    Returns:
        The features with these tensors as ``(1, tokens)``, but for ``attention_mask``, in whose stead there
        are ``position_ids``, which start anew in each row, and :meth:`Packing.flash_arguments`.
    """
    lines = {
        name: packing.pack(value)
        if isinstance(value, Tensor) and value.shape[:2] == packing.attended.shape
        else value
        for name, value in features.items()
        if name != "attention_mask"
    }
    return {**lines, "position_ids": (packing.positions + first).unsqueeze(0), **packing.flash_arguments()}
