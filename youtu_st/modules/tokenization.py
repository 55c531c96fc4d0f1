"""Texts to token ids and content masks: one tokenisation, whatever the instruction."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from youtu_st.errors import YoutuError
from youtu_st.modules import mask
from youtu_st.modules.reach import reached
from youtu_st.modules.reader import Reader, Reading, cut_nothing
from youtu_st.modules.readers import reader_for
from youtu_st.spec.model import Boundary, SpecialTokens

AT_ONCE = 1 << 20
"""Characters of texts that are tokenised together."""


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """One text after its prompt, tokenised once.

    Attributes:
        ids: Token ids, special tokens included, shape ``(tokens,)``.
        content: True where the token's vector enters the mean, shape ``(len(ids),)``.
        type_ids: Segment ids for networks that take them, else None.
        full_length: Tokens before truncation; greater than ``len(ids)`` where the text was cut. Of a text
            that is very much longer than what is read, those of the part that was looked at.
        is_whole: Whether all of the text was looked at, so that ``full_length`` is exact.
        unknown: Share of the text that the vocabulary cannot read, from 0 to 1: in characters, or in tokens
            where the boundary is not told by characters.
        is_blank: Whether no token is content, but for those that the tokenizer added.
        prompt: What it was put after.
    """

    ids: npt.NDArray[np.int32]
    content: mask.Mask
    type_ids: npt.NDArray[np.int32] | None
    full_length: int
    is_blank: bool
    prompt: str
    is_whole: bool = True
    unknown: float = 0.0

    def __len__(self) -> int:
        return len(self.ids)

    def keep(self, which: Any) -> TokenizedText:
        """The same text with some of its tokens: a slice, or their positions."""
        types = None if self.type_ids is None else self.type_ids[which]
        return replace(self, ids=self.ids[which], content=self.content[which], type_ids=types)


def prepare(tokenizer: Any) -> None:
    """Set a tokenizer of transformers up for :func:`tokenize`, once, before threads share it.

    Instructions come first and must stay, so texts are cut on the right; see
    :func:`~youtu_st.modules.reader.cut_nothing` for the rest. Ids depend on none of it.
    """
    tokenizer.truncation_side = "right"
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if isinstance(backend, Tokenizer):
        cut_nothing(backend)


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
        tokenizer: A :class:`~youtu_st.modules.reader.Reader`, or a transformers tokenizer; a fast one for
            ``boundary="offsets"``.
        texts: What to tokenise; never altered.
        prompts: One prompt for each text, as the reader takes it: see its ``marked``.
        boundary: Rule for where the instruction ends, see :mod:`youtu_st.modules.mask`.
        special_tokens: Whether added tokens are content under ``offsets``.
        max_length: Tokens to keep; None keeps all. The text is cut; the prompt before it and the special
            tokens after it stay.

    Returns:
        One :class:`TokenizedText` per text, in order.
    """
    reader = reader_for(tokenizer)
    parts = [reach(reader, prompt, text, max_length) for prompt, text in zip(prompts, texts, strict=True)]
    alone = {prompt: _alone(reader, prompt, boundary) for prompt in set(prompts)}
    unknown, rows = reader.unknown_id, []
    for first, readings in _read(reader, prompts, parts, with_offsets=boundary == "offsets"):
        for i, (ids, flags, offsets, types) in enumerate(readings, start=first):
            prompt, special = prompts[i], np.array(flags, dtype=bool)
            if offsets is not None:
                ends = np.fromiter((end for _, end in offsets), np.int64, len(ids))
                content = mask.by_offsets(
                    ends, special, len(prompt), include_special=special_tokens == "include"
                )
            else:
                content = mask.by_token_count(len(ids), alone[prompt])
            own = content & ~special
            row = TokenizedText(
                ids=np.array(ids, dtype=np.int32),
                content=content,
                type_ids=None if types is None else np.array(types, dtype=np.int32),
                full_length=len(ids),
                is_blank=not own.any(),
                prompt=prompt,
                is_whole=len(parts[i]) == len(texts[i]),
                unknown=_unread(ids, own, offsets, unknown) if unknown in ids else 0.0,
            )
            rows.append(_cut(row, special, max_length or sys.maxsize))
    return rows


