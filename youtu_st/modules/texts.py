"""Texts to padded batches of tokens: what stands before a network, whatever runs it. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from youtu_st.modules import tokenization
from youtu_st.modules.literal import LiteralTokenizer
from youtu_st.modules.mask import CONTENT_MASK
from youtu_st.modules.reader import FastReader, Reader
from youtu_st.modules.tokenization import TokenizedText
from youtu_st.spec.model import ModuleSettings, PaddingSide

Self = TypeVar("Self", bound="Texts")
Column = npt.NDArray[np.int64]
"""A value for each token of a batch, shape ``(rows, longest)``."""


@dataclass(frozen=True, kw_only=True)
class Texts:
    """How a model takes texts: its prompts, masks, truncation and padding.

    Attributes:
        settings: What its module says of itself.
        reader: What gives the tokens of ``prompt + text``: under ``split_special_tokens`` a literal copy, see
            :meth:`of`.
        max_length: Tokens that the network reads; None: all.
        padding_side: Side that short rows of a batch are padded on.
        counts_positions: Whether the network has a learned table of absolute positions, which padding on the
            left would shift a text in.
        marks_content: Whether a text may be nothing to the model, as no token of it is content.
    """

    settings: ModuleSettings
    reader: Reader
    max_length: int | None
    padding_side: PaddingSide = "right"
    counts_positions: bool = False
    marks_content: bool = True
    reuses_prefixes: ClassVar[bool] = False  # rows that begin with the same tokens are computed one by one

    @classmethod
    def of(
        cls: type[Self], settings: ModuleSettings, reader: FastReader, max_length: int | None, **rest: Any
    ) -> Self:
        """As the settings say it, of a reader that does not split special tokens.

        Args:
            settings: What the module says of itself.
            reader: The tokenizer's.
            max_length: Tokens that the network reads; None: all.
            **rest: Other attributes.

        Raises:
            InputError: If special tokens are to be split, and the reader cannot be copied for it.
        """
        reads = LiteralTokenizer(reader, cls._written(rest)) if settings.split_special_tokens else reader
        told = {"padding_side": settings.padding_side or "right", **rest}
        return cls(settings=settings, reader=reads, max_length=max_length, **told)

    @staticmethod
    def _written(rest: Mapping[str, Any]) -> str:
        """What the model itself writes around texts, where that is more than a prompt."""
        return ""

    def marked(self, prompts: Sequence[str]) -> list[str]:
        """Prompts as :attr:`reader` takes them: their own special tokens are special to it."""
        marked = {prompt: self.reader.marked(prompt) for prompt in set(prompts)}
        return [marked[prompt] for prompt in prompts]

    def tokenize_texts(
        self,
        texts: Sequence[str],
        prompts: str | Sequence[str] | None = None,
        *,
        max_length: int | None = None,
    ) -> list[TokenizedText]:
        """Tokenise each ``prompt + text`` once, mark its content, and cut it to the maximum length.

        Args:
            texts: What to tokenise; never altered.
            prompts: One prompt for all texts, or one per text.
            max_length: Tokens to keep; None: the model's maximum.

        Returns:
            One :class:`~youtu_st.modules.tokenization.TokenizedText` per text, in order.
        """
        each = [prompts or ""] * len(texts) if prompts is None or isinstance(prompts, str) else prompts
        return self.tokenized(texts, self.marked(each), max_length)

    def tokenized(
        self, texts: Sequence[str], marked: Sequence[str], max_length: int | None = None
    ) -> list[TokenizedText]:
        """As :meth:`tokenize_texts`, after prompts that :meth:`marked` gave."""
        rows = tokenization.tokenize(
            self.reader,
            texts,
            marked,
            boundary=self.settings.boundary,
            special_tokens=self.settings.special_tokens,
            max_length=max_length or self.max_length,
        )
        if self.marks_content:
            return rows
        return [replace(row, is_blank=False) if row.is_blank else row for row in rows]

    def collate(self, rows: Sequence[TokenizedText], *, side: PaddingSide | None = None) -> dict[str, Column]:
        """Pad tokenised texts to one batch.

        Networks with a learned table of absolute positions are padded on the right whatever the side.

        Args:
            rows: At least one.
            side: Side to pad on; None: the model's.

        Returns:
            ``input_ids``, ``attention_mask`` and ``content_mask`` (and ``token_type_ids`` where the tokenizer
            gives them), int64 arrays of shape ``(len(rows), longest)``.
        """
        facts = self.reader.facts
        width = max(len(row.ids) for row in rows)
        shape = (len(rows), width)
        columns = {"input_ids": np.full(shape, facts.pad_id or 0, dtype=np.int64)}
        columns |= {name: np.zeros(shape, dtype=np.int64) for name in ("attention_mask", CONTENT_MASK)}
        if rows[0].type_ids is not None:
            columns["token_type_ids"] = np.full(shape, facts.pad_type_id, dtype=np.int64)
        left = (side or self.padding_side) == "left" and not self.counts_positions
        for i, row in enumerate(rows):
            span = slice(width - len(row.ids), width) if left else slice(0, len(row.ids))
            columns["input_ids"][i, span] = row.ids
            columns["attention_mask"][i, span] = 1
            columns[CONTENT_MASK][i, span] = row.content
            if row.type_ids is not None:
                columns["token_type_ids"][i, span] = row.type_ids
        return columns
