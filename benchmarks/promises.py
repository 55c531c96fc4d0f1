"""Tables of figures, and what was promised beside what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Figures = dict[str, Any]
"""One contestant's, by their names."""
Columns = Mapping[str, tuple[str, str]]
"""Of a figure: its heading and its form."""
Promise = tuple[str, str, float, float | None]
"""What, ``>=`` or ``<=``, the limit, and what was measured."""


def table(title: str, rows: Mapping[str, Figures], columns: Columns, *, name: int, width: int) -> str:
    """A line for each contestant, a column for each figure that anyone has.

    Args:
        title: The first line.
        rows: Figures by contestant.
        columns: Those there may be, in order.
        name: Characters of a contestant's name.
        width: Characters of a column.
    """
    there = [key for key in columns if any(own.get(key) is not None for own in rows.values())]
    lines = [title, f"  {'':{name}}" + "".join(f"{columns[key][0]:>{width}}" for key in there)]
    for contestant, own in rows.items():
        cells = ("" if own.get(key) is None else format(own[key], columns[key][1]) for key in there)
        lines.append(f"  {contestant:{name}}" + "".join(f"{cell:>{width}}" for cell in cells))
    return "\n".join(lines) + "\n"


def ratio(one: float | None, other: float | None) -> float | None:
    """None where one was not measured, or the other is nothing."""
    return None if one is None or not other else one / other


def judged(promised: Sequence[Promise]) -> list[Figures]:
    """Each promise with whether it was kept; None: not measured."""
    return [
        {
            "what": what,
            "limit": limit,
            "wanted": wanted,
            "got": got,
            "reached": None if got is None else got >= wanted if limit == ">=" else got <= wanted,
        }
        for what, limit, wanted, got in promised
    ]


def target_table(found: Sequence[Figures]) -> str:
    """Those that were measured."""
    lines = ["targets"]
    for each in found:
        if each["got"] is not None:
            mark = "reached" if each["reached"] else "missed"
            lines.append(
                f"  {each['what']:58} {each['limit']} {each['wanted']:<6}{each['got']:>9.3f}  {mark}"
            )
    return "\n".join(lines)