def _read(
    reader: Reader, prompts: Sequence[str], texts: Sequence[str], *, with_offsets: bool
) -> Iterator[tuple[int, Iterable[Reading]]]:
    """The tokens of texts after their prompts, some at a time, with the position of the first.

    A token takes as much as thirty characters until its text is cut.
    """
    start = 0
    while start < len(texts):
        end, size = start, 0
        while end < len(texts) and (end == start or size + len(texts[end]) <= AT_ONCE):
            size += len(texts[end])
            end += 1
        whole = [prompt + text for prompt, text in zip(prompts[start:end], texts[start:end], strict=True)]
        yield start, reader.read(whole, with_offsets=with_offsets)
        start = end


def _alone(reader: Reader, prompt: str, boundary: Boundary) -> int:
    """How many tokens a rule that counts takes for those of a prompt; 0 under the one that does not."""
    if boundary == "offsets" or (boundary == "prompt_length" and not prompt):
        return 0
    ids = reader.ids([prompt])[0]
    ends_specially = bool(ids) and ids[-1] in reader.facts.special_ids
    return len(ids) - (boundary == "prompt_length" and ends_specially)


def count(tokenizer: Any, text: str) -> int:
    """Number of ids that the tokenizer gives for a text, special tokens included."""
    return counts(tokenizer, [text])[0]


def reach(tokenizer: Any, prompt: str, text: str, limit: int | None) -> str:
    """The part of a text that decides which tokens are read of it.

    See :func:`youtu_st.modules.reach.reached`.

    Args:
        tokenizer: As for :func:`tokenize`.
        prompt: What it is read after.
        text: The text.
        limit: Tokens that are read; None: all.
    """
    reader = reader_for(tokenizer)
    if limit is None or reader.facts.truncation_side != "right":
        return text
    return reached(lambda part: reader.ids([prompt + part])[0], text, limit)


def unknown_id(tokenizer: Any) -> int | None:
    """As :attr:`~youtu_st.modules.reader.Reader.unknown_id`, of a reader or a tokenizer."""
    return reader_for(tokenizer).unknown_id


def check_room(tokenizer: Any, prompt: str, limit: int, what: str, error: type[YoutuError]) -> None:
    """Raise if a prompt leaves no room for text.

    Args:
        tokenizer: As for :func:`tokenize`.
        prompt: The prompt.
        limit: Tokens that are read.
        what: What to call the prompt.
        error: What to raise.
    """
    length = count(tokenizer, prompt)
    if length >= limit:
        raise error(f"{what} has {length} tokens and the model reads {limit}: no room for text")


def _unread(ids: Sequence[int], content: mask.Mask, offsets: Any, unknown: int | None) -> float:
    """Share of a text's characters, or of its tokens where these have no offsets, that is not read."""
    sizes = np.ones(len(ids)) if offsets is None else np.array([end - start for start, end in offsets])
    sizes = sizes * content
    return float((sizes * (np.array(ids) == unknown)).sum() / max(sizes.sum(), 1))


def all_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """What the tokenizer gives for each text, special tokens included."""
    return reader_for(tokenizer).ids(texts)


def counts(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    """Number of ids that the tokenizer gives for each text, special tokens included."""
    return [len(ids) for ids in all_ids(tokenizer, texts)]


def _cut(row: TokenizedText, special: mask.Mask, limit: int) -> TokenizedText:
    """Drop the end of the text, as the tokenizer's own truncation does: added tokens after it stay."""
    if len(row) <= limit:
        return row
    tail = len(row) if special.all() else int(special[::-1].argmin())
    return row.keep(np.r_[0 : max(limit - tail, 0), len(row) - tail : len(row)])
