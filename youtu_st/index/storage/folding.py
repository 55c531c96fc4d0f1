"""When an index rewrites its files: so that it costs what its living documents cost, whatever its history."""

from __future__ import annotations

from dataclasses import dataclass

_LONG_JOURNAL = 1 << 30
_SMALL_BYTES = 64 << 20
_FOLD_SHARE = 0.1
_MANY_DEAD = 500
_DEAD_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the decision depends on.

    Attributes:
        vectors: Vectors in memory, dead ones included.
        dead: Those whose documents are gone.
        kept_dead: Those of them that this kind of index cannot drop: they were there after the last rewrite.
        record_bytes: Bytes of a vector.
        journal_bytes: Length of the journal.
        flat: Whether the vectors lie in a plain matrix, which opens as fast from a journal.
    """

    vectors: int
    dead: int
    kept_dead: int
    record_bytes: int
    journal_bytes: int
    flat: bool

    @property
    def _snapshot_bytes(self) -> int:
        return self.vectors * self.record_bytes - self.journal_bytes

    @property
    def due(self) -> bool:
        """Whether to fold after a commit.

        Either most of what a search goes through is dead, or whoever opens the index would add a long journal
        anew. Both grow with what is there, so that the cost of rewriting spreads over as many documents.
        """
        living = self.vectors - self.dead
        dead = self.dead - self.kept_dead
        longest = _LONG_JOURNAL if self.flat else _SMALL_BYTES
        return dead > max(_MANY_DEAD, _DEAD_SHARE * living) or self.journal_bytes > max(
            longest, self._snapshot_bytes
        )

    @property
    def worthwhile(self) -> bool:
        """Whether to fold at the end of writing: a few additions must not rewrite a large index."""
        changed = self.journal_bytes + (self.dead - self.kept_dead) * self.record_bytes
        return self._snapshot_bytes < _SMALL_BYTES or changed > _FOLD_SHARE * self._snapshot_bytes
