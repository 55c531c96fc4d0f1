"""Pairs in a reranker's template to padded batches of tokens, whatever runs the network. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.errors import InputError
from youtu_st.modules import tokenization
from youtu_st.modules.texts import Texts
from youtu_st.modules.tokenization import TokenizedText
from youtu_st.spec.reranker import Template


@dataclass(frozen=True, kw_only=True)
class PairTexts(Texts):
    """How a model that is asked about a pair takes it: the content of a row is its document.

    Attributes:
        template: What is put around a pair.
    """

    template: Template

    @staticmethod
    def _written(rest: Mapping[str, Any]) -> str:
        written: str = rest["template"].written
        return written

    def heads(self, queries: Sequence[str], instructions: Sequence[str | None]) -> list[str]:
        """What stands before the documents of each query: the template up to them.

        Special tokens of the template and of an instruction stay what they are, whatever
        ``split_special_tokens`` says of those of a query.

        Args:
            queries: What documents are to answer.
            instructions: A task description for each; None: the model's own.

        Raises:
            InputError: As for :meth:`Template.head`.
        """
        template = self.template
        body, own = self.marked([template.body, template.instruction or ""])
        template = replace(template, body=body, instruction=None if template.instruction is None else own)
        told = self.marked([instruction or "" for instruction in instructions])
        return [
            template.head(query, None if instruction is None else marked)
            for query, instruction, marked in zip(queries, instructions, told, strict=True)
        ]

    def _around(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Ids of what stands before and after every pair."""
        before, after = self.reader.own_ids([self.template.prefix, self.template.suffix])
        return np.array(before, dtype=np.int32), np.array(after, dtype=np.int32)

    @property
    def template_tokens(self) -> int:
        """Tokens that stand before and after every pair."""
        return sum(map(len, self._around()))

    def tokenize_pairs(
        self, documents: Sequence[str], heads: Sequence[str], *, max_length: int | None = None
    ) -> list[TokenizedText]:
        """Tokenise each document after its head, and cut its end where the whole is too long.

        Args:
            documents: What is judged.
            heads: For each document, the template up to it, of :meth:`heads`.
            max_length: Tokens to keep, prefix and suffix included; None: the model's maximum.

        Returns:
            One row for each document, whose content is the document's tokens: none, where its head left no
            room for any. A token that reaches from the head into the document is the document's.
        """
        limit = max_length or self.max_length
        before, after = self._around()
        taken = len(before) + len(after)
        room = max(limit - taken, 1) if limit else None
        return [
            replace(
                row,
                ids=np.concatenate([before, row.ids, after]),
                content=np.pad(row.content, (len(before), len(after))),
                type_ids=None,
                full_length=row.full_length + taken,
            )
            for row in self.tokenized(documents, heads, room)
        ]

    def check_room(self, rows: Sequence[TokenizedText], name: Callable[[int], str]) -> None:
        """Raise where nothing of a document is left to judge.

        Args:
            rows: Of :meth:`tokenize_pairs`.
            name: What to call each of them.

        Raises:
            InputError: Naming the first such document, and how many tokens stand before it.
        """
        for i, row in enumerate(rows):
            if row.is_blank:
                raise InputError(f"{name(i)} is nothing to this model: it has no tokens of its own")
            if not row.content.any():
                taken = tokenization.count(self.reader, row.prompt) + self.template_tokens
                raise InputError(
                    f"{name(i)} has no room: the template with its query and instruction takes "
                    f"{taken} tokens, and the model reads {self.max_length}. Shorten the query, or raise "
                    "max_length"
                )
