"""What a loaded model really does, checked against what its spec says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from sentence_transformers.base.modules import Transformer
from torch import Tensor

from youtu_st.errors import ModelLoadError
from youtu_st.modules.transformer import InstructionTransformer
from youtu_st.spec.model import Attention, ModelSpec


def observed_attention(transformer: Transformer) -> Attention:
    """Change the last token and see whether the first token's hidden state moves.

    Returns:
        ``bidirectional`` if it moves, ``causal`` if not.

    Raises:
        ModelLoadError: If the hidden states are not finite.
    """

    def states(ids: Tensor) -> Tensor:
        features = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "modality": "text"}
        given: Tensor = transformer(features)["token_embeddings"]
        return given

    return attention_of(transformer.model, states)


def attention_of(network: Any, states: Callable[[Tensor], Tensor]) -> Attention:
    """As :func:`observed_attention`, of a network by what gives its hidden states.

    Args:
        network: The network.
        states: Token ids, shape ``(rows, tokens)``, to hidden states, shape ``(rows, tokens, size)``.

    Raises:
        ModelLoadError: If the hidden states are not finite.
    """
    embeddings: Any = network.get_input_embeddings()
    # Two rows of four tokens that differ in the last one only; any ids will do.
    ids = torch.tensor([[1, 2, 3, 4], [1, 2, 3, 5]]) % embeddings.weight.shape[0]
    with torch.inference_mode():
        first = states(ids.to(next(network.parameters()).device))[:, 0].float()
    if not first.isfinite().all():
        raise ModelLoadError("the network's hidden states are not finite: are its weights damaged?")
    # A causal network computes both rows from the same numbers; the margin is for kernels that do not.
    moved = (first[0] - first[1]).abs().max() > 1e-5 * first.abs().max()
    return "bidirectional" if moved else "causal"


def check_attention(transformer: InstructionTransformer) -> None:
    """Raise if attention is not what the module was told it is.

    Raises:
        ModelLoadError: Naming both directions.
    """
    expected = transformer.settings.attention
    if expected is None:
        return
    observed = observed_attention(transformer)
    if observed != expected:
        raise ModelLoadError(
            f"attention must be {expected}, but this checkpoint's is {observed}: "
            f"{type(transformer.model).__name__} does not follow config.is_causal. With "
            "attn_implementation='sdpa' or 'eager' and an architecture that transformers knows, it does"
        )


def observed_limit(transformer: Transformer) -> int | None:
    """Most tokens of a network with a learned table of positions: as many as rows are left of it.

    Seen by reading a few tokens and looking at which table is asked for consecutive rows: RoBERTa and its kin
    count from 2, so that of their 514 rows 512 are positions, whatever their files say.

    Returns:
        The number of tokens; None where no table limits it.
    """
    words = transformer.model.get_input_embeddings()
    tables = [m for m in transformer.model.modules() if isinstance(m, torch.nn.Embedding) and m is not words]
    if not tables:
        return None
    asked: dict[torch.nn.Module, Tensor] = {}

    def note(table: torch.nn.Module, given: tuple[Any, ...]) -> None:
        if given and isinstance(given[0], Tensor):
            asked[table] = given[0].flatten()

    hooks = [table.register_forward_pre_hook(note) for table in tables]
    ids = torch.tensor([[5, 3, 7, 4, 6]], device=next(transformer.parameters()).device)
    features = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "modality": "text"}
    try:
        with torch.inference_mode():
            transformer(features)
    finally:
        for hook in hooks:
            hook.remove()
    limits = [
        table.num_embeddings - int(rows[0])
        for table in tables
        if (rows := asked.get(table)) is not None
        and len(rows) == ids.shape[1]
        and bool((rows.diff() == 1).all())
    ]
    return min(limits, default=None)


def keep_to_limit(model: Any) -> None:
    """Let a model's transformers read no more tokens than they have positions for."""
    for module in model.modules():
        if isinstance(module, Transformer):
            limit, told = observed_limit(module), module.max_seq_length
            if limit is not None and (told is None or told > limit):
                module.max_seq_length = limit


def added_tokens(tokenizer: Any) -> tuple[bool, bool]:
    """Whether a tokenizer puts a token of its own before a text, and one after it."""
    special = tokenizer("a", return_special_tokens_mask=True)["special_tokens_mask"]
    return bool(special[0]), bool(special[-1])


def check_added_tokens(tokenizer: Any, spec: ModelSpec) -> None:
    """Raise if the tokenizer does not add the tokens that the spec says it adds, or adds others.

    A model that pools its last token gives healthy-looking vectors without it, which rank badly.

    Raises:
        ModelLoadError: Naming the place and what is there.
    """
    before, after = added_tokens(tokenizer)
    for place, expected, observed in ("before", spec.bos, before), ("after", spec.eos, after):
        if expected is not None and expected != observed:
            raise ModelLoadError(
                f"the tokenizer adds {'a' if observed else 'no'} token {place} a text, and {spec.name}'s "
                f"adds {'one' if expected else 'none'}: its files are damaged, or older than the release"
            )
