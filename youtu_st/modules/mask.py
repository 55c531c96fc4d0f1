"""Which tokens of ``instruction + text`` are content: the rules, as pure functions.

``docs/mask.md`` works through an example. Everything that needs the mask takes it from here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

CONTENT_MASK = "content_mask"
"""The feature that says which tokens the pooling may count."""

Mask = npt.NDArray[np.bool_]


def by_offsets(
    ends: npt.NDArray[np.int64], special: Mask, instruction_length: int, *, include_special: bool
) -> Mask:
    """The rule that Youtu-Embedding was trained with.

    A token is content if it ends, in characters of ``instruction + text``, after the instruction. A token
    that straddles the border is content. Tokens that the tokenizer adds have no characters.

    Args:
        ends: End offset of each token in characters, shape ``(tokens,)``.
        special: True where the tokenizer added the token, shape ``(tokens,)``.
        instruction_length: ``len(instruction)``, in characters.
        include_special: Whether added tokens are content.

    Returns:
        Shape ``(tokens,)``.
    """
    return np.where(special, include_special, ends > instruction_length)


def by_token_count(tokens: int, instruction_tokens: int) -> Mask:
    """The rules that count: drop as many leading tokens as the instruction has alone.

    ``token_count``, of the published inference script, and ``prompt_length``, of sentence-transformers, count
    differently.

    Args:
        tokens: Number of tokens of ``instruction + text``.
        instruction_tokens: Of the instruction alone. Under ``token_count`` all ids that the tokenizer gives,
            special tokens included: an empty instruction still counts a BOS. Under ``prompt_length`` none for
            an empty instruction, else all but a special token at the end.

    Returns:
        Shape ``(tokens,)``.
    """
    return np.arange(tokens) >= instruction_tokens
