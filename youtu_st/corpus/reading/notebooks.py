"""Jupyter notebooks to documents: one for each cell of text or code, without what it printed."""

from __future__ import annotations

from collections.abc import Iterator

from youtu_st.corpus.reading.documents import Reading, SourceDocument
from youtu_st.corpus.reading.headings import markdown_headings
from youtu_st.corpus.sources import SourceFile
from youtu_st.errors import InputError, brief, in_one_line, require
from youtu_st.inputs import check_unicode

BETWEEN = "\n\n"
"""Between the cells, as in one long text."""


def read_notebook(file: SourceFile, reading: Reading) -> Iterator[SourceDocument]:
    """The cells of a notebook of any version, with ``cell`` from 1; headings count for the cells below."""
    nbformat = require("nbformat", "documents")
    text = reading.whole(file)
    if not text.strip():
        return
    # The parser meets broken files of every kind, and raises errors of every kind.
    try:
        cells = [
            (number, cell["cell_type"], _text(cell["source"]))
            for number, cell in enumerate(nbformat.reads(text, as_version=4)["cells"], start=1)
            if cell["cell_type"] in ("markdown", "code")
        ]
    except (Exception, RecursionError) as error:
        raise InputError(in_one_line(f"{file.path}: not a readable notebook", error)) from error
    character = 0
    for number, kind, source in cells:
        check_unicode(f"{file.source}, cell {number}:", source)
        text = source.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
        if not text.strip():
            continue
        outline = tuple(markdown_headings(text)[0]) if kind == "markdown" else ()
        text += BETWEEN
        yield SourceDocument(
            text,
            file.source,
            {"cell": number},
            first_character=character,
            outline=outline,
            has_lines=False,
        )
        character += len(text)


def _text(source: object) -> str:
    if not isinstance(source, str):
        raise ValueError(f"the source of a cell is no text: {brief(source)}")
    return source
