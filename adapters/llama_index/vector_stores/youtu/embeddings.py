"""Embeddings that nodes bring along: are they the vectors of the index's encoder?"""

from __future__ import annotations

from llama_index.core.schema import BaseNode, MetadataMode

from youtu_st.errors import IndexMismatchError
from youtu_st.index import VectorIndex
from youtu_st.inputs import unit_rows
from youtu_st.probes import PROBE_COSINE, lowest_cosine

METADATA_WARNING = (
    "nodes came with embeddings of their metadata and text together. Metadata does not change a vector here, "
    "so their texts were encoded again. To do the work once, let the embedding be a transformation, "
    "VectorStoreIndex.from_documents(documents, transformations=[splitter, embed_model], "
    "embed_model=embed_model) with embed_model=YoutuEmbedding(encoder=store.index.encoder), "
    "or keep such embeddings with YoutuVectorStore(..., embed_metadata=True)"
)


def check_embedding(node: BaseNode, index: VectorIndex, *, with_metadata: bool) -> None:
    """Compare a node's embedding with the encoder's own vector; nothing else would find out a wrong model.

    ``with_metadata``, it has to be that of text and metadata; otherwise that of the text will do too.

    Raises:
        InputError: If the embedding is not finite or is zero.
        IndexMismatchError: If it has another length, or a cosine below ``PROBE_COSINE``.
    """
    embedding = node.get_embedding()
    given = unit_rows([embedding], (1, len(embedding)), f"the embedding of node {node.node_id!r}")
    modes = [MetadataMode.EMBED] if with_metadata else [MetadataMode.EMBED, MetadataMode.NONE]
    contents = dict.fromkeys(node.get_content(mode) for mode in modes)
    expected = index.encoder.encode_document(list(contents))
    found = f"it has {len(embedding)} numbers, not {expected.shape[1]}"
    if len(embedding) == expected.shape[1]:
        cosine = max(lowest_cosine(row[None], given) for row in expected)
        if cosine >= PROBE_COSINE:
            return
        found = f"its cosine with the encoder's own vector is {cosine:.4f}, not at least {PROBE_COSINE}"
    raise IndexMismatchError(
        f"the embedding of node {node.node_id!r} is not of this index's encoder, {index.manifest.model}: "
        f"{found}; nothing was added. Let LlamaIndex embed with YoutuEmbedding(encoder=store.index.encoder), "
        "without a text_instruction, which changes vectors too"
    )
