"""Texts cut to as many tokens as there is room for: linear in their length."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from youtu_st.corpus.borders import border
from youtu_st.errors import InputError

SEPARATOR = "\n\n"
"""Between a title and the text below."""

_WINDOW = 16
"""Characters for each token of a passage that the splitter looks at: it takes a square of them in time."""
_LEAST_WINDOW = 4096


class Cutter:
    """Counts tokens, and cuts texts along paragraphs and sentences, or along Markdown's blocks.

    Args:
        tokenizer: The model's own: a fast tokenizer of transformers, or a ``tokenizers.Tokenizer``.
        most: Most tokens of a part, special tokens not counted.
        overlap: Most tokens at the end of a part with which the next one of the same text begins again.

    Raises:
        InputError: If the tokenizer is not a fast one.
    """

    def __init__(self, tokenizer: Any, most: int, overlap: int = 0) -> None:
        from tokenizers import Tokenizer

        backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
        if not isinstance(backend, Tokenizer):
            raise InputError(f"tokenizer must be a fast one, not {type(tokenizer).__name__}")
        # A copy: truncation would make every text look short, and the model's own must stay as it is.
        self._tokenizer = Tokenizer.from_str(backend.to_str())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.most = most
        self.overlap = overlap
        self._splitter = lru_cache(256)(self._made)

    def count(self, text: str) -> int:
        """Tokens of a text, special tokens not counted."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def ends(self, text: str) -> list[int]:
        """Of each token of a text, where it ends, in characters; special tokens are not counted."""
        return [end for _, end in self._tokenizer.encode(text, add_special_tokens=False).offsets]

    def title(self, title: str) -> str:
        """A title in one line, cut so that it leaves half of a part to the text."""
        title, most = " ".join(title.split()), self.most // 2
        whole = self._tokenizer.encode(title[: 100 * most], add_special_tokens=False)
        if len(whole.ids) <= most and len(title) <= 100 * most:
            return title
        kept = most
        while kept > 0:
            shorter = title[: whole.offsets[min(kept, len(whole.ids)) - 1][1]].rstrip()
            if self.count(shorter) <= most:
                return shorter
            kept -= 1
        return ""

    def parts(
        self, text: str, start: int, end: int, title: str = "", *, markdown: bool = False
    ) -> Iterator[tuple[int, str, str]]:
        """Cut a text, with a title before every part.

        Args:
            text: The text.
            start: Where to begin.
            end: Where to end.
            title: As :meth:`title` gave it.
            markdown: Whether the text is Markdown.

        Returns:
            Of each part where it begins, its text, and that after the title. No more is lost between them
            than white space; what overlaps is in both.
        """
        room = self.most - self.count(title + SEPARATOR) if title else self.most
        yield from self._titled(text, start, end, title, max(room, 1), markdown)

    def _titled(
        self, text: str, start: int, end: int, title: str, room: int, markdown: bool
    ) -> Iterator[tuple[int, str, str]]:
        for place, part in self.cut(text, start, end, room, markdown=markdown):
            whole = f"{title}{SEPARATOR}{part}" if title else part
            # Where they meet, a title and a text may fall into more tokens than apart.
            over = self.count(whole) - self.most if title else 0
            if over > 0 and room > 1:
                yield from self._titled(text, place, place + len(part), title, max(room - over, 1), markdown)
            else:
                yield place, part, whole

    def cut(
        self, text: str, start: int, end: int, room: int, *, markdown: bool = False
    ) -> Iterator[tuple[int, str]]:
        """Parts of at most ``room`` tokens, each with its place; as few as possible.

        The splitter sees a window of the text. The last part of a window may be longer in the next one.
        """
        splitter = self._splitter(room, markdown)
        size = max(_WINDOW * room, _LEAST_WINDOW)
        while start < end:
            stop = end if end - start <= size else start + border(text[start : start + size + 1], size)
            found = [
                (start + place, part)
                for place, part in splitter.chunk_indices(text[start:stop])
                if part and not part.isspace()
            ]
            if stop < end and found and found[-1][0] > start:
                stop = found.pop()[0]
            yield from found
            start = stop

    def _made(self, room: int, markdown: bool) -> Any:
        from semantic_text_splitter import MarkdownSplitter, TextSplitter

        kind = MarkdownSplitter if markdown else TextSplitter
        overlap = self.overlap * room // self.most  # the same share of what a title leaves
        if room == self.most:
            return kind.from_huggingface_tokenizer(self._tokenizer, room, overlap)
        # Each of the above has a tokenizer of its own, and titles leave as many rooms as they have lengths.
        return kind.from_callback(self.count, room, overlap)
