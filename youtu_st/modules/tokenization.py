"""Texts to token ids and content masks: one tokenisation, whatever the instruction."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.modules import mask
from youtu_st.spec.model import Boundary, SpecialTokens


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """One text after its prompt, tokenised once.

    Attributes:
        ids: Token ids, special tokens included, shape ``(tokens,)``.
        content: True where the token's vector enters the mean, shape ``(len(ids),)``.
        type_ids: Segment ids for networks that take them, else None.
        full_length: Tokens before truncation; greater than ``len(ids)`` where the text was cut.
        is_blank: Whether no token is content, but for those that the tokenizer added.
        prompt: What it was put after.
    """

    ids: npt.NDArray[np.int32]
    content: mask.Mask
    type_ids: npt.NDArray[np.int32] | None
    full_length: int
    is_blank: bool
    prompt: str

    def __len__(self) -> int:
        return len(self.ids)

    def keep(self, which: Any) -> TokenizedText:
        """The same text with some of its tokens: a slice, or their positions."""
        types = None if self.type_ids is None else self.type_ids[which]
        return replace(self, ids=self.ids[which], content=self.content[which], type_ids=types)


def prepare(tokenizer: Any) -> None:
    """Set a tokenizer up for :func:`tokenize`, once, before threads share it.

    Instructions come first and must stay, so texts are cut on the right. Byte-level tokenizers may report
    offsets without the whitespace inside a token: the end of a token that joins ``:`` to a line break after
    ``Query:`` would then fall before the border that it straddles. Ids depend on neither setting.
    """
    tokenizer.truncation_side = "right"
    if tokenizer.is_fast:
        _report_whole_tokens(tokenizer.backend_tokenizer.post_processor)
    tokenizer([""], padding=False, truncation=False)  # a checkpoint may come with both switched on


def tokenize(
    tokenizer: Any,
    texts: Sequence[str],
    prompts: Sequence[str],
    *,
    boundary: Boundary,
    special_tokens: SpecialTokens,
    max_length: int | None,
) -> list[TokenizedText]:
    """Tokenise each ``prompt + text`` once, and mark its content.

    Args:
        tokenizer: A transformers tokenizer, a fast one for ``boundary="offsets"``; or a
            :class:`~youtu_st.modules.literal.LiteralTokenizer`.
        texts: What to tokenise; never altered.
        prompts: One prompt for each text, as the tokenizer takes it.
        boundary: Rule for where the instruction ends, see :mod:`youtu_st.modules.mask`.
        special_tokens: Whether added tokens are content under ``offsets``.
        max_length: Tokens to keep; None keeps all. The text is cut; the prompt before it and the special
            tokens after it stay.

    Returns:
        One :class:`TokenizedText` per text, in order.
    """
    if not texts:
        return []
    # Always without padding and truncation: a fast tokenizer keeps both as state, and threads share it.
    encoded = tokenizer(
        [prompt + text for prompt, text in zip(prompts, texts, strict=True)],
        padding=False,
        truncation=False,
        return_attention_mask=False,
        return_offsets_mapping=boundary == "offsets",
        return_special_tokens_mask=True,
        verbose=False,
    )
    nothing = [None] * len(texts)
    columns = (
        prompts,
        encoded["input_ids"],
        encoded["special_tokens_mask"],
        encoded.get("offset_mapping", nothing),
        encoded.get("token_type_ids", nothing),
    )
    alone = {} if boundary == "offsets" else {prompt: count(tokenizer, prompt) for prompt in set(prompts)}
    rows = []
    for prompt, ids, flags, offsets, types in zip(*columns, strict=True):
        special = np.array(flags, dtype=bool)
        if boundary == "offsets":
            ends = np.fromiter((end for _, end in offsets), np.int64, len(ids))
            content = mask.by_offsets(ends, special, len(prompt), include_special=special_tokens == "include")
        else:
            content = mask.by_token_count(len(ids), alone[prompt])
        row = TokenizedText(
            ids=np.array(ids, dtype=np.int32),
            content=content,
            type_ids=None if types is None else np.array(types, dtype=np.int32),
            full_length=len(ids),
            is_blank=not (content & ~special).any(),
            prompt=prompt,
        )
        rows.append((row, special))
    return [_cut(row, special, max_length or sys.maxsize) for row, special in rows]


def count(tokenizer: Any, text: str) -> int:
    """Number of ids that the tokenizer gives for a text, special tokens included."""
    return counts(tokenizer, [text])[0]


def counts(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    """Number of ids that the tokenizer gives for each text, special tokens included."""
    if not texts:
        return []
    encoded = tokenizer(
        list(texts), padding=False, truncation=False, return_attention_mask=False, verbose=False
    )
    return [len(ids) for ids in encoded["input_ids"]]


def _cut(row: TokenizedText, special: mask.Mask, limit: int) -> TokenizedText:
    """Drop the end of the text, as the tokenizer's own truncation does: added tokens after it stay."""
    if len(row) <= limit:
        return row
    tail = len(row) if special.all() else int(special[::-1].argmin())
    return row.keep(np.r_[0 : max(limit - tail, 0), len(row) - tail : len(row)])


def _report_whole_tokens(processor: Any) -> None:
    if hasattr(processor, "trim_offsets"):
        processor.trim_offsets = False
    elif hasattr(processor, "__getitem__"):  # a sequence of processors
        for part in processor:
            _report_whole_tokens(part)
