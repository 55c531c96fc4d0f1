"""Rankings of documents from what finds passages: an index, and a reranker after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from youtu_st.errors import InputError, NonFiniteError, brief
from youtu_st.evaluation.data.retrieval import RetrievalData
from youtu_st.evaluation.retrieval.results import Ranking

DEPTH = 100
"""Documents that are kept for a query, as mteb's predictions are cut for reranking."""


class Hit(Protocol):
    """A passage that was found."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def score(self) -> float:
        """Higher is better."""

    @property
    def metadata(self) -> dict[str, Any]:
        """What it was stored with."""


Search = Callable[[Sequence[int], int], Sequence[Sequence[Hit]]]
"""The nearest so many passages of some queries, which are given by their positions, best first."""
Rank = Callable[[Sequence[str], Sequence[Sequence[str]]], Sequence[Sequence[tuple[int, float]]]]
"""Of queries with texts of each: the texts' positions and scores, best first."""


def search(
    data: RetrievalData,
    find: Search,
    *,
    depth: int = DEPTH,
    document_key: str | None = None,
    ignore_identical: bool = False,
) -> dict[str, Ranking]:
    """The best documents of each query of a data set.

    A document that is found in several passages counts by the best of them. More passages are asked for until
    there are enough documents, or there are no more.

    Args:
        data: The data set.
        find: What finds passages; a query's position is that in ``data.queries``.
        depth: How many documents of each query.
        document_key: The metadata that names a passage's document. None: the passage's own id.
        ignore_identical: Leave out the document that has the query's own id.

    Raises:
        InputError: If a passage has no such metadata.
        NonFiniteError: If a score is not finite.
    """
    queries = list(data.queries)
    rankings: dict[str, Ranking] = {}
    left, wanted = list(range(len(queries))), depth + ignore_identical
    while left:
        short = []
        for position, hits in zip(left, find(left, wanted), strict=True):
            query = queries[position]
            best = _documents(query, hits, document_key)
            if ignore_identical:
                best.pop(query, None)
            if len(best) < depth and len(hits) >= wanted:
                short.append(position)
            rankings[query] = list(best.items())[:depth]
        left, wanted = short, 2 * wanted
    return {query: rankings[query] for query in queries}


def check_known(
    data: RetrievalData,
    rankings: Mapping[str, Ranking],
    remedy: str = "--document-key KEY names the metadata that holds them",
) -> None:
    """Refuse results none of whose documents is of the corpus: their ids are other ones.

    Args:
        data: The data set.
        rankings: The results.
        remedy: What may be done about it.

    Raises:
        InputError: Naming one of each.
    """
    found = {document: None for ranking in rankings.values() for document, _ in ranking}
    if found and not any(document in data.corpus for document in found):
        raise InputError(
            f"none of the documents that were found is in {data.name}: they have ids such as "
            f"{brief(next(iter(found)))}, and its own such as {brief(next(iter(data.corpus)))}; {remedy}"
        )


def rerank(data: RetrievalData, rankings: Mapping[str, Ranking], rank: Rank) -> dict[str, Ranking]:
    """The documents of other rankings in the order of what reads each with its query.

    Args:
        data: The data set.
        rankings: The first stage.
        rank: Scores texts for queries.

    Raises:
        NonFiniteError: If a score is not finite.
    """
    asked = {
        query: [key for key, _ in ranking if key in data.corpus and data.corpus[key].content]
        for query, ranking in rankings.items()
    }
    texts = [[data.corpus[key].content for key in keys] for keys in asked.values()]
    scored = rank([data.queries[query] for query in asked], texts)
    made: dict[str, Ranking] = {}
    for (query, keys), order in zip(asked.items(), scored, strict=True):
        made[query] = [(keys[position], score) for position, score in order]
        _check_finite(query, made[query])
    return made


def identical(data: RetrievalData) -> list[str]:
    """Queries that are a document of the corpus: with its id, and with its text or its title and text."""
    return [
        query
        for query, text in data.queries.items()
        if (document := data.corpus.get(query)) and text.strip() in (document.content, document.text.strip())
    ]


def _documents(query: str, hits: Sequence[Hit], key: str | None) -> dict[str, float]:
    """Documents by their best passages, best first."""
    best: dict[str, float] = {}
    for hit in hits:
        document = hit.id if key is None else hit.metadata.get(key)
        if isinstance(document, bool) or not isinstance(document, str | int):
            if document is not None:
                raise InputError(
                    f"--document-key {key}: it must be a text or an int, and that of the passage "
                    f"{brief(hit.id)} is {brief(document)}"
                )
            raise InputError(
                f"--document-key {key}: the passage {brief(hit.id)} has no such text in its metadata, which "
                f"holds {', '.join(sorted(hit.metadata)) or 'nothing'}"
            )
        best.setdefault(str(document), hit.score)
    _check_finite(query, list(best.items()))
    return best


def _check_finite(query: str, ranking: Ranking) -> None:
    # NaN is the one number that is unequal to itself, and no cosine or probability is beyond a float.
    for document, score in ranking:
        if not -float("inf") < score < float("inf"):
            raise NonFiniteError(f"the score of the document {brief(document)} for {brief(query)} is {score}")
