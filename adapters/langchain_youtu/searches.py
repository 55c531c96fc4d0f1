"""What LangChain's searches have in common: their keywords, and relevance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from youtu_st.errors import InputError
from youtu_st.index import Hit, VectorIndex, as_given
from youtu_st.index.filtering.filters import Filter, compile_filter
from youtu_st.index.searching import Asked, FusionName, Mode
from youtu_st.inputs import check_count, check_share


def relevance(cosine: float) -> float:
    """From 0 to 1: (1 + cosine) / 2. A cosine that rounding has put beyond 1 or -1 counts as that."""
    return min(1.0, max(0.0, (1 + cosine) / 2))


_MODES = ("mode", "weight", "fusion")
OF_RELEVANCE = (
    "relevance is (1 + cosine) / 2, and a search by words ranks by something else: "
    "similarity_search_with_score gives its scores"
)
OF_VECTOR = "words are looked for, and a vector has none: similarity_search takes the question"
OF_VARIETY = "maximal marginal relevance goes by cosines alone: similarity_search finds by words"
"""Why some searches find by meaning alone, and what there is instead."""
_DEEPEST = 30
_FURTHER = 5
# What FAISS takes, and what is to be said to who passes it here.
_INSTEAD = {
    "distance_strategy": "leave it out, for scores are cosines",
    "normalize_L2": "leave it out, for vectors are of unit length",
    "relevance_score_fn": "leave it out, for relevance is (1 + cosine) / 2",
    "docstore": "leave it out, for the index holds the documents",
    "index_to_docstore_id": "leave it out, for the index keeps the ids",
    "embedding_function": "use embedding=",
}


def refuse(unknown: Mapping[str, Any], *allowed: str) -> None:
    """Raise a TypeError for keywords that nobody reads, naming those that are allowed."""
    if unknown:
        names = ", ".join(map(repr, unknown))
        hints = [f"; {name}: {_INSTEAD[name]}" for name in unknown if name in _INSTEAD]
        raise TypeError(f"unknown keyword {names}: allowed here are {', '.join(allowed)}{''.join(hints)}")


def as_faiss_has_it(filter: Any, depth: int = 0) -> Any:
    """A filter in which a list is any of its values, and ``$neq`` is ``$ne``, as an index takes it."""
    if not isinstance(filter, Mapping) or depth > _DEEPEST:  # which the index refuses
        return filter
    translated: dict[Any, Any] = {}
    for name, value in filter.items():
        if name in ("$and", "$or") and isinstance(value, list):
            value = [as_faiss_has_it(part, depth + 1) for part in value]
        elif isinstance(value, Mapping):
            value = as_faiss_has_it(value, depth + 1)
        elif isinstance(value, list) and not (isinstance(name, str) and name.startswith("$")):
            value = {"$in": value}
        translated["$ne" if name == "$neq" else name] = value
    return translated


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked for, beside the question."""

    k: int
    fetch_k: int
    lambda_mult: float
    filter: Filter | Callable[[dict[str, Any]], bool] | None = None
    score_threshold: float | None = None
    mode: Mode = "dense"
    weight: float = 0.5
    fusion: FusionName = "rrf"

    @classmethod
    def of(
        cls,
        k: int,
        options: Mapping[str, Any],
        *,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        dense_for: str = "",
    ) -> Search:
        """From the arguments of a search, checked before the question is encoded.

        Args:
            k: Number of documents.
            options: Keywords.
            fetch_k: As for ``max_marginal_relevance_search``, and so is ``lambda_mult``.
            lambda_mult: See there.
            dense_for: Why the only mode is ``dense``; empty: any is.

        Raises:
            InputError: If a number is out of range, or the mode is none, or none here.
            FilterError: If the filter is malformed.
            TypeError: For an unknown keyword.
        """
        known = ("filter", "score_threshold", *_MODES)
        options = dict(options)
        # Of FAISS, which filters the nearest fetch_k only. Here a filter sees all documents.
        check_count("fetch_k", options.pop("fetch_k", 1))
        refuse({name: value for name, value in options.items() if name not in known}, *known)
        share = check_share("lambda_mult", lambda_mult)
        filter = as_faiss_has_it(options.pop("filter", None))
        search = cls(check_count("k", k), check_count("fetch_k", fetch_k), share, filter, **options)
        if not callable(filter):
            compile_filter(filter)
        Asked(search.mode, search.weight, search.fusion)
        if dense_for and search.mode != "dense":
            raise InputError(f'mode="{search.mode}" cannot be had here: {dense_for}')
        if search.score_threshold is not None:
            check_share("score_threshold", search.score_threshold)
            if search.mode != "dense":
                raise InputError(
                    "score_threshold is a relevance, (1 + cosine) / 2: leave it out with "
                    f'mode="{search.mode}"'
                )
        return search

    @property
    def needs_vector(self) -> bool:
        """Whether the question is encoded."""
        return Asked(self.mode).needs_vectors

    def found(self, index: VectorIndex, question: str, vector: list[float] | None) -> list[Hit]:
        """The documents that fit a question best, by meaning, by words or by both.

        Args:
            index: Where.
            question: Its words.
            vector: Its meaning; None where that is not needed.
        """
        if self.mode == "dense" and vector is not None:
            return self.near(index, vector)
        how: dict[str, Any] = {"mode": self.mode, "weight": self.weight, "fusion": self.fusion}
        if vector is not None:
            how["words"] = question
        if not callable(self.filter):
            return index.search(question if vector is None else vector, self.k, self.filter, **how)
        liked = [
            document.id
            for document in index.get(index.ids())
            if document is not None and self.filter(as_given(document.metadata))
        ]
        return index.search(question if vector is None else vector, self.k, ids=liked, **how)

    def near(self, index: VectorIndex, vector: list[float]) -> list[Hit]:
        """The nearest documents, best first."""
        return self._relevant(self._nearest(index, vector, self.k))

    def diverse(self, index: VectorIndex, vector: list[float]) -> list[Hit]:
        """Documents that are near and unlike each other, chosen among those that are relevant enough."""
        confined: dict[str, Any] = {} if callable(self.filter) else {"filter": self.filter}
        if callable(self.filter) or self.score_threshold is not None:
            fetched = self._nearest(index, vector, max(self.k, self.fetch_k))
            confined["ids"] = [hit.id for hit in self._relevant(fetched)]
        return index.search_diverse(
            vector, self.k, fetch_k=self.fetch_k, lambda_mult=self.lambda_mult, **confined
        )

    def _nearest(self, index: VectorIndex, vector: list[float], count: int) -> list[Hit]:
        """The nearest that match; where a function says so, as far down as it takes to find so many."""
        if not callable(self.filter):
            return index.search(vector, count, self.filter)
        fetch = count
        while True:
            fetch *= _FURTHER
            hits = index.search(vector, fetch)
            liked = [hit for hit in hits if self.filter(as_given(hit.metadata))]
            if len(liked) >= count or len(hits) < fetch:
                return liked[:count]

    def _relevant(self, hits: list[Hit]) -> list[Hit]:
        least = self.score_threshold
        return hits if least is None else [hit for hit in hits if relevance(hit.score) >= least]
