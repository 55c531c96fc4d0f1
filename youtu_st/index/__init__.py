"""A vector index in a directory: vectors in FAISS, documents in SQLite, and who wrote them in a manifest."""

from __future__ import annotations

from youtu_st.index.documents import count_documents
from youtu_st.index.manifest import Manifest, read_manifest
from youtu_st.index.store import Document, Hit, VectorIndex

__all__ = ["Document", "Hit", "Manifest", "VectorIndex", "count_documents", "read_manifest"]
