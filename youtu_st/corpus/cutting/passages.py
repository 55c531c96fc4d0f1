"""Documents to passages that a model reads whole."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

from youtu_st.corpus.cutting.capacity import Cutter
from youtu_st.corpus.cutting.markdown import MarkdownParts, Part
from youtu_st.corpus.reading.documents import SourceDocument
from youtu_st.errors import InputError
from youtu_st.inputs import check_count

if TYPE_CHECKING:
    from youtu_st.encoder import Encoder

DEFAULT_TOKENS = 512
"""Passages of a model that reads more are not made longer: they would say too many things at once."""
SHORT_LIMIT = 256
"""A model that reads no more is one of those whose passages are :data:`SHORT_TOKENS` long."""
SHORT_TOKENS = 128
"""Measured, see docs/files.md: of as many tokens read, more are the answer than in longer passages."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document.

    Attributes:
        id: The same as long as the file's name, the record's id and the text are the same, wherever in the
            file the passage stands.
        text: The text, its title before it: what is embedded.
        metadata: ``source``, ``position`` (from 0, in the file), and where they are known ``line`` (from 1,
            where the part of the text begins), ``page``, ``slide`` and ``cell`` (from 1), ``title`` (a
            record's, the nearest heading above, what a piece of code is called), and what the document
            brought along.
        start: Where the text without the title begins, in characters of the document as it is read: a file
            whose lines end in line feeds, the text of a record, a page, the cells of a notebook. It is
            ``document[start:end]``.
        end: Where it ends.
    """

    id: str
    text: str
    metadata: dict[str, Any]
    start: int
    end: int


class Splitter:
    """Splits documents along headings, paragraphs and sentences, as few parts as the token limit allows.

    A title stands before every part of its text: a document's own, or in Markdown the nearest heading, where
    the part does not begin with it. A title takes at most half of a passage, and is cut there.

    Args:
        tokenizer: The model's own: a fast tokenizer of transformers, or a ``tokenizers.Tokenizer``.
        max_tokens: Most tokens of a passage, its title among them, special tokens not counted.
        overlap: Most tokens of text that a passage has in common with the one before. Only a text that is
            split overlaps, and a section of Markdown that fits is not.

    Raises:
        InputError: If ``max_tokens`` is less than 1, ``overlap`` is not less, or the tokenizer is not a fast
            one.
    """

    def __init__(self, tokenizer: Any, max_tokens: int, overlap: int = 0) -> None:
        check_count("max_tokens", max_tokens)
        self._cutter = Cutter(tokenizer, max_tokens, check_overlap("overlap", overlap, max_tokens))

    def split(self, documents: Iterable[SourceDocument]) -> Iterator[Passage]:
        """Split documents; those of one source must follow one another.

        Args:
            documents: What to split.

        Returns:
            The passages, in order. Nothing but white space between them is lost.
        """
        for source, group in groupby(documents, key=lambda document: document.source):
            first = next(group)
            is_markdown = source.lower().endswith(".md")
            has_headings = is_markdown or first.outline is not None
            parts = MarkdownParts(self._cutter, markdown=is_markdown).of if has_headings else self._plain
            seen: Counter[str] = Counter()
            for position, (document, text, facts, start, end) in enumerate(parts(chain([first], group))):
                record = str(document.metadata.get("id", ""))
                id = plain = _id(source, record, 0, text)
                if seen[plain]:
                    id = _id(source, record, seen[plain], text)
                place = {"source": source, "position": position}
                yield Passage(id, text, {**place, **document.metadata, **facts}, start, end)
                seen[plain] += 1

    def token_ends(self, passage: Passage) -> tuple[int, ...]:
        """Of each token of a passage, how far in the document who reads so far has come.

        Args:
            passage: A passage that this splitter made.

        Returns:
            Characters of the document: ``passage.start`` for tokens of a title, ``passage.end`` for the last
            one. Empty where the tokenizer makes nothing of the text.
        """
        before = len(passage.text) - (passage.end - passage.start)
        ends = [passage.start + max(0, end - before) for end in self._cutter.ends(passage.text)]
        return (*ends[:-1], passage.end) if ends else ()

    def _plain(self, documents: Iterable[SourceDocument]) -> Iterator[Part]:
        for document in documents:
            text, title = document.text, self._cutter.title(document.title)
            counts_lines = document.has_lines and not {"line", "page"} & document.metadata.keys()
            line, counted = document.first_line, 0
            start = len(text) - len(text.lstrip())
            if title and text.startswith(title + "\n", start) and text[start + len(title) :].strip():
                start += len(title)  # some texts begin with it
            for place, own, whole in self._cutter.parts(text, start, len(text), title):
                line, counted = line + text.count("\n", counted, place), place
                facts = {"line": line} if counts_lines else {}
                first = document.first_character + place
                yield Part(document, whole, facts, first, first + len(own))


def former_tokens(encoder: Encoder) -> int:
    """How long the passages of an index are that was built without a word before such words were kept.

    Args:
        encoder: The encoder.

    Returns:
        What the model reads after its document prompt, but no more than 512 with it.
    """
    return max(1, min(encoder.max_length or DEFAULT_TOKENS, DEFAULT_TOKENS) - _overhead(encoder))


def passage_tokens(encoder: Encoder, wanted: int | None = None) -> int:
    """How long a passage may be, so that the model reads all of it after its document prompt.

    Args:
        encoder: The encoder.
        wanted: Tokens that the caller asks for. None: what the model reads, but no more than 512, and 128 of
            a model that reads no more than 256.

    Returns:
        Tokens of text, without the prompt and special tokens.

    Raises:
        InputError: If ``wanted`` is less than 1, or more than the model reads.
    """
    limit = encoder.max_length
    if wanted is None:
        tokens = former_tokens(encoder)
        return min(tokens, SHORT_TOKENS) if limit is not None and limit <= SHORT_LIMIT else tokens
    most = None if limit is None else limit - _overhead(encoder)
    if most is None:
        return check_count("tokens of a passage", wanted)
    if wanted not in range(1, most + 1):
        raise InputError(
            f"tokens of a passage must be from 1 to {most}, which is what the model reads, not {wanted}"
        )
    return wanted


def check_overlap(what: str, value: object, tokens: int) -> int:
    """An int of at least 0 that is less than the tokens of a passage.

    Raises:
        InputError: Naming the value and what is allowed.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < tokens:
        raise InputError(
            f"{what} must be an int from 0 to {tokens - 1}, less than the {tokens} tokens of a passage, "
            f"not {value!r}"
        )
    return value


def _overhead(encoder: Encoder) -> int:
    """Tokens that the document prompt and special tokens take of what the model reads."""
    from youtu_st.modules.tokenization import count

    prompt = encoder.prompts["document"]
    # A prompt's last token and a text's first may fall into three pieces where they meet.
    return count(encoder.tokenizer, prompt) + bool(prompt)


def are_blank(encoder: Encoder, texts: list[str]) -> list[bool]:
    """Of each text whether the model reads nothing of it: such a one can be no document.

    Args:
        encoder: The encoder.
        texts: Texts.
    """
    return encoder.are_blank("document", texts)


def _id(source: str, record: str, occurrence: int, text: str) -> str:
    """Equal texts of one record, or of a file without records, are numbered; nothing else has a number."""
    parts = "\0".join((source, record, str(occurrence), text))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:24]
