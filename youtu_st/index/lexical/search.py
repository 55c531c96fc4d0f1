"""Search by words: what FTS5 says of a word, kept in memory from one question to the next."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from youtu_st.errors import IndexDamagedError
from youtu_st.index.keys import Keys
from youtu_st.index.lexical.bm25 import Positions, Postings, best, bm25
from youtu_st.index.lexical.words import Word, documents_with, lengths_after, places_of, words_of

_MOST_BYTES = 64 << 20
_FEW = 1_000
"""Documents among which even a word that most of them hold is looked for."""

Mask = npt.NDArray[np.bool_]


class WordSearch:
    """The words of an index's documents, for one process.

    A document never changes under its key: what was read of a word holds until documents are added, and the
    dead are left out by who asks.
    """

    def __init__(self) -> None:
        self._forget(0)
        self._counted_at = 0
        self._holding: dict[Word, int] = {}
        self._keys: Keys = np.empty(0, dtype=np.int64)
        self._lengths: npt.NDArray[np.float64] = np.empty(0)
        self._aligned, self._aligned_to = self._lengths, self._keys

    def _forget(self, next_key: int) -> None:
        self._next_key = next_key
        self._kept: OrderedDict[Word, tuple[Keys, npt.NDArray[np.float64]]] = OrderedDict()
        self._bytes = 0

    def search(
        self,
        connection: sqlite3.Connection,
        next_key: int,
        commit: int,
        question: str,
        k: int,
        keys: Keys,
        alive: Mask,
        wanted: Mask,
    ) -> list[tuple[float, int]]:
        """The ``k`` documents whose words fit a question's best, as (BM25 score, key), best first.

        Args:
            connection: In a transaction.
            next_key: Raised when documents are added.
            commit: Raised by every transaction that writes.
            question: Any text.
            k: Number of documents; fewer where fewer hold any of the words.
            keys: Keys in rising order, shape ``(n,)``.
            alive: Which of them are documents.
            wanted: Which of them may be found.

        Raises:
            IndexDamagedError: If a document's words are not there.
        """
        if self._next_key != next_key:
            self._forget(next_key)
        if self._counted_at != commit:
            self._holding, self._counted_at = {}, commit
        every = words_of(question)
        telling = self._telling(connection, every, keys, alive)
        lengths = self._lengths_of(connection, keys, alive)
        found: list[tuple[float, int]] = []
        for words in (telling, every) if len(telling) < len(every) else (every,):
            postings = [self._postings(connection, word, keys) for word in words]
            scores = bm25(postings, lengths, alive)
            scores[~wanted] = 0.0
            rows = best(scores, k)
            found = list(zip(scores[rows].tolist(), keys[rows].tolist(), strict=True))
            if found:  # a misspelt word hides nothing that the others find
                break
        return found

    def _telling(
        self, connection: sqlite3.Connection, words: list[Word], keys: Keys, alive: Mask
    ) -> list[Word]:
        """Without those that most documents hold, which count next to nothing and take most of the time."""
        documents = int(np.count_nonzero(alive))
        if documents < _FEW:
            return words
        for word in words:
            if word not in self._holding:
                self._holding[word] = self._count(connection, word, keys, alive)
        rare = [word for word in words if self._holding[word] <= documents // 2]
        return rare or words

    def _count(self, connection: sqlite3.Connection, word: Word, keys: Keys, alive: Mask) -> int:
        """How many documents hold a word; of one that stands for many it is not asked."""
        if word.begins:
            return 0
        if word in self._kept:  # counted alike: what is found must not turn on what was asked before
            return int(np.count_nonzero(alive[self._postings(connection, word, keys).positions]))
        return documents_with(connection, word)

    def _postings(self, connection: sqlite3.Connection, word: Word, keys: Keys) -> Postings:
        kept = self._kept.pop(word, None)
        if kept is None:
            holding, counts = np.unique(places_of(connection, word), return_counts=True)
            kept = holding, counts.astype(np.float64)
            self._bytes += kept[0].nbytes + kept[1].nbytes
        self._kept[word] = kept  # the last one used is the last to go
        while self._bytes > _MOST_BYTES and len(self._kept) > 1:
            _, (first, second) = self._kept.popitem(last=False)
            self._bytes -= first.nbytes + second.nbytes
        positions, known = positions_of(kept[0], keys)
        return Postings(positions, kept[1] if known is None else kept[1][known])

    def _lengths_of(self, connection: sqlite3.Connection, keys: Keys, alive: Mask) -> npt.NDArray[np.float64]:
        """The number of words of each document, once for the same array of keys."""
        if self._aligned_to is not keys:
            last = int(self._keys[-1]) if len(self._keys) else 0
            if len(keys) and keys[-1] > last:
                rows = np.array(lengths_after(connection, last), dtype=np.int64).reshape(-1, 2)
                self._keys = np.concatenate([self._keys, rows[:, 0]])
                self._lengths = np.concatenate([self._lengths, rows[:, 1].astype(np.float64)])
            self._aligned = np.full(len(keys), np.nan)
            positions, known = positions_of(self._keys, keys)
            self._aligned[positions] = self._lengths if known is None else self._lengths[known]
            self._aligned_to = keys
        if lacking := int(np.count_nonzero(alive & np.isnan(self._aligned))):
            raise IndexDamagedError(
                f"the words of {lacking} documents are lost: youtu-st index check DIR --repair makes them"
            )
        return self._aligned


def positions_of(some: Keys, keys: Keys) -> tuple[Positions, Mask | None]:
    """Where some keys stand among all, both rising; and which of them do, None if all."""
    if not len(keys) or not len(some):
        return np.empty(0, dtype=np.int64), np.zeros(len(some), dtype=np.bool_)
    if keys[-1] - keys[0] == len(keys) - 1:  # nothing was deleted
        places = some - keys[0]
        known = (places >= 0) & (places < len(keys)) if some[0] < keys[0] or some[-1] > keys[-1] else None
        return (places, None) if known is None else (places[known], known)
    places = np.searchsorted(keys, some)
    known = places < len(keys)
    known[known] = keys[places[known]] == some[known]
    return (places, None) if known.all() else (places[known], known)
