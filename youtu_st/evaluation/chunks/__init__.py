"""Are passages cut well? Questions whose answers are places in documents, and how much of them is found."""

from __future__ import annotations

from youtu_st.evaluation.chunks.comparing import Difference, differences
from youtu_st.evaluation.chunks.data import ChunkData, Document, Question, read_chunk_data
from youtu_st.evaluation.chunks.judging import Chunk, Judged, Measures, Setting, Split, judge
from youtu_st.evaluation.chunks.reach import Reach

__all__ = [
    "Chunk",
    "ChunkData",
    "Difference",
    "Document",
    "Judged",
    "Measures",
    "Question",
    "Reach",
    "Setting",
    "Split",
    "differences",
    "judge",
    "read_chunk_data",
]
