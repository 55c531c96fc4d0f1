"""What a file becomes before it is split: texts, and what is known of each; and how files are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from youtu_st.corpus.notes import Notes
from youtu_st.corpus.reading.decoding import LONGEST, check_encoding, decoded, encoding_of, lines
from youtu_st.corpus.reading.headings import Heading
from youtu_st.corpus.reading.tables import TEXT_FIELDS, Record, csv_records, json_records
from youtu_st.corpus.sources import SourceFile
from youtu_st.errors import InputError


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A text, and where it is from.

    Attributes:
        text: The text; its lines end in a line feed.
        source: The file's name, see :class:`~youtu_st.corpus.SourceFile`.
        metadata: Further facts: ``line`` and ``id`` of a record, ``page`` of a PDF, ``slide`` of a
            presentation, ``cell`` of a notebook, a record's other fields.
        title: What stands before every part of the text.
        first_line: The line of the file that the text begins on, from 1.
        first_character: Characters of the same text that other documents hold, before this one.
        outline: The headings, where the file says which they are; empty: there are none. None: nothing is
            known of them, and in Markdown they are looked for.
        has_lines: Whether lines of the text are lines of the file.
    """

    text: str
    source: str
    metadata: dict[str, Any] = field(default_factory=dict)
    title: str = ""
    first_line: int = 1
    first_character: int = 0
    outline: tuple[Heading, ...] | None = None
    has_lines: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read.

    Attributes:
        encoding: Of all of them. None: UTF-8, or what a file plainly is, see
            :mod:`youtu_st.corpus.reading.decoding`.
        text_field: The field of a table that holds the text. None: ``text``, or else ``content``.
        notes: Takes what is met on the way.

    Raises:
        InputError: If no encoding goes by that name.
    """

    encoding: str | None = None
    text_field: str | None = None
    notes: Notes = field(default_factory=Notes)

    def __post_init__(self) -> None:
        if self.encoding is not None:
            object.__setattr__(self, "encoding", check_encoding("encoding", self.encoding))

    @property
    def fields(self) -> tuple[str, ...]:
        """Names that the text of a record may have; the first that is there counts."""
        return TEXT_FIELDS if self.text_field is None else (self.text_field,)

    def parts(self, path: Path, source: str) -> Callable[[], Iterator[str]]:
        """Gives the text of a file in parts, as often as it is called."""
        encoding = self.encoding or encoding_of(path, source, self.notes)
        return partial(decoded, path, source, encoding)

    def whole(self, file: SourceFile) -> str:
        """The text of a file of a kind that is understood only as a whole.

        Raises:
            InputError: If it is too long for that, or no text.
            OSError: If it cannot be read.
        """
        return joined(self.parts(file.path, file.source)(), file.source)

    def records(self, path: Path, source: str, *, numbers: bool) -> Iterator[Record]:
        """The records of a table; what is wrong with one is a problem, and leaves it out.

        Args:
            path: The file.
            source: What to call it.
            numbers: Whether a column of numbers becomes numbers.
        """
        parts = self.parts(path, source)

        def table() -> Iterator[str]:
            return lines(parts(), source)

        def fail(error: InputError) -> None:
            self.notes.problem(error, source)

        suffix = path.suffix.lower()
        if suffix == ".jsonl":
            return json_records(source, table, self.fields, fail)
        return csv_records(
            source, table, self.fields, fail, self.notes.note if numbers else None, tabs=suffix == ".tsv"
        )


def names(*lines: str) -> frozenset[str]:
    """Names that stand in lines."""
    return frozenset(" ".join(lines).split())


def joined(parts: Iterator[str], source: str) -> str:
    """A text that comes in parts.

    Raises:
        InputError: If it is longer than memory should hold at once.
    """
    found: list[str] = []
    size = 0
    for part in parts:
        found.append(part)
        size += len(part)
        if size > LONGEST:
            raise InputError(
                f"{source}: more than {LONGEST >> 20} Mi characters, and files of this kind are read whole: "
                "make several of it"
            )
    return "".join(found)


class Composed:
    """A text made of paragraphs and headings, as they come."""

    def __init__(self) -> None:
        self._paragraphs: list[str] = []
        self._outline: list[Heading] = []
        self._size = 0

    def add(self, text: str, level: int = 0, *, apart: bool = True) -> None:
        """Add a paragraph, or a heading.

        Args:
            text: The text; nothing is added where it is blank.
            level: Of a heading, 1 is the highest; 0: a paragraph.
            apart: A blank line stands before it, as of an item of a list it does not.
        """
        text = text.strip("\n") if not level else " ".join(text.split())
        if not text.strip():
            return
        between = "" if not self._paragraphs else "\n\n" if apart else "\n"
        self._paragraphs += [between, text]
        start = self._size + len(between)
        self._size = start + len(text)
        if level:
            self._outline.append(Heading(start, self._size, level, text))

    def document(self, source: str, title: str = "") -> SourceDocument:
        """All of it."""
        text = "".join(self._paragraphs)
        title = " ".join(title.split())
        return SourceDocument(text, source, title=title, outline=tuple(self._outline), has_lines=False)
