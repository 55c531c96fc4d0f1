"""Word's and PowerPoint's files to documents: a whole text with headings; a slide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from youtu_st.corpus.reading.documents import Composed, Reading, SourceDocument
from youtu_st.corpus.reading.packages import slim
from youtu_st.corpus.sources import SourceFile
from youtu_st.errors import InputError, in_one_line, require

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_PARAGRAPH, _TABLE, _ROW, _CELL = (f"{_WORD}{name}" for name in ("p", "tbl", "tr", "tc"))
_TEXT = f"{_WORD}t"
_SPACES = {f"{_WORD}tab": "\t", f"{_WORD}br": "\n", f"{_WORD}cr": "\n", f"{_WORD}noBreakHyphen": "-"}
_STOPS = f"{_WORD}tabs"
"""Where tabulators lead to: each is called a tab, and is none of the text."""
_UNREAD = (
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",  # the same again
    f"{_WORD}moveFrom",  # text that was moved, where it was before
)
CELLS = " | "
"""Between the cells of a row."""
NOTES = "Notes: "


def read_word(file: SourceFile, reading: Reading) -> Iterator[SourceDocument]:
    """The text of a ``.docx`` with its headings: paragraphs, tables, text boxes, what was inserted."""
    docx = require("docx", "documents")
    content = slim(file.path, ".docx")
    # The parser meets broken files of every kind, and raises errors of every kind.
    try:
        document = docx.Document(content)
        levels = {style.style_id: _level(style.name) for style in document.styles if style.name}
        made = Composed()
        for block in document.element.body.iter(_PARAGRAPH, _TABLE):
            if _is_inside(block, _TABLE) or _is_inside(block, *_UNREAD):
                continue
            if block.tag == _TABLE:
                made.add("\n".join(_rows(block)))
            else:
                made.add(_text(block), levels.get(block.style or "", 0))
        found = made.document(file.source, title=document.core_properties.title or "")
    except (Exception, RecursionError) as error:
        raise InputError(in_one_line(f"{file.path}: not a readable .docx file", error)) from error
    if found.text:
        yield found


def _level(style: str) -> int:
    """What a style says: ``Heading 2`` is a heading of level 2; 0: none."""
    name, _, number = style.lower().rpartition(" ")
    if style.lower() == "title":
        return 1
    return int(number) if name == "heading" and number.isascii() and number.isdigit() else 0


def _is_inside(element: Any, *tags: str) -> bool:
    return next(element.iterancestors(*tags), None) is not None


def _rows(table: Any) -> Iterator[str]:
    """The rows of a table, and of those in its cells."""
    for row in table.iter(_ROW):
        if next(row.iterancestors(_TABLE)) is not table:
            continue
        cells = (
            " ".join(_text(one) for one in cell.iter(_PARAGRAPH))
            for cell in row.iter(_CELL)
            if next(cell.iterancestors(_ROW)) is row
        )
        line = CELLS.join(" ".join(cell.split()) for cell in cells)
        if line.strip(CELLS):
            yield line


def _text(paragraph: Any) -> str:
    """The text of a paragraph; that of a text box in it is a paragraph of its own."""
    parts = []
    for one in paragraph.iter(_TEXT, *_SPACES):
        if one.getparent().tag == _STOPS:
            continue
        if next(one.iterancestors(_PARAGRAPH), None) is paragraph and not _is_inside(one, *_UNREAD):
            parts.append((one.text or "") if one.tag == _TEXT else _SPACES[one.tag])
    return "".join(parts)


def read_slides(file: SourceFile, reading: Reading) -> Iterator[SourceDocument]:
    """The slides of a ``.pptx`` with ``slide`` from 1: their title, text, tables, and the speaker's notes."""
    pptx = require("pptx", "documents")
    content = slim(file.path, ".pptx")
    # The parser meets broken files of every kind, and raises errors of every kind.
    try:
        found = [
            _slide(slide, number, file.source)
            for number, slide in enumerate(pptx.Presentation(content).slides, start=1)
        ]
    except (Exception, RecursionError) as error:
        raise InputError(in_one_line(f"{file.path}: not a readable .pptx file", error)) from error
    yield from (document for document in found if document.text)


def _slide(slide: Any, number: int, source: str) -> SourceDocument:
    title = slide.shapes.title
    heading = " ".join(title.text_frame.text.split()) if title is not None else ""
    made = Composed()
    waiting = list(slide.shapes)[::-1]
    while waiting:
        shape = waiting.pop()
        if hasattr(shape, "shapes"):
            waiting += list(shape.shapes)[::-1]
        elif title is not None and shape.shape_id == title.shape_id:
            continue
        elif shape.has_text_frame:
            made.add(shape.text_frame.text.replace("\v", "\n"))
        elif getattr(shape, "has_table", False):
            for row in shape.table.rows:
                made.add(CELLS.join(" ".join(cell.text.split()) for cell in row.cells), apart=False)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = slide.notes_slide.notes_text_frame.text.strip()
        made.add(f"{NOTES}{notes}" if notes else "")
    text = made.document(source).text
    facts: dict[str, Any] = {"slide": number}
    if not text:
        return SourceDocument(heading, source, facts, has_lines=False)
    if heading:
        facts["title"] = heading
    return SourceDocument(text, source, facts, title=heading, has_lines=False)
