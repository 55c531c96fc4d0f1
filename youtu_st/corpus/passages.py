"""Documents to passages that a model reads whole."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

from youtu_st.corpus.readers import SourceDocument
from youtu_st.errors import InputError
from youtu_st.inputs import check_count

if TYPE_CHECKING:
    from youtu_st.encoder import Encoder

DEFAULT_TOKENS = 512
"""Passages of a model that reads more are not made longer: they would say too many things at once."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document.

    Attributes:
        id: The same as long as the file's name, the record's id and the text are the same, wherever in the
            file the passage stands.
        text: The text.
        metadata: ``source``, ``position`` (from 0, in the file), and where they are known ``line`` (from 1),
            ``page`` (from 1), ``title`` (the nearest heading above), and what the document brought along.
    """

    id: str
    text: str
    metadata: dict[str, Any]


class Splitter:
    """Splits documents along headings, paragraphs and sentences, as few parts as the token limit allows.

    Args:
        tokenizer: The model's own: a fast tokenizer of transformers, or a ``tokenizers.Tokenizer``.
        max_tokens: Most tokens of a passage, special tokens not counted.

    Raises:
        InputError: If ``max_tokens`` is less than 1, or the tokenizer is not a fast one.
    """

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        from semantic_text_splitter import MarkdownSplitter, TextSplitter
        from tokenizers import Tokenizer

        check_count("max_tokens", max_tokens)
        backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
        if not isinstance(backend, Tokenizer):
            raise InputError(f"tokenizer must be a fast one, not {type(tokenizer).__name__}")
        # A copy: truncation would make every text look short, and the model's own must stay as it is.
        copy = Tokenizer.from_str(backend.to_str())
        copy.no_truncation()
        copy.no_padding()
        self._text = TextSplitter.from_huggingface_tokenizer(copy, max_tokens)
        self._markdown = MarkdownSplitter.from_huggingface_tokenizer(copy, max_tokens)

    def split(self, documents: Iterable[SourceDocument]) -> Iterator[Passage]:
        """Split documents; those of one source must follow one another.

        Args:
            documents: What to split.

        Returns:
            The passages, in order. Nothing but white space between them is lost.
        """
        for source, group in groupby(documents, key=lambda document: document.source):
            seen: Counter[str] = Counter()
            position = 0
            for document in group:
                record = str(document.metadata.get("id", ""))
                for text, facts in self._parts(document):
                    id = first = _id(source, record, 0, text)
                    if seen[first]:
                        id = _id(source, record, seen[first], text)
                    place = {"source": source, "position": position}
                    yield Passage(id, text, {**place, **document.metadata, **facts})
                    seen[first] += 1
                    position += 1

    def _parts(self, document: SourceDocument) -> Iterator[tuple[str, dict[str, Any]]]:
        text = document.text
        is_markdown = document.source.lower().endswith(".md")
        counts_lines = not {"line", "page"} & document.metadata.keys()
        headings = _headings(text) if is_markdown else []
        line, counted = 1, 0
        for start, part in (self._markdown if is_markdown else self._text).chunk_indices(text):
            if not part or part.isspace():
                continue
            line, counted = line + text.count("\n", counted, start), start
            above = bisect_right(headings, line, key=lambda heading: heading[0])
            facts = {"title": headings[above - 1][1]} if above else {}
            yield part, {**({"line": line} if counts_lines else {}), **facts}


def passage_tokens(encoder: Encoder, wanted: int | None = None) -> int:
    """How long a passage may be, so that the model reads all of it after its document prompt.

    Args:
        encoder: The encoder.
        wanted: Tokens that the caller asks for. None: what the model reads, but no more than 512.

    Returns:
        Tokens of text, without the prompt and special tokens.

    Raises:
        InputError: If ``wanted`` is less than 1, or more than the model reads.
    """
    from youtu_st.modules.settings import prompt_for
    from youtu_st.modules.tokenization import count

    prompt = prompt_for(encoder.model, "document")
    # A prompt's last token and a text's first may fall into three pieces where they meet.
    overhead = count(encoder.tokenizer, prompt) + bool(prompt)
    limit = encoder.max_length
    most = None if limit is None else limit - overhead
    if wanted is None:
        return max(1, min(limit or DEFAULT_TOKENS, DEFAULT_TOKENS) - overhead)
    if most is None:
        return check_count("tokens of a passage", wanted)
    if wanted not in range(1, most + 1):
        raise InputError(
            f"tokens of a passage must be from 1 to {most}, which is what the model reads, not {wanted}"
        )
    return wanted


def _id(source: str, record: str, occurrence: int, text: str) -> str:
    """Equal texts of one record, or of a file without records, are numbered; nothing else has a number."""
    parts = "\0".join((source, record, str(occurrence), text))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _headings(text: str) -> list[tuple[int, str]]:
    """Line (from 1) and text of each Markdown heading."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt().parse(text)
    return [
        (token.map[0] + 1, following.content)
        for token, following in pairwise(tokens)
        if token.type == "heading_open" and token.map is not None and following.content
    ]
