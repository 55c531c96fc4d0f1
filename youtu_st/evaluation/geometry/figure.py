"""How vectors lie, as a figure: how often passages are found, and what the dimensions carry."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from youtu_st.disk import whole
from youtu_st.errors import require
from youtu_st.evaluation.geometry.measures import CARRIED, Geometry

SUFFIXES = (".png", ".svg", ".pdf")
_BARS = 50
_BLUE, _ORANGE = "#2f7ed8", "#d9822b"


def write_figure(found: Geometry, path: Path) -> None:
    """Draw two panels into a file, of the kind that its suffix says.

    Raises:
        OSError: If it cannot be written.
        MissingDependencyError: If matplotlib is not installed.
    """
    require("matplotlib", "eval")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _occurrences(left, found)
    _spectrum(right, found)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    kind = path.suffix.lower().removeprefix(".")
    with rc_context({"svg.hashsalt": "youtu-st"}), whole(path) as written:
        figure.savefig(written, format=kind, dpi=150, metadata={} if kind == "png" else _undated(kind))


def _undated(kind: str) -> dict[str, Any]:
    return {"Date": None} if kind == "svg" else {"CreationDate": None}


def _occurrences(axes: Any, found: Geometry) -> None:
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    top = ceil(max(found.most, 2 * found.k)) + 1
    wide = ceil(top / _BARS)  # whole numbers of times, so that no bar lies between two
    axes.hist(found.occurrences, bins=np.arange(0, top + wide, wide) - 0.5, color=_BLUE)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.7)  # a bar of one passage is seen
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.axvline(found.k, color=_ORANGE, linewidth=1.5, label=f"mean: {found.k}")
    axes.set_xlabel(f"times among the {found.k} nearest (most: {found.most:,.0f})")
    axes.set_ylabel("passages")
    axes.legend(frameon=False)


def _spectrum(axes: Any, found: Geometry) -> None:
    carried = np.concatenate([[0], np.cumsum(found.spectrum)])
    axes.plot(np.arange(len(carried)), 100 * carried, color=_BLUE)
    axes.axhline(100 * CARRIED, color=_ORANGE, linewidth=1)
    axes.axvline(found.carrying, color=_ORANGE, linewidth=1, label=f"{found.carrying} of {found.dimension}")
    axes.set_xlabel("dimensions, the widest first")
    axes.set_ylabel("% of the variance")
    axes.set_ylim(0, 103)
    axes.legend(frameon=False, loc="lower right")
