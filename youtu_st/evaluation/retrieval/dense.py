"""A model's vectors of a data set, made once, and what they find: exactly, or by a FAISS factory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from youtu_st.errors import InputError
from youtu_st.evaluation.data.retrieval import RetrievalData
from youtu_st.evaluation.retrieval.searching import Search
from youtu_st.index.nearest.vectors import VectorTable
from youtu_st.inputs import unit_rows
from youtu_st.protocol import TextEncoder, Vectors


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that was found: its document's id, and the cosine."""

    id: str
    score: float
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Passages:
    """What is encoded of a corpus.

    Attributes:
        ids: Of each passage the id of its document.
        texts: Their texts; none is blank.
    """

    ids: Sequence[str]
    texts: Sequence[str]

    @classmethod
    def whole(cls, data: RetrievalData) -> Passages:
        """Each document as one passage; blank ones are left out, as they say nothing that could be found."""
        kept = {key: text for key, one in data.corpus.items() if (text := one.content)}
        if not kept:
            raise InputError(f"{data.name}: all of its documents are blank")
        return cls(list(kept), list(kept.values()))


@dataclass(frozen=True, slots=True)
class Encoded:
    """The vectors of a data set.

    Attributes:
        ids: Of each passage the id of its document.
        documents: The passages' vectors, shape ``(n, dimension)``.
        queries: The queries' vectors, shape ``(m, dimension)``, in the order of ``data.queries``.
    """

    ids: Sequence[str]
    documents: Vectors
    queries: Vectors

    def cut(self, dimensions: int) -> Encoded:
        """Vectors of so many leading dimensions, scaled to unit length again.

        Raises:
            InputError: If they have not so many.
        """
        check_length(dimensions, self.documents.shape[1])
        cut = [
            unit_rows(each[:, :dimensions], (len(each), dimensions), "vectors")
            for each in (self.documents, self.queries)
        ]
        return replace(self, documents=cut[0], queries=cut[1])

    def find(self, factory: str = "Flat") -> Search:
        """What finds the nearest passages.

        Args:
            factory: A FAISS factory string; ``Flat`` is exact. Training, if any, is on the passages.

        Raises:
            InputError: If the factory string cannot be used.
            VectorIndexError: If there are too few passages to train it.
        """
        table = VectorTable(factory, self.documents.shape[1])
        table.add(np.arange(len(self.ids), dtype=np.int64), self.documents)
        if table.needs_training:
            table.train()

        def find(positions: Sequence[int], k: int) -> list[list[Found]]:
            found = table.search(self.queries[list(positions)], k)
            return [[Found(self.ids[key], score) for score, key in hits] for hits in found]

        return find


def check_length(dimensions: int, most: int) -> int:
    """The length that vectors are cut to, whether or not the model was trained for it: that is judged.

    Raises:
        InputError: If they are shorter than that.
    """
    if not 1 <= dimensions <= most:
        raise InputError(f"dimensions must be from 1 to {most}, as the model has them, not {dimensions}")
    return dimensions


def encode(
    encoder: TextEncoder,
    data: RetrievalData,
    passages: Passages,
    *,
    instruction: str | None = None,
    show_progress: bool = False,
) -> Encoded:
    """The vectors of passages and of a data set's queries, each after the model's own prompt.

    Args:
        encoder: The model.
        data: The data set.
        passages: What its corpus was made into.
        instruction: What the queries are for, where it is not the model's own.
        show_progress: Show progress bars after two seconds.

    Raises:
        InputError: If there is no passage.
    """
    if not passages.texts:
        raise InputError(f"{data.name}: there is nothing in its documents that the model reads")
    queries = encoder.encode_query(
        list(data.queries.values()), instruction=instruction, show_progress=show_progress
    )
    documents = encoder.encode_document(list(passages.texts), show_progress=show_progress)
    return Encoded(passages.ids, documents, queries)
