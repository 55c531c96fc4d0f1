"""A vector index in a directory: vectors in FAISS, documents in SQLite, and who wrote them in a manifest."""

from __future__ import annotations

from youtu_st.index.agreement import Agreement, check_vectors
from youtu_st.index.blocks import Block
from youtu_st.index.hits import Hits
from youtu_st.index.recall import Recall, measure_recall
from youtu_st.index.recorded import RecordedEncoder
from youtu_st.index.results import Document, Hit, as_given, is_record, without_records
from youtu_st.index.sample import Sample, sample_documents
from youtu_st.index.storage.documents import count_documents
from youtu_st.index.storage.manifest import Manifest, read_manifest
from youtu_st.index.storage.repair import Condition, Repair, check_index, repair_index
from youtu_st.index.store import VectorIndex
from youtu_st.index.upgrading import upgrade_index

__all__ = [
    "Agreement",
    "Block",
    "Condition",
    "Document",
    "Hit",
    "Hits",
    "Manifest",
    "Recall",
    "RecordedEncoder",
    "Repair",
    "Sample",
    "VectorIndex",
    "as_given",
    "check_index",
    "check_vectors",
    "count_documents",
    "is_record",
    "measure_recall",
    "read_manifest",
    "repair_index",
    "sample_documents",
    "upgrade_index",
    "without_records",
]
