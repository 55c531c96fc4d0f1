"""The figures of a report as SVG inside a page: no script, no network, and the page's own colours."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from youtu_st.errors import printable, require
from youtu_st.evaluation.report.comparison import Difference

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#010203"
"""Becomes the page's own colour of text."""
COLOURS = ("#2f7ed8", "#d9822b", "#2e9e6b", "#b5549c", "#8a6d3b", "#7d6bd6", "#5f7f8c")
MARKS = ("o", "s", "^", "D", "v", "P", "X")
WIDTH = 5.4
_LONGEST_LABEL = 34
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "font.size": 10,
    "font.family": "sans-serif",
    "text.parse_math": False,  # a name may have dollar signs
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
}


def differences_figure(reference: str, differences: Sequence[Difference]) -> str:
    """How far other models are from one, in points, with their intervals.

    Args:
        reference: The one that stands at 0.
        differences: Of it and another, in either order, each with an interval.
    """
    rows = sorted(_from(reference, one) for one in differences)

    def draw(axes: Axes) -> None:
        axes.axvline(0, color=INK, linewidth=1)
        for place, (mean, low, high, _) in enumerate(rows):
            clear = low > 0 or high < 0
            colour = COLOURS[0] if clear else "#888888"
            axes.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
            axes.plot([mean], [place], "o", color=colour, markersize=6)
        axes.set_yticks(range(len(rows)), [_label(name) for *_, name in rows])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlabel("points")

    return _svg(draw, height=1.1 + 0.34 * len(rows))


def _from(reference: str, one: Difference) -> tuple[float, float, float, str]:
    """The other less the reference, in points."""
    low, high = one.low or 0.0, one.high or 0.0
    if one.first == reference:
        return -100 * one.mean, -100 * high, -100 * low, one.second
    return 100 * one.mean, 100 * low, 100 * high, one.first


def types_figure(types: Sequence[str], rows: Sequence[tuple[str, Sequence[float | None]]]) -> str:
    """The mean of each type, a mark for each model, of which there are as many as colours at most."""

    def draw(axes: Axes) -> None:
        for number, (name, values) in enumerate(rows):
            places = [len(types) - 1 - i for i, value in enumerate(values) if value is not None]
            known = [100 * value for value in values if value is not None]
            axes.plot(
                known,
                places,
                MARKS[number],
                color=COLOURS[number],
                markersize=7,
                alpha=0.85,
                label=_label(name),
                linestyle="none",
            )
        axes.set_yticks(range(len(types)), [_label(name) for name in reversed(types)])
        axes.set_ylim(-0.6, len(types) - 0.4)
        axes.grid(axis="y", color="#888888", alpha=0.3, linewidth=0.6)
        axes.set_xlabel("mean of the type's tasks")
        axes.figure.legend(loc="outside lower left", frameon=False)

    return _svg(draw, height=0.9 + 0.34 * len(types) + 0.21 * len(rows))


def _svg(draw: Any, *, height: float) -> str:
    require("matplotlib", "eval")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_SETTINGS):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.add_subplot()
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.tick_params(axis="y", length=0)
        draw(axes)
        return as_svg(figure)


def as_svg(figure: Figure) -> str:
    """A figure as an element of a page: of the page's width and colour, and the same at every call."""
    from matplotlib import rc_context

    out = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with rc_context({"svg.hashsalt": "youtu-st", "svg.fonttype": "none"}):
        figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    text = out.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", text, count=1)
    return re.sub(r'(<svg [^>]*?) height="[^"]*"', r"\1", text, count=1).replace(INK, "currentColor")


def _label(name: str) -> str:
    """A name that leaves room for the figure."""
    shown = printable(name)
    return shown if len(shown) <= _LONGEST_LABEL else f"{shown[: _LONGEST_LABEL - 1]}…"
