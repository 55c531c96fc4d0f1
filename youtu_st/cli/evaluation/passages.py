"""What a model reads of a data set: its documents, whole or in passages, and its queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from youtu_st.errors import InputError, brief

if TYPE_CHECKING:
    from youtu_st.encoder import Encoder
    from youtu_st.evaluation.data.retrieval import RetrievalData
    from youtu_st.evaluation.retrieval.dense import Passages

_AT_ONCE = 1_000
"""Texts whose tokens are in memory."""


def whole(data: RetrievalData, encoder: Encoder) -> Passages:
    """Each document as one passage; those of which the model reads nothing are left out.

    Raises:
        InputError: If all of them are blank.
    """
    from youtu_st.evaluation.retrieval.dense import Passages

    return _read(Passages.whole(data), encoder)


def split(data: RetrievalData, encoder: Encoder, tokens: int) -> Passages:
    """Documents in passages of at most so many tokens, without those of which the model reads nothing."""
    from youtu_st.corpus import SourceDocument, Splitter, passage_tokens
    from youtu_st.evaluation.retrieval.dense import Passages

    documents = (
        SourceDocument(
            "\n".join((one.text if one.text.strip() else one.title).splitlines()),
            data.name,
            {"document": key},
            one.title.strip() if one.text.strip() else "",
        )
        for key, one in data.corpus.items()
        if one.content
    )
    found = list(Splitter(encoder.reader, passage_tokens(encoder, tokens)).split(documents))
    ids, texts = [one.metadata["document"] for one in found], [one.text for one in found]
    return _read(Passages(ids, texts), encoder)


def check_queries(data: RetrievalData, encoder: Encoder) -> None:
    """Refuse a query of which the model reads nothing: it has no vector.

    Raises:
        InputError: Naming the first.
    """
    for (query, text), is_blank in zip(
        data.queries.items(), _blank(encoder, list(data.queries.values())), strict=True
    ):
        if is_blank:
            raise InputError(
                f"{data.name}: {encoder.model_name} reads nothing of the query {brief(query)}, "
                f"{brief(text)}: leave it out of the judgements"
            )


def _read(passages: Passages, encoder: Encoder) -> Passages:
    from youtu_st.evaluation.retrieval.dense import Passages

    kept = [i for i, is_blank in enumerate(_blank(encoder, passages.texts)) if not is_blank]
    return Passages([passages.ids[i] for i in kept], [passages.texts[i] for i in kept])


def _blank(encoder: Encoder, texts: Sequence[str]) -> Iterator[bool]:
    """Of each text whether the model reads nothing of it."""
    from youtu_st.corpus import are_blank

    for start in range(0, len(texts), _AT_ONCE):
        yield from are_blank(encoder, list(texts[start : start + _AT_ONCE]))
