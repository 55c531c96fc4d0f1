"""Files to passages: what is read, how it is split, and how an index is kept equal to it."""

from __future__ import annotations

from youtu_st.corpus.build import Changes, read_passages, update_index
from youtu_st.corpus.files import SUFFIXES, Found, SourceFile, find_files
from youtu_st.corpus.passages import Passage, Splitter, passage_tokens
from youtu_st.corpus.readers import SourceDocument, read_documents, read_file
from youtu_st.corpus.spool import Spool
from youtu_st.corpus.texts import read_numbered_texts, read_texts

__all__ = [
    "SUFFIXES",
    "Changes",
    "Found",
    "Passage",
    "SourceDocument",
    "SourceFile",
    "Splitter",
    "Spool",
    "find_files",
    "passage_tokens",
    "read_documents",
    "read_file",
    "read_numbered_texts",
    "read_passages",
    "read_texts",
    "update_index",
]
