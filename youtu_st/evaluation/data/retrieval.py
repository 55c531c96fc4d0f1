"""Questions, documents, and which document answers which question."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from youtu_st.protocol import canonical, digest

Qrels = dict[str, dict[str, int]]
"""Of a query's id, the documents that were judged for it, by their ids: above 0 is relevant."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document; either part may be blank."""

    title: str
    text: str

    @property
    def content(self) -> str:
        """What is encoded: title and text, without white space around them, as mteb has it."""
        return joined(self.title, self.text).strip()


def joined(title: str, text: str) -> str:
    """The title, a space and the text, or the one of them that is not blank."""
    return f"{title} {text}" if title.strip() and text.strip() else title if title.strip() else text


@dataclass(frozen=True, slots=True)
class RetrievalData:
    """A data set of retrieval.

    Attributes:
        name: What to call it.
        corpus: The documents by their ids, in the order of their file.
        queries: The queries that are judged, by their ids, in the order of their file.
        qrels: The judgements. Where it was allowed, some are of documents and queries that are not there.
        digest: Sixteen digits over all of it, whatever the order.
        missing: Judgements of documents or queries that are not there.
    """

    name: str
    corpus: Mapping[str, Document]
    queries: Mapping[str, str]
    qrels: Qrels
    digest: str
    missing: int = 0

    @classmethod
    def of(
        cls,
        name: str,
        corpus: Mapping[str, Document],
        queries: Mapping[str, str],
        qrels: Qrels,
        *,
        missing: int = 0,
    ) -> RetrievalData:
        """With the digest of these; of the queries, those that are judged."""
        judged = {key: text for key, text in queries.items() if key in qrels}
        parts = (
            [[key, one.title, one.text] for key, one in sorted(corpus.items())],
            sorted(judged.items()),
            [[key, sorted(of.items())] for key, of in sorted(qrels.items())],
        )
        return cls(name, corpus, judged, qrels, digest_of(parts), missing)

    @property
    def without_relevant(self) -> list[str]:
        """Queries for which no document is relevant: every measure of them is 0, whatever is found."""
        return [query for query, judged in self.qrels.items() if not any(s > 0 for s in judged.values())]

    @property
    def shared_ids(self) -> list[str]:
        """Queries that have the id of a document, and so may be that document."""
        return [query for query in self.qrels if query in self.corpus]


def digest_of(parts: Iterable[object]) -> str:
    """Sixteen hexadecimal digits over the content of a data set."""
    return digest("\n".join(map(canonical, parts)).encode())
