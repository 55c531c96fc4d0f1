"""Files to passages: what is read, how it is split, and how an index is kept equal to it."""

from __future__ import annotations

from youtu_st.corpus.cutting.lengths import Lengths
from youtu_st.corpus.cutting.passages import Passage, Splitter, are_blank, passage_tokens
from youtu_st.corpus.notes import Gathered, Notes
from youtu_st.corpus.reading.documents import Reading, SourceDocument
from youtu_st.corpus.reading.readers import (
    read_documents,
    read_file,
    read_numbered_texts,
    read_texts,
)
from youtu_st.corpus.sources import SUFFIXES, Found, SourceFile, find_files
from youtu_st.corpus.spool import Spool
from youtu_st.corpus.sync import Changes, Step, read_passages, update_index

__all__ = [
    "SUFFIXES",
    "Changes",
    "Found",
    "Gathered",
    "Lengths",
    "Notes",
    "Passage",
    "Reading",
    "SourceDocument",
    "SourceFile",
    "Splitter",
    "Spool",
    "Step",
    "are_blank",
    "find_files",
    "passage_tokens",
    "read_documents",
    "read_file",
    "read_numbered_texts",
    "read_passages",
    "read_texts",
    "update_index",
]
