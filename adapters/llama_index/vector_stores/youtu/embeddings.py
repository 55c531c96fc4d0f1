"""Embeddings that nodes bring along: are they the vectors of the index's encoder?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from llama_index.core.schema import BaseNode, MetadataMode

from youtu_st.errors import IndexMismatchError
from youtu_st.index import VectorIndex
from youtu_st.inputs import unit_rows
from youtu_st.probes import PROBE_COSINE, lowest_cosine
from youtu_st.protocol import Vectors

_SAMPLE = 8

METADATA_WARNING = (
    "nodes came with embeddings of their metadata and text together. Metadata does not change a vector here, "
    "so their texts were encoded again. To do the work once, let the embedding be a transformation, "
    "VectorStoreIndex.from_documents(documents, transformations=[splitter, embed_model], "
    "embed_model=embed_model) with embed_model=YoutuEmbedding(encoder=store.index.encoder), "
    "or keep such embeddings with YoutuVectorStore(..., embed_metadata=True)"
)


class GivenEmbeddings:
    """The embeddings that nodes bring to a store: the first are compared, and double work is told once."""

    def __init__(self) -> None:
        self._checked = False
        self._warned = False

    def vectors(
        self, nodes: Sequence[BaseNode], texts: Sequence[str], index: VectorIndex, *, with_metadata: bool
    ) -> list[Any] | None:
        """A vector for each node; None where the index is to encode all texts itself.

        Args:
            nodes: The nodes, and
            texts: their texts alone.
            index: What they are for.
            with_metadata: Whether vectors are those of text and metadata.

        Raises:
            InputError: If an embedding is not finite or is zero.
            IndexMismatchError: If one is not of the index's encoder.
            IndexLockedError: If somebody else is writing.
        """
        pasted = [node.get_content(MetadataMode.EMBED) for node in nodes]
        given = [i for i, node in enumerate(nodes) if node.embedding is not None]
        fit = [i for i in given if with_metadata or pasted[i] == texts[i]]
        doubtful = sorted({*given} - {*fit})
        known: dict[int, Any] = {}
        if fit and not self._checked:
            check_embedding(nodes[fit[0]], index, with_metadata=with_metadata)
            self._checked = True
        if doubtful:
            alone, known = of_text_alone(nodes, doubtful, index)
            fit = [*fit, *alone]
        if known and not self._warned:
            self._warned = True
            warnings.warn(METADATA_WARNING, UserWarning, stacklevel=3)
        if not fit and not known and not with_metadata:
            return None
        index.add([])  # takes the write lock before the encoder's work, which may take hours
        rows: list[Any] = [known.get(i, node.embedding) for i, node in enumerate(nodes)]
        missing = sorted(set(range(len(nodes))) - {*fit, *known})
        if missing:
            contents = pasted if with_metadata else texts
            encoded = index.encoder.encode_document([contents[i] for i in missing])
            for i, row in zip(missing, encoded, strict=True):
                rows[i] = row
        return rows


def of_text_alone(
    nodes: Sequence[BaseNode], positions: Sequence[int], index: VectorIndex
) -> tuple[list[int], dict[int, Vectors]]:
    """Which embeddings of nodes with metadata are the vectors of their texts alone, by a few of them.

    Args:
        nodes: Nodes, and
        positions: which of them have both an embedding and metadata that LlamaIndex would embed.
        index: What they are for.

    Returns:
        The positions of those that are, all of them if a sample is; and for the others of the sample, the
        vectors that they should have.

    Raises:
        InputError: If an embedding of the sample is not finite or is zero.
        IndexMismatchError: If one is neither that of its text nor that of text and metadata.
    """
    places = np.linspace(0, len(positions) - 1, min(len(positions), _SAMPLE)).round().astype(int)
    sample = [positions[place] for place in places]
    own = index.encoder.encode_document([nodes[i].get_content(MetadataMode.NONE) for i in sample])
    right: list[int] = []
    others: dict[int, Vectors] = {}
    for i, row in zip(sample, own, strict=True):
        if _cosine(nodes[i], row) >= PROBE_COSINE:
            right.append(i)
        elif not others:
            check_embedding(nodes[i], index, with_metadata=True)
        if i not in right:
            others[i] = row
    return (right, others) if others else (list(positions), {})


def _cosine(node: BaseNode, row: Vectors) -> float:
    """That of a node's embedding with a vector; -1 where its length is another."""
    embedding = node.get_embedding()
    given = unit_rows([embedding], (1, len(embedding)), f"the embedding of node {node.node_id!r}")
    return lowest_cosine(row[None], given) if given.shape[1] == len(row) else -1.0


def check_embedding(node: BaseNode, index: VectorIndex, *, with_metadata: bool) -> None:
    """Compare a node's embedding with the encoder's own vector; nothing else would find out a wrong model.

    ``with_metadata``, that is the vector of text and metadata; otherwise that of the text.

    Raises:
        InputError: If the embedding is not finite or is zero.
        IndexMismatchError: If it has another length, or a cosine below ``PROBE_COSINE``.
    """
    mode = MetadataMode.EMBED if with_metadata else MetadataMode.NONE
    (expected,) = index.encoder.encode_document([node.get_content(mode)])
    cosine = _cosine(node, expected)
    if cosine >= PROBE_COSINE:
        return
    length = len(node.get_embedding())
    found = f"its cosine with the encoder's own vector is {cosine:.4f}, not at least {PROBE_COSINE}"
    if length != len(expected):
        found = f"it has {length} numbers, not {len(expected)}"
    raise IndexMismatchError(
        f"the embedding of node {node.node_id!r} is not of this index's encoder, {index.manifest.model}: "
        f"{found}; nothing was added. Let LlamaIndex embed with YoutuEmbedding(encoder=store.index.encoder), "
        "without a text_instruction, which changes vectors too"
    )
