"""Rows that begin with the same tokens: a causal network computes those tokens once.

An instruction before many queries, or the system prompt, instruction and query before a reranker's many
documents. In a causal network the first tokens of a row do not depend on what follows them, so their keys and
values are the same in every row.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer
from transformers.utils.generic import is_flash_attention_requested

from youtu_st.modules.beginnings import shared as shared
from youtu_st.modules.packing import Packing

log = logging.getLogger("youtu_st")

# Tokens of one line. In longer lines attention is wasted between rows that do not attend to each other, and
# shorter ones leave cores idle. Measured on 2 CPU cores; for accelerators an estimate.
LINE_TOKENS = {"cpu": 512}
LINE_TOKENS_ELSEWHERE = 4096


def states(
    network: PreTrainedModel,
    input_ids: Tensor,
    attention_mask: Tensor,
    shared: int,
    *,
    output: str = "last_hidden_state",
    line_tokens: int | None = None,
) -> Tensor:
    """What the network gives for each token, with the first tokens of the rows computed once.

    The rows stand one after another in lines, without padding. The first line begins with the shared tokens;
    their keys and values are kept for the lines after it. A mask lets each token attend to the shared tokens
    and to those before it in its own row.

    Args:
        network: A causal transformers network for which :func:`reuses` is True.
        input_ids: Shape ``(rows, width)``, padded on the right.
        attention_mask: Shape ``(rows, width)``; 1 on at least the first ``shared + 1`` tokens of each row.
        shared: Number of tokens that all rows begin with.
        output: The field of the network's output to return: ``last_hidden_state``, or ``logits``.
        line_tokens: Tokens of a line; None: what suits the device.

    Returns:
        Shape ``(rows, width, size)``, the network's dtype, zero at padded positions.
    """
    result: Tensor | None = None
    for rows, packing, first, own in _lines(
        network, input_ids, attention_mask, shared, output=output, line_tokens=line_tokens
    ):
        if result is None:
            result = own.new_zeros((*input_ids.shape, own.shape[-1]))
            result[:, :shared] = first
        result[rows, shared:][packing.attended] = own
    assert result is not None  # there is at least one row
    return result


def last_states(network: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor, shared: int) -> Tensor:
    """Of :func:`states`, the last token of each row: no more than a line is ever held in memory.

    Returns:
        Shape ``(rows, size)``, the network's dtype.
    """
    lines = _lines(network, input_ids, attention_mask, shared)
    return torch.cat([own[packing.lengths.cumsum(dim=0) - 1] for _, packing, _, own in lines])


def _lines(
    network: PreTrainedModel,
    input_ids: Tensor,
    attention_mask: Tensor,
    shared: int,
    *,
    output: str = "last_hidden_state",
    line_tokens: int | None = None,
) -> Iterator[tuple[slice, Packing, Tensor, Tensor]]:
    """Rows, where their own tokens lie in a line, and what the network gives, in the order of the line.

    That is of the shared tokens ``(shared, size)``, empty but in the first line, and of the rows' own
    ``(tokens, size)``.
    """
    rest = attention_mask[:, shared:].bool()
    limit = line_tokens or LINE_TOKENS.get(input_ids.device.type, LINE_TOKENS_ELSEWHERE)
    lines = list(_fitting(rest.sum(dim=1).tolist(), limit))
    cache = DynamicCache(config=network.config) if len(lines) > 1 else None
    for number, rows in enumerate(lines):
        packing = Packing(rest[rows])
        positions, mask = _layout(packing, shared, network.dtype)
        ids = packing.pack(input_ids[rows, shared:])
        if number == 0:
            ids = torch.cat([input_ids[:1, :shared], ids], dim=1)
        else:
            positions, mask = positions[:, shared:], mask[:, :, shared:]
        computed: Tensor = network(
            input_ids=ids,
            position_ids=positions,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=cache is not None,
            return_dict=True,
        )[output][0]
        begin = shared if number == 0 else 0
        yield rows, packing, computed[:begin], computed[begin:]
        if cache is not None:
            cache.crop(begin - computed.shape[0])  # back to the shared tokens


def reuses(network: object) -> bool:
    """Whether :func:`states` gives what the network gives row by row: seen, not assumed.

    Never for networks whose layers keep anything else than the keys and values of all tokens (sliding
    windows, recurrent states), whose rotary angles depend on the length of the row, or which attend through
    flash attention, which takes no mask. Any other runs a few tokens both ways once.

    Args:
        network: Anything; False for what is no transformers network.
    """
    if not isinstance(network, PreTrainedModel) or is_flash_attention_requested(config=network.config):
        return False
    taken = inspect.signature(network.forward).parameters
    if not {"attention_mask", "position_ids", "past_key_values", "use_cache"} <= set(taken):
        return False
    rope = getattr(network.config, "rope_parameters", None) or {}
    if rope.get("rope_type") in ("dynamic", "longrope"):
        return False
    return _same_both_ways(network)


def _same_both_ways(network: PreTrainedModel) -> bool:
    embeddings: Any = network.get_input_embeddings()
    ids = torch.tensor([[1, 2, 3, 4, 5, 6], [1, 2, 3, 7, 8, 0], [1, 2, 3, 9, 0, 0]], device=network.device)
    attended = (ids > 0).long()
    ids %= embeddings.weight.shape[0]  # any ids will do
    tolerance = 1e-4 if network.dtype == torch.float32 else 3e-2
    try:
        if any(type(layer) is not DynamicLayer for layer in DynamicCache(config=network.config).layers):
            return False
        with torch.inference_mode():
            plain = network(input_ids=ids, attention_mask=attended, return_dict=True)
            output = "last_hidden_state" if "last_hidden_state" in plain else "logits"
            once = states(network, ids, attended, 3, output=output, line_tokens=4)  # two lines
    except Exception as error:  # code of any architecture, run in a way that it need not support
        log.info("%s computes shared tokens in every row: %s", type(network).__name__, error)
        return False
    kept = attended.bool()
    expected, given = plain[output][kept].float(), once[kept].float()
    return bool((given - expected).abs().max() <= tolerance * expected.abs().max())


def _fitting(lengths: Sequence[int], limit: int) -> Iterator[slice]:
    """Neighbouring rows, together at most ``limit`` tokens, unless it is one row."""
    start = tokens = 0
    for i, length in enumerate(lengths):
        if i > start and tokens + length > limit:
            yield slice(start, i)
            start, tokens = i, 0
        tokens += length
    yield slice(start, len(lengths))


def _layout(packing: Packing, shared: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Position ids ``(1, n)`` and the additive mask ``(1, 1, n, n)`` of the shared tokens and a line."""
    rows = torch.nn.functional.pad(packing.rows, (shared, 0), value=-1)
    first = torch.arange(shared, device=rows.device)
    positions = torch.cat([first, packing.positions + shared])
    may = ((rows[:, None] == rows) | (rows == -1)).tril()
    # Additive: the one form that both sdpa and eager attention take.
    mask = torch.zeros(may.shape, dtype=dtype, device=rows.device)
    mask.masked_fill_(~may, torch.finfo(dtype).min)
    return positions.unsqueeze(0), mask[None, None]
