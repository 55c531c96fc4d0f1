"""YoutuVectorStore: a VectorIndex as LlamaIndex's vector store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)

from llama_index.vector_stores.youtu.arguments import refuse
from llama_index.vector_stores.youtu.embeddings import GivenEmbeddings
from llama_index.vector_stores.youtu.filters import in_documents, to_filter
from llama_index.vector_stores.youtu.nodes import document_hashes, document_of, to_document, to_node
from llama_index.vector_stores.youtu.queries import hits_of
from youtu_st.errors import InputError
from youtu_st.frameworks.store import in_a_thread, opened
from youtu_st.index import VectorIndex
from youtu_st.index.inputs import check_ids
from youtu_st.protocol import TextEncoder


class YoutuVectorStore(BasePydanticVectorStore):
    """Nodes in a :class:`youtu_st.index.VectorIndex`: whole, on disk, found by the vectors of its encoder.

    Each change is on disk when the call has returned. Similarities are cosines. Nodes that another tool has
    put into the index (the command, LangChain) are found too, as text nodes.

        >>> store = YoutuVectorStore("my.index")
        >>> index = VectorStoreIndex.from_vector_store(store, embed_model=embed_model)

    Args:
        index: An open index, or the path of one.
        encoder: What opens the index at a path; by default the process's shared encoder of the index's model.
            For an open index, its vectors must be those of the index's own encoder.
        embed_metadata: Whether a node's vector is that of its text with its metadata before it, as LlamaIndex
            makes it (``MetadataMode.EMBED``). By default it is that of the text alone.
        **unknown: None is known.

    Raises:
        InputError: If there is no index, or for an unknown argument: the message says what to use.
        IndexNotFoundError: If there is no index at the path: :meth:`create` makes one.
        IndexMismatchError: If the index was built with another encoder.
    """

    stores_text: bool = True
    embed_metadata: bool = False

    _index: VectorIndex = PrivateAttr()
    _given: GivenEmbeddings = PrivateAttr(default_factory=GivenEmbeddings)

    # No __len__: LlamaIndex asks `if vector_store`, and an empty one would not be taken for a store.

    def __init__(
        self,
        index: VectorIndex | str | Path | None = None,
        *,
        encoder: TextEncoder | None = None,
        embed_metadata: bool = False,
        **unknown: Any,
    ) -> None:
        if unknown or index is None:
            refuse(unknown)
        super().__init__(stores_text=True)
        self.embed_metadata = embed_metadata
        self._index = opened(index, encoder)

    @classmethod
    def create(
        cls,
        path: str | Path,
        encoder: TextEncoder,
        *,
        factory: str = "Flat",
        lexical: bool = True,
        embed_metadata: bool = False,
    ) -> YoutuVectorStore:
        """A store over a new index: see :meth:`youtu_st.index.VectorIndex.create`.

        Raises:
            IndexExistsError: If the directory holds an index or anything else.
            InputError: If the factory string cannot be used.
        """
        index = VectorIndex.create(path, encoder, factory, lexical=lexical)
        return cls(index, embed_metadata=embed_metadata)

    @classmethod
    def from_persist_dir(
        cls,
        persist_dir: str | Path,
        namespace: str | None = None,
        fs: Any = None,
        *,
        encoder: TextEncoder | None = None,
        embed_metadata: bool = False,
    ) -> YoutuVectorStore:
        """The store of an index in a directory, by the name that other stores give it.

        Args:
            persist_dir: The directory of the index.
            namespace: There is none here.
            fs: There is none here.
            encoder: As for the constructor.
            embed_metadata: As for the constructor.

        Raises:
            InputError: For a ``namespace`` or ``fs``.
            YoutuError: As for the constructor.
        """
        others = {"namespace": namespace, "fs": fs}
        if given := {name: value for name, value in others.items() if value is not None}:
            refuse(given)
        return cls(persist_dir, encoder=encoder, embed_metadata=embed_metadata)

    @classmethod
    def from_persist_path(cls, persist_path: str | Path, fs: Any = None, **options: Any) -> YoutuVectorStore:
        """As :meth:`from_persist_dir`."""
        return cls.from_persist_dir(persist_path, fs=fs, **options)

    @classmethod
    def class_name(cls) -> str:
        """The name by which LlamaIndex knows the class."""
        return "YoutuVectorStore"

    @property
    def index(self) -> VectorIndex:
        """The index that holds the nodes."""
        return self._index

    @property
    def client(self) -> VectorIndex:
        """The index, under LlamaIndex's name."""
        return self._index

    def close(self) -> None:
        """Close the index, so that others may write to it. Nothing is lost without it."""
        self._index.close()

    def persist(self, persist_path: str = "", fs: Any = None) -> None:
        """Does nothing: when :meth:`add` has returned, the nodes are on disk, in the index's directory."""

    def __repr__(self) -> str:
        return f"YoutuVectorStore({self._index!r})"

    __str__ = __repr__

    # -- writing -----------------------------------------------------------------------------------------

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Add nodes, all or none of them; a node with the id of a stored one replaces it.

        A node without an embedding gets its vector from the index's encoder. So does one whose embedding is
        that of its metadata and text together, unless the store was made with ``embed_metadata``; a few are
        compared to find out, and an embedding of the text alone is taken.

        Args:
            nodes: Nodes with a text; where an id comes twice, the last one counts.
            **kwargs: Options of other stores; there are none here.

        Returns:
            Their ids.

        Raises:
            InputError: If a node cannot be stored: the message names it.
            IndexMismatchError: If the embeddings are not of the index's encoder.
            IndexLockedError: If somebody else is writing.
        """
        documents = [to_document(node) for node in nodes]
        texts = [document.text for document in documents]
        return self._index.add(
            texts,
            [document.id for document in documents],
            [document.metadata for document in documents],
            vectors=self._given.vectors(nodes, texts, self._index, with_metadata=self.embed_metadata),
        )

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete all nodes of a source document; none is not an error.

        Args:
            ref_doc_id: The document's id; for what another tool has stored, its ``source``.
            **delete_kwargs: Options of other stores; there are none here.

        Raises:
            InputError: If the id is not a string.
            IndexLockedError: If somebody else is writing.
        """
        if not isinstance(ref_doc_id, str):
            raise InputError(f"ref_doc_id must be the id of a document, a str, not {ref_doc_id!r}")
        # With that id itself: what an earlier release has stored of a whole document says less.
        nodes = self.get_nodes([*{*self._index.ids(in_documents([ref_doc_id])), ref_doc_id}])
        # A source that is a list matches the filter by one of its elements, and is no document's id.
        self._index.delete([node.node_id for node in nodes if document_of(node) == ref_doc_id])

    def delete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Delete the nodes with some ids, or that match filters; where both are given, both must hold.

        Args:
            node_ids: Ids; unknown ones are not an error.
            filters: Conditions on metadata.
            **delete_kwargs: Options of other stores; there are none here.

        Raises:
            InputError: If neither says anything, which would mean all nodes.
            FilterError: If a filter cannot be used.
            IndexLockedError: If somebody else is writing.
        """
        condition = to_filter(filters)
        if node_ids is None and not condition:
            raise InputError("delete_nodes must have node_ids or filters; to delete all nodes, use clear()")
        self._index.delete(self._ids(node_ids, condition))

    def clear(self) -> None:
        """Delete all nodes.

        Raises:
            IndexLockedError: If somebody else is writing.
        """
        self._index.delete(self._index.ids())

    # -- reading -----------------------------------------------------------------------------------------

    def get_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        *,
        include_embeddings: bool = False,
    ) -> list[BaseNode]:
        """Nodes by id, by filters, or, where both are given, by both; all where neither is.

        Args:
            node_ids: Ids.
            filters: Conditions on metadata and text.
            include_embeddings: Whether nodes come with their vectors, as lists of Python floats.

        Returns:
            In the order of ``node_ids``, without unknown ones; otherwise in the order they were added.

        Raises:
            FilterError: If a filter cannot be used.
        """
        found = self._index.get(self._ids(node_ids, to_filter(filters)))
        nodes = [to_node(document) for document in found if document is not None]
        return self._with_embeddings(nodes) if include_embeddings else nodes

    def _with_embeddings(self, nodes: list[BaseNode]) -> list[BaseNode]:
        rows = self._index.vectors([node.node_id for node in nodes]).tolist() if nodes else []
        for node, row in zip(nodes, rows, strict=True):
            node.embedding = row
        return nodes

    def document_hashes(self) -> dict[str, str]:
        """The hash of each source document of the nodes, by its id.

        With these in its docstore, LlamaIndex knows which documents have changed:
        ``docstore.set_document_hashes(store.document_hashes())``.
        """
        found = self._index.get(self._index.ids())
        return document_hashes(document for document in found if document is not None)

    def as_index(self, embed_model: BaseEmbedding, **kwargs: Any) -> VectorStoreIndex:
        """``VectorStoreIndex.from_vector_store``, and it knows the documents whose nodes are here.

        So ``refresh_ref_docs`` encodes those that have changed since, and no others. To LlamaIndex's own
        index over any store, all are new: it adds them a second time.

        Args:
            embed_model: What embeds, such as ``YoutuEmbedding(encoder=store.index.encoder)``.
            **kwargs: As for ``VectorStoreIndex``, such as ``transformations``.
        """
        index = VectorStoreIndex.from_vector_store(self, embed_model, **kwargs)
        index.docstore.set_document_hashes(self.document_hashes())
        return index

    def _ids(self, node_ids: list[str] | None, condition: dict[str, Any]) -> list[str]:
        node_ids = None if node_ids is None else check_ids(node_ids)
        if node_ids is not None and not condition:
            return node_ids
        matching = self._index.ids(condition)
        if node_ids is None:
            return matching
        allowed = set(matching)
        return [id for id in node_ids if id in allowed]

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """The nodes that fit a query best, best first.

        Args:
            query: Its embedding, or else its text, through the index's encoder. ``filters``, ``node_ids`` and
                ``doc_ids`` restrict what may be found; an empty list of ``node_ids``, which LlamaIndex's
                retrievers pass for a store such as this, does not. ``mode`` is ``default``, by meaning;
                ``text_search`` or ``sparse``, by the words of ``query_str``, and nothing is encoded;
                ``hybrid``, by both, where ``alpha`` is the share of meaning, 0.5 by default; or ``mmr``,
                which trades relevance for variety. ``similarity_top_k`` nodes are found; in their modes
                ``hybrid_top_k`` and ``sparse_top_k``, where they are given.
            **kwargs: ``mmr_threshold``, from 0 (most varied) to 1 (relevance alone), 0.5 by default; it goes
                before the query's own. ``include_embeddings``: whether nodes come with their vectors, as they
                do where ``output_fields`` names ``embedding``.

        Returns:
            Nodes, ids, and similarities: cosines, but BM25 scores by words, and by both those of rank fusion.

        Raises:
            InputError: If the query, its mode or an option is wrong: the message says what is allowed.
            FilterError: If a filter cannot be used.
            VectorIndexError: If words are asked for, and the index has none.
        """
        threshold = kwargs.pop("mmr_threshold", query.mmr_threshold)
        with_embeddings = kwargs.pop("include_embeddings", "embedding" in (query.output_fields or ()))
        if kwargs:
            raise InputError(
                "an option of a query must be mmr_threshold or include_embeddings, not "
                f"{next(iter(kwargs))!r}"
            )
        hits = hits_of(self._index, query, threshold)
        nodes = [to_node(hit) for hit in hits]
        return VectorStoreQueryResult(
            nodes=self._with_embeddings(nodes) if with_embeddings else nodes,
            similarities=[hit.score for hit in hits],
            ids=[hit.id for hit in hits],
        )

    # -- without blocking the event loop -----------------------------------------------------------------

    async_add = in_a_thread(add)
    adelete = in_a_thread(delete)
    adelete_nodes = in_a_thread(delete_nodes)
    aclear = in_a_thread(clear)
    aget_nodes = in_a_thread(get_nodes)
    aquery = in_a_thread(query)
