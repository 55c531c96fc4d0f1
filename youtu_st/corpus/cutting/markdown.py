"""Texts with headings to parts: sections that fit together, and headings that are never alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

from youtu_st.corpus.cutting.capacity import SEPARATOR, Cutter
from youtu_st.corpus.reading.documents import SourceDocument
from youtu_st.corpus.reading.headings import Heading, Section, outlined, sections


class Part(NamedTuple):
    """A part of a document: what is embedded, what is known of it, and where its own text stands."""

    document: SourceDocument
    text: str
    facts: dict[str, Any]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Found:
    """A part before it is told: its place in the text looked at, its own text, and what stands before it."""

    place: int
    text: str
    prefix: str
    title: str

    @property
    def whole(self) -> str:
        return f"{self.prefix}{SEPARATOR}{self.text}" if self.prefix else self.text


class _Place(NamedTuple):
    """A part, the block that it is from, and the line and the character that it begins on."""

    document: SourceDocument
    line: int
    start: int
    part: _Found

    def told(self) -> Part:
        facts: dict[str, Any] = {"line": self.line} if self.document.has_lines else {}
        if self.part.title:
            facts["title"] = self.part.title
        end = self.start + len(self.part.text)
        return Part(self.document, self.part.whole, facts, self.start, end)


class MarkdownParts:
    """The parts of one file with headings, such as one of Markdown, which may come in blocks.

    Args:
        cutter: Counts and cuts.
        markdown: Whether it is Markdown, and cut as such.
    """

    def __init__(self, cutter: Cutter, *, markdown: bool = True) -> None:
        self._cutter = cutter
        self._markdown = markdown

    def of(self, documents: Iterable[SourceDocument]) -> Iterator[Part]:
        """Split the blocks of a file.

        Args:
            documents: The blocks, in order.

        Returns:
            The parts: of which block, the text, ``line`` and ``title``, and where in the file.
        """
        above = below = fence = pending = gap = ""
        last: _Place | None = None
        is_first = True
        waiting: list[Heading] = []
        for document in documents:
            # A heading at the end of a block belongs to the text in the next one.
            text, line = pending + document.text, document.first_line - pending.count("\n")
            before = document.first_character - len(pending)
            title = above or document.title
            headings = [*waiting, *_shifted(document.outline or (), len(pending))]
            if document.outline is None:
                found, fence = sections(text, title, fence=fence, front=is_first)
            else:
                found, fence = outlined(text, headings, title), ""
            is_first, pending, waiting = False, "", []
            if self._is_bare(text, found[-1]):
                start, below = found[-1].start, found.pop().title
                pending = text[start:]
                if document.outline is not None:
                    waiting = _shifted([one for one in headings if one.start >= start], -start)
            above = found[-1].title if found else above
            counted = told = 0
            for part in self._packed(text, found):
                if last is not None:
                    yield last.told()
                line, counted = line + text.count("\n", counted, part.place), part.place
                last = _Place(document, line, before + part.place, part)
                gap, told = "", part.place + len(part.text)
            stop = len(text) - len(pending)
            gap += text[told:stop]
            line += text.count("\n", counted, stop)
            ended = _Place(document, line, before + stop, _Found(0, pending, "", below))
        if pending:
            yield from self._with_headings(last, gap, ended)
        elif last is not None:
            yield last.told()

    def _is_bare(self, text: str, section: Section) -> bool:
        """Whether a section is headings without text below, and not so many that they are a text."""
        if section.body == section.start or text[section.body : section.end].strip():
            return False
        return self._cutter.count(text[section.start : section.end].strip()) <= self._cutter.most // 4

    def _packed(self, text: str, found: Sequence[Section]) -> Iterator[_Found]:
        """As many sections in a part as fit, those of one higher heading before others."""
        if not found:
            return
        together = self._together(text, found)
        if together is not None:
            if together.text:
                yield together
            return
        if len(found) == 1:
            yield from self._split(text, found[0])
            return
        level = min(section.level for section in found[1:])
        starts = [0, *(i for i, section in enumerate(found) if i and section.level == level), len(found)]
        runs = [found[i:j] for i, j in pairwise(starts) if j > i]
        sizes = [self._cutter.count(text[run[0].start : run[-1].end]) for run in runs]
        waiting: list[Section] = []
        size = 0
        for run, length in zip(runs, sizes, strict=True):
            if waiting and size + length > self._cutter.most:
                yield from self._packed(text, waiting)
                waiting, size = [], 0
            waiting, size = [*waiting, *run], size + length
        if len(waiting) < len(found):
            yield from self._packed(text, waiting)
        else:  # together they are more than the sum of them, or a title must stand before them
            for run in runs:
                yield from self._packed(text, run)

    def _together(self, text: str, found: Sequence[Section]) -> _Found | None:
        """Sections as one part, if they fit."""
        first = found[0]
        part = text[first.start : found[-1].end]
        if len(part) > 100 * self._cutter.most + 4096:  # no need to count
            return None
        prefix = self._cutter.title(first.title) if first.body == first.start else ""
        one = _Found(first.start + len(part) - len(part.lstrip()), part.strip(), prefix, first.title)
        return one if self._cutter.count(one.whole) <= self._cutter.most else None

    def _split(self, text: str, section: Section) -> Iterator[_Found]:
        """A section that does not fit: its heading as it is, then its title before all other parts."""
        prefix = self._cutter.title(section.title)
        start, body, most = section.start, section.body, self._cutter.most
        headings = text[start:body].strip()
        size = self._cutter.count(headings + SEPARATOR) if headings else 0
        # Headings that are longer than half of a part, or all there is, are split like a text.
        cut, room = (
            (body, most - size) if size <= most // 2 and text[body : section.end].strip() else (start, most)
        )
        while headings:
            found = self._cutter.cut(text, cut, section.end, room, markdown=self._markdown)
            place, part = next(found)
            whole = text[start : place + len(part)]
            over = self._cutter.count(whole.strip()) - most
            if over <= 0 or room == 1:
                first = start + len(whole) - len(whole.lstrip())
                yield _Found(first, whole.strip(), "", section.title)
                start = place + len(part)
                if self._cutter.overlap:
                    start = next(found, (start, ""))[0]
                break
            room = max(room - over, 1)
        for place, part, _ in self._cutter.parts(text, start, section.end, prefix, markdown=self._markdown):
            yield _Found(place, part, prefix, section.title)

    def _with_headings(self, last: _Place | None, gap: str, ended: _Place) -> Iterator[Part]:
        """The end of a file that ends in headings: they stand below the end of the text above them."""
        cutter, headings = self._cutter, ended.part.text
        if last is None:
            title = ended.part.title
            for start, part in cutter.cut(headings, 0, len(headings), cutter.most, markdown=self._markdown):
                line = ended.line + headings.count("\n", 0, start)
                found = _Found(start, part, "", title)
                yield _Place(ended.document, line, ended.start + start, found).told()
            return
        above, added = last.part, gap + headings.rstrip()
        both = last._replace(part=replace(above, text=above.text + added))
        if cutter.count(both.part.whole) <= cutter.most:
            yield both.told()
            return
        prefix = cutter.title(above.title)
        room = max(cutter.most - cutter.count(f"{prefix}{SEPARATOR}{added}"), 1)
        start, tail = list(cutter.cut(above.text, 0, len(above.text), room, markdown=self._markdown))[-1]
        if start:
            yield last._replace(part=replace(above, text=above.text[:start].rstrip())).told()
        else:
            prefix = above.prefix
        line = last.line + above.text.count("\n", 0, start)
        end = _Found(start, tail + added, prefix, above.title)
        yield _Place(last.document, line, last.start + start, end).told()


def _shifted(headings: Sequence[Heading], by: int) -> list[Heading]:
    return [one._replace(start=one.start + by, end=one.end + by) for one in headings]
