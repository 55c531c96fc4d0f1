"""What ``youtu-st eval chunks`` shows: a table for each reach, and everything as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from youtu_st.cli.console import WIDE, cell, count, echo, plain_table

if TYPE_CHECKING:
    from youtu_st.evaluation.chunks import ChunkData, Difference, Judged, Reach, Setting
    from youtu_st.evaluation.statistics import Interval

_TITLES = ("", "split", "N", "read", "recall", "prec.", "IoU", "whole", "less *", "p", "")
_RIGHT = _TITLES[2:-1]
_LEGEND = (
    "* the default of index build; split: tokens of a passage, + overlap, text: not as Markdown; N: passages",
    "read: tokens; recall, precision, IoU: of characters, in %, 95 % intervals; whole: answers found whole",
    "less *: recall less the default's; p: paired permutation test; in words: at 5 % over all rows (Holm)",
)
_MEASURES = ("recall", "precision", "iou", "whole")


def print_judged(
    data: ChunkData, judged: Sequence[Judged], default: Setting, reaches: Sequence[Reach], model: str
) -> None:
    """Print a table for each reach; shares are percentages, with 95 % intervals."""
    from rich.console import Console

    questions, documents = count(len(data.questions), "question"), count(len(data.documents), "document")
    echo(f"{model}, {questions}, {documents} together")
    # A terminal that is narrower breaks the lines; rich would leave out the numbers.
    console = Console(width=WIDE, highlight=False)
    for reach in reaches:
        echo()
        echo(f"the first {reach}")
        table = plain_table(_TITLES, right=_RIGHT)
        for one, difference in zip(judged, _differences(judged, default, reach), strict=True):
            table.add_row(*map(cell, _row(one, difference, default, reach)))
        console.print(table)
    echo()
    for line in _LEGEND:
        echo(line)


def _row(judged: Judged, difference: Difference | None, default: Setting, reach: Reach) -> list[str]:
    from youtu_st.evaluation.statistics import interval

    setting, found = judged.setting, judged.found[reach]
    row = [
        "*" if setting == default else "",
        _named(setting),
        f"{judged.passages:,}",
        f"{found.read.mean():,.0f}",
        _with_interval(found.recall.mean(), interval(found.recall), ".1f"),
        *(f"{100 * getattr(found, name).mean():.1f}" for name in _MEASURES[1:]),
    ]
    if difference is None:
        return [*row, "", "", ""]
    shown = _with_interval(difference.mean, difference.interval, "+.1f")
    return [*row, shown, f"{difference.p:.4f}", difference.verdict]


def _named(setting: Setting) -> str:
    overlap = f"+{setting.overlap}" if setting.overlap else ""
    return f"{setting.tokens}{overlap}{' text' if setting.plain else ''}"


def _with_interval(mean: float, interval: Interval | None, form: str) -> str:
    told = f"{100 * mean:{form}}"
    if interval is None:
        return told
    low, high = interval
    return f"{told} ({100 * low:{form}} to {100 * high:{form}})"


def _differences(
    judged: Sequence[Judged], default: Setting, reach: Reach, measure: str = "recall"
) -> list[Difference | None]:
    """Of each setting how it differs from the default; None for the default itself."""
    from youtu_st.evaluation.chunks import differences

    values = {one.setting: getattr(one.found[reach], measure) for one in judged}
    others = [one.setting for one in judged if one.setting != default]
    found = dict(zip(others, differences([values[other] for other in others], values[default]), strict=True))
    return [found.get(one.setting) for one in judged]


def as_values(
    data: ChunkData, judged: Sequence[Judged], default: Setting, reaches: Sequence[Reach], model: str
) -> dict[str, Any]:
    """Everything as values for JSON; shares are from 0 to 1, questions in the order of the file."""
    from dataclasses import asdict

    from youtu_st.evaluation.statistics import interval

    against = {
        (reach, name): _differences(judged, default, reach, name) for reach in reaches for name in _MEASURES
    }
    rows = []
    for i, one in enumerate(judged):
        row: dict[str, Any] = {
            **asdict(one.setting),
            "passages": one.passages,
            "default": one.setting == default,
        }
        row["found"] = []
        for reach in reaches:
            found = one.found[reach]
            measures: dict[str, Any] = {}
            for name in _MEASURES:
                values, difference = getattr(found, name), against[reach, name][i]
                measures[name] = {
                    "mean": float(values.mean()),
                    "interval": interval(values),
                    "values": values.tolist(),
                }
                if difference is not None:
                    measures[name]["less_default"] = {**asdict(difference), "verdict": difference.verdict}
            told = {"reach": str(reach), "tokens_read": float(found.read.mean())}
            row["found"].append({**told, **measures})
        rows.append(row)
    return {"model": model, "questions": [question.text for question in data.questions], "settings": rows}
