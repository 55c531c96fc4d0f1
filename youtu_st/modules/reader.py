"""What gives the tokens of a text: one way for a fast tokenizer, with transformers and without.

A fast tokenizer of transformers carries one of ``tokenizers`` inside, which does all of the work; a file
``tokenizer.json`` is one too. A slow one is asked through transformers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from tokenizers import Encoding, Tokenizer
from tokenizers.models import Unigram

from youtu_st.errors import ModelLoadError, in_one_line
from youtu_st.modules.facts import Facts, HostFacts
from youtu_st.spec.registry import validated, with_tuples

PROBES = (
    "The quick brown fox can't jump over 13 lazy dogs, or 2,048.50!",
    "Query:What's new?\n\n\tIndented  twice ;-) ::) #tag @name <eos> </s> [SEP] e-mail: a.b@c.de",
    "Größe naïve ÅNGSTRÖM ﬁne \u00a0no-break e\u0301",
    "法国首都是哪里？今天天气很好，我们去公园吧。繁體中文：測試。",
    "日本語のテキスト 한국어 русский العربية हिन्दी 😀👩‍👩‍👧🎉",
    "",
)
"""Texts whose token ids stand for a tokenizer's rules, beside its vocabulary."""


class Reading(NamedTuple):
    """A text's tokens.

    Attributes:
        ids: Token ids, special tokens included.
        special: Of each, 1 where the tokenizer added it, else 0.
        offsets: Of each, where it begins and ends in the text, in characters; None: not asked for, or not
            known.
        type_ids: Of each, its segment; None for a network that takes none.
    """

    ids: list[int]
    special: list[int]
    offsets: list[tuple[int, int]] | None
    type_ids: list[int] | None


class Reader(Protocol):
    """What gives the tokens of texts: all of them, without padding. Threads may share it."""

    @property
    def name(self) -> str:
        """What to call it in a message."""

    @property
    def facts(self) -> Facts | HostFacts:
        """What it is not made of: padding, special ids, segments."""

    @property
    def unknown_id(self) -> int | None:
        """The token for whatever is not in the vocabulary; None for one that reads all, as of bytes."""

    @property
    def size(self) -> int:
        """Number of tokens in the vocabulary."""

    def id_of(self, token: str) -> int | None:
        """The id of a token of the vocabulary; None for any other."""

    def read(self, texts: Sequence[str], *, with_offsets: bool = True) -> Iterable[Reading]:
        """The tokens of each text, in order."""

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, special tokens included."""

    def own_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of texts of the model's own, as of a template: no token is added to them."""

    def marked(self, prompt: str) -> str:
        """A prompt as it has to stand before a text."""


class FastReader:
    """A :class:`Reader` around a ``tokenizers.Tokenizer``.

    Args:
        backend: The tokenizer; if transformers has it too, the very same, so that what is added to it later
            is seen.
        facts: What it does not say of itself.
        name: What to call it in a message.
    """

    def __init__(self, backend: Tokenizer, facts: Facts | HostFacts, name: str = "this tokenizer") -> None:
        self.backend_tokenizer = backend
        self._facts = facts
        self._name = name

    @classmethod
    def from_json(cls, content: bytes, facts: Mapping[str, Any], name: str = "tokenizer.json") -> FastReader:
        """What reads as the tokenizer does whose ``tokenizer.json`` this is.

        Args:
            content: The whole file, as ``backend_tokenizer.save`` writes it.
            facts: As of :class:`~youtu_st.modules.facts.Facts`, JSON's lists for tuples.
            name: What to call it in a message.

        Raises:
            ModelLoadError: If it is no tokenizer, or one that cannot read any text.
            SpecError: If the facts are not what they may be.
        """
        told = validated(Facts, with_tuples(dict(facts)), f"the facts of {name}")
        try:
            backend = Tokenizer.from_buffer(content)
            cut_nothing(backend)
            backend.encode_batch(PROBES)  # of some mistakes it says nothing before
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # what ends the library's own code is no Exception
            raise ModelLoadError(in_one_line(f"{name} is no tokenizer", error)) from error
        return cls(backend, told, name)

    @property
    def name(self) -> str:
        """As of :class:`Reader`."""
        return self._name

    @property
    def facts(self) -> Facts | HostFacts:
        """As of :class:`Reader`."""
        return self._facts

    @property
    def unknown_id(self) -> int | None:
        """As of :class:`Reader`.

        A tokenizer of bytes may name one all the same, and mean another token by it: its model is asked.
        """
        model = self.backend_tokenizer.model
        if isinstance(model, Unigram):
            return self.facts.unknown_id
        unknown = getattr(model, "unk_token", None)
        return None if unknown is None else self.backend_tokenizer.token_to_id(unknown)

    @property
    def size(self) -> int:
        """As of :class:`Reader`."""
        return self.backend_tokenizer.get_vocab_size()

    def id_of(self, token: str) -> int | None:
        """As of :class:`Reader`."""
        return self.backend_tokenizer.token_to_id(token)

    def read(self, texts: Sequence[str], *, with_offsets: bool = True) -> Iterator[Reading]:
        """As of :class:`Reader`."""
        types = self.facts.gives_type_ids
        for row in self._encoded(texts):
            yield Reading(
                row.ids,
                row.special_tokens_mask,
                row.offsets if with_offsets else None,
                row.type_ids if types else None,
            )

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """As of :class:`Reader`."""
        return [row.ids for row in self._encoded(texts)]

    def own_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """As of :class:`Reader`."""
        return [row.ids for row in self._encoded(texts, add_special_tokens=False)]

    def marked(self, prompt: str) -> str:
        """The prompt itself."""
        return prompt

    @property
    def _splits(self) -> bool:
        return self.facts.splits_special_tokens

    def _encoded(self, texts: Sequence[str], *, add_special_tokens: bool = True) -> list[Encoding]:
        """What the tokenizer makes of texts, without padding and truncation.

        It keeps both as state, and so whether it splits. A checkpoint may come with all of them, and in
        another thread the host may set them at any moment: what comes out tells whether it has.
        """
        if not texts:
            return []
        backend, splits = self.backend_tokenizer, self._splits
        while True:
            if backend.truncation is not None:
                backend.no_truncation()
            if backend.padding is not None:
                backend.no_padding()
            if backend.encode_special_tokens != splits:
                backend.encode_special_tokens = splits
            # Its way without offsets, encode_batch_fast, takes no less time for a long vocabulary.
            rows = backend.encode_batch(list(texts), add_special_tokens=add_special_tokens)
            if _is_plain(rows) and backend.encode_special_tokens == splits:
                return rows


def cut_nothing(backend: Tokenizer) -> None:
    """Have a tokenizer read whole texts, and report whole tokens.

    Byte-level tokenizers may report offsets without the whitespace inside a token: the end of a token that
    joins ``:`` to a line break after ``Query:`` would then fall before the border that it straddles. Ids do
    not depend on it.
    """
    backend.no_truncation()
    backend.no_padding()
    _report_whole_tokens(backend.post_processor)


def _report_whole_tokens(processor: Any) -> None:
    if hasattr(processor, "trim_offsets"):
        processor.trim_offsets = False
    elif hasattr(processor, "__getitem__"):  # a sequence of processors
        for part in processor:
            _report_whole_tokens(part)


def _is_plain(rows: Sequence[Encoding]) -> bool:
    """Whether nothing was cut off, and nothing filled up: padded rows are no longer than any other."""
    least = min(map(len, rows))
    return not any(row.overflowing or (len(row) == least and 0 in row.attention_mask) for row in rows)
