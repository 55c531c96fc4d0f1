"""The reader that a tokenizer of transformers gets."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tokenizers import Tokenizer

from youtu_st.modules.facts import HostFacts
from youtu_st.modules.reader import PROBES, FastReader, Reader, Reading

_plain: weakref.WeakKeyDictionary[type, bool] = weakref.WeakKeyDictionary()
"""By class of a tokenizer, whether its ids are those of the tokenizer inside it."""


class SlowReader:
    """A :class:`Reader` that asks a tokenizer of transformers.

    Args:
        tokenizer: The tokenizer: a slow one, or one that makes something of texts before they are read.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._facts = HostFacts(tokenizer)

    @property
    def name(self) -> str:
        """As of :class:`Reader`."""
        return type(self._tokenizer).__name__

    @property
    def facts(self) -> HostFacts:
        """As of :class:`Reader`."""
        return self._facts

    @property
    def unknown_id(self) -> int | None:
        """As of :class:`Reader`."""
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        if isinstance(backend, Tokenizer):
            return FastReader(backend, self._facts).unknown_id
        return self.facts.unknown_id

    @property
    def size(self) -> int:
        """As of :class:`Reader`."""
        return len(self._tokenizer)

    def id_of(self, token: str) -> int | None:
        """As of :class:`Reader`."""
        found: int | None = self._tokenizer.convert_tokens_to_ids(token)
        unknown = found == self.facts.unknown_id and token != self._tokenizer.unk_token
        return None if unknown else found

    def read(self, texts: Sequence[str], *, with_offsets: bool = True) -> Iterator[Reading]:
        """As of :class:`Reader`."""
        if not texts:
            return
        encoded = self._read(texts, return_offsets_mapping=with_offsets, return_special_tokens_mask=True)
        nothing = [None] * len(texts)
        columns = (encoded.get(name, nothing) for name in ("offset_mapping", "token_type_ids"))
        for ids, special, *rest in zip(
            encoded["input_ids"], encoded["special_tokens_mask"], *columns, strict=True
        ):
            if len(special) != len(
                ids
            ):  # some add none to a text that ends with it, and count it all the same
                special = self._tokenizer.get_special_tokens_mask(ids, already_has_special_tokens=True)
            yield Reading(ids, special, *rest)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """As of :class:`Reader`."""
        return list(self._read(texts)["input_ids"]) if texts else []

    def own_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """As of :class:`Reader`."""
        return list(self._read(texts, add_special_tokens=False)["input_ids"]) if texts else []

    def marked(self, prompt: str) -> str:
        """The prompt itself."""
        return prompt

    def _read(self, texts: Sequence[str], **how: bool) -> Any:
        plain = {"padding": False, "truncation": False, "return_attention_mask": False, "verbose": False}
        return self._tokenizer(list(texts), **plain, **how)


def reader_for(tokenizer: Any) -> Reader:
    """What reads as a tokenizer does.

    Args:
        tokenizer: A tokenizer of transformers, or a :class:`Reader`, which is given back.
    """
    if isinstance(tokenizer, (FastReader, SlowReader)):
        return tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        return SlowReader(tokenizer)
    fast, kind = FastReader(backend, HostFacts(tokenizer), type(tokenizer).__name__), type(tokenizer)
    if kind not in _plain:
        # A class of its own, as a checkpoint may bring, can do anything to a text first.
        slow = SlowReader(tokenizer)
        _plain[kind] = _given(fast.ids) == _given(slow.ids)
    return fast if _plain[kind] else SlowReader(tokenizer)


def _given(ids: Callable[[Sequence[str]], list[list[int]]]) -> list[list[int]] | None:
    """What a reader gives for a few texts; None where it cannot read them."""
    try:
        return ids(PROBES)
    except Exception:  # of any tokenizer, as of one whose vocabulary has no word for what it does not know
        return None
