"""What to do about vectors that lie oddly: one line for each measure that is out of the ordinary."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from youtu_st.errors import brief
from youtu_st.evaluation.geometry.measures import CARRIED, Geometry

MANY_NEAR = 0.1
"""Share of the points that have a near copy."""
SKEWED, FOUND_BY = 1.4, 0.05
"""Skewness of how often points are found, and the share of them that find the most frequent one."""
NARROW = 0.5
"""Mean cosine."""
FEW = 0.1
"""Share of the dimensions that carry 90 %."""
BY_LENGTH, ERRORS = 0.3, 3
"""Rank correlation, and in how many of its standard errors, for a few points give any."""
_SHOWN = 60


def advice(found: Geometry, names: Sequence[str], texts: Sequence[str]) -> list[str]:
    """One line for each measure that is out of the ordinary, with what to do; none: nothing is.

    Args:
        found: The measures.
        names: What the points are called, shape ``(points,)``.
        texts: What they were made of, shape ``(points,)``.
    """
    lines = [_copies(found, texts), _near(found), _hub(found, names, texts), _narrow(found), _few(found)]
    return [line for line in (*lines, _length(found)) if line]


def _copies(found: Geometry, texts: Sequence[str]) -> str:
    if not found.duplicates:
        return ""
    equal = len(texts) - len(set(texts))
    what = f"{equal:,} of them its very text" if equal else "none of them its very text"
    which = "1 passage has" if found.duplicates == 1 else f"{found.duplicates:,} passages have"
    return (
        f"{which} the vector of another, {what}: they take the places of other results, so leave copies out "
        "when you index"
    )


def _near(found: Geometry) -> str:
    if found.near < MANY_NEAR * found.points:
        return ""
    return (
        f"{found.near / found.points:.0%} of the passages have a near copy, so results will repeat each "
        "other: search_diverse of the index picks different ones"
    )


def _hub(found: Geometry, names: Sequence[str], texts: Sequence[str]) -> str:
    share = found.most / found.points
    if found.skewness < SKEWED or found.most < 3 * found.k or share < FOUND_BY:
        return ""
    text = " ".join(texts[found.hub].split())
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return (
        f"{brief(names[found.hub])} is among the {found.k} nearest of {share:.0%} of the passages: if it is "
        f"boilerplate, leave it out: {brief(shown)}"
    )


def _narrow(found: Geometry) -> str:
    if found.mean_cosine <= NARROW:
        return ""
    return (
        f"two passages have a cosine of {found.mean_cosine:.2f} on average, so all scores are high: go by "
        "the order of results, not by a fixed least score"
    )


def _few(found: Geometry) -> str:
    if not 0 < found.carrying <= FEW * found.dimension or found.points <= found.dimension:
        return ""
    factory = f"PCA{_power(found.carrying)},Flat"
    return (
        f"{found.carrying} of {found.dimension} dimensions carry {CARRIED:.0%} of the variance: an index of "
        f"--factory {factory} is smaller and may find the same"
    )


def _power(least: int) -> int:
    """The power of two from ``least`` on, 8 at least."""
    return max(8, 1 << (least - 1).bit_length())


def _length(found: Geometry) -> str:
    by = found.length_correlation
    if by is None or abs(by) < max(BY_LENGTH, ERRORS / sqrt(found.points - 1)):
        return ""
    which, other = ("longer", "short") if by > 0 else ("shorter", "long")
    return (
        f"{which} passages are found more often (Spearman {by:+.2f}), so {other} ones are at a disadvantage: "
        "--chunk-tokens makes passages of more even length"
    )
