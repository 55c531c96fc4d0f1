"""What a search gives back."""

from __future__ import annotations

from youtu_st.index.results import Hit
from youtu_st.index.shown import hits_table


class Hits(list[Hit]):
    """A list of hits, best first, that a notebook shows as a table."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return hits_table(self)
