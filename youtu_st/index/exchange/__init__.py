"""Documents with their vectors: in from other libraries' folders and tables, out to files, and together."""

from __future__ import annotations

from youtu_st.index.exchange.exporting import export_index
from youtu_st.index.exchange.importing import Imported, import_index
from youtu_st.index.exchange.listing import (
    Listing,
    list_documents,
    list_ids,
    read_documents,
    remove_documents,
)
from youtu_st.index.exchange.merging import Merged, merge_indexes
from youtu_st.index.exchange.recognition import Fields, open_source
from youtu_st.index.exchange.rows import Part, Source

__all__ = [
    "Fields",
    "Imported",
    "Listing",
    "Merged",
    "Part",
    "Source",
    "export_index",
    "import_index",
    "list_documents",
    "list_ids",
    "merge_indexes",
    "open_source",
    "read_documents",
    "remove_documents",
]
