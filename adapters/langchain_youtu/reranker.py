"""YoutuReranker: a reranker where LangChain's ``CohereRerank`` or ``CrossEncoderReranker`` stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import ConfigDict, PrivateAttr

from langchain_youtu.documents import check_documents
from youtu_st.frameworks.reranker import DEFAULT_MODEL, best, check_top_n, reranker_for
from youtu_st.rerank import Reranker


class YoutuReranker(BaseDocumentCompressor):
    """Puts retrieved documents into the order in which they answer the question, and keeps the best.

    What comes back are copies with a ``relevance_score`` in their metadata; the documents handed in stay as
    they are. All adapters of a process share one loaded model for equal settings. Safe from many threads and
    tasks.

        >>> reranker = YoutuReranker(model="qwen3-reranker-0.6b", top_n=3)
        >>> retriever = ContextualCompressionRetriever(base_compressor=reranker, base_retriever=...)

    Args:
        model: As for :class:`youtu_st.rerank.Reranker`: a name, a directory, a hub id or a YAML file.
        reranker: A :class:`~youtu_st.rerank.Reranker` that is loaded, instead of a model.
        top_n: Number of documents to keep; None: all.
        instruction: What makes a document a good answer, for a model that takes instructions. None: the
            model's own.
        model_kwargs: Arguments of ``Reranker``, such as ``checkpoint``, ``device``, ``dtype`` or
            ``max_length``.
        **kwargs: More of ``model_kwargs``.

    Raises:
        InputError: For an argument that cannot be used: the message says what is allowed.
        YoutuError: As for :class:`youtu_st.rerank.Reranker`.
    """

    model: str = DEFAULT_MODEL
    top_n: int | None = 3
    instruction: str | None = None
    model_kwargs: dict[str, Any] = {}
    _reranker: Reranker = PrivateAttr()

    model_config = ConfigDict(protected_namespaces=())  # for older pydantic: model_kwargs

    def __init__(self, *, reranker: Reranker | None = None, **kwargs: Any) -> None:
        settings = {name: kwargs.pop(name) for name in [*kwargs] if name not in type(self).model_fields}
        super().__init__(**kwargs)
        check_top_n(self.top_n)
        self.model_kwargs = {**self.model_kwargs, **settings}
        self._reranker = reranker_for(kwargs.get("model"), reranker=reranker, settings=self.model_kwargs)
        self.model = self._reranker.model_name

    @property
    def reranker(self) -> Reranker:
        """What scores; ``reranker.model`` is the ``CrossEncoder``."""
        return self._reranker

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Copies of the ``top_n`` best documents, best first, those of equal score in the order they came.

        Args:
            documents: Documents with a text; their ids are kept.
            query: The question.
            callbacks: LangChain's; nothing here reports to them.

        Returns:
            Documents whose metadata has the ``relevance_score``.

        Raises:
            InputError: If the question or a text is blank (its position is named), ``top_n`` is not at least
                1, or the model takes no instructions and one is given.
        """
        documents = check_documents(documents)
        texts = [document.page_content for document in documents]
        ranked = best(self._reranker, query, texts, top_n=self.top_n, instruction=self.instruction)
        kept = [documents[one.index].model_copy(deep=True) for one in ranked]
        for document, one in zip(kept, ranked, strict=True):
            document.metadata["relevance_score"] = one.score
        return kept

    def __repr__(self) -> str:  # the fields may hold a token
        return f"YoutuReranker({self._reranker!r}, top_n={self.top_n})"

    __str__ = __repr__
