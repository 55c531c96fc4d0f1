"""Systems judged on a data set, for people and programs, and in a folder."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from youtu_st.cli.console import WIDE, UsageError, cell, count, echo, one_line, plain_table, say, wide_console
from youtu_st.cli.reading import check_folder

if TYPE_CHECKING:
    from youtu_st.evaluation.data.retrieval import RetrievalData
    from youtu_st.evaluation.retrieval.comparison import Comparison, Judged
    from youtu_st.evaluation.statistics import Interval

QUERIES, SUMMARY = "queries.csv", "summary.json"
_TEXT = 100
_LISTED = 10


def check_out(out: Path) -> None:
    """Raise unless a folder can be made there, or is there and holds nothing.

    Raises:
        UsageError: If it is something else.
    """
    check_folder(out)
    if not out.absolute().parent.is_dir():
        raise UsageError(f"{out}: there is no directory {out.absolute().parent}")
    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f"{out} is no empty folder: --out is a new one")


def write(
    out: Path, data: RetrievalData, judged: Sequence[Judged], comparisons: Sequence[Comparison]
) -> None:
    """Write results, a file for each system, the measures of each query, and all that is shown."""
    from youtu_st.disk import whole, write_whole

    out.mkdir(exist_ok=True)
    for number, each in enumerate(judged, start=1):
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(each.results.system).name or "system")[:80]
        each.results.save(out / f"{number}-{name}.jsonl")
    with (
        whole(out / QUERIES) as written,
        open(written, "w", encoding="utf-8", newline="") as file,
    ):
        rows = csv.writer(file)
        rows.writerow(["query", "text", "system", *judged[0].values])
        for place, query in enumerate(data.qrels):
            for each in judged:
                values = [float(measure[place]) for measure in each.values.values()]
                rows.writerow([query, data.queries.get(query, ""), each.results.system, *values])
    write_whole(out / SUMMARY, json.dumps(as_json(data, judged, comparisons), ensure_ascii=False).encode())


def as_json(
    data: RetrievalData, judged: Sequence[Judged], comparisons: Sequence[Comparison]
) -> dict[str, Any]:
    """All that is shown, for programs."""
    from youtu_st.evaluation.retrieval.measures import MAIN
    from youtu_st.evaluation.statistics import smallest_difference

    return {
        "data": {
            "name": data.name,
            "digest": data.digest,
            "documents": len(data.corpus),
            "queries": len(data.qrels),
            "missing": data.missing,
            "queries without a relevant document": len(data.without_relevant),
        },
        "systems": [
            {
                "system": each.results.system,
                **each.results.facts,
                "measures": {
                    name: {"mean": mean, "interval": ends} for name, (mean, ends) in each.summary().items()
                },
                "smallest difference": smallest_difference(each.values[MAIN]),
                "without results": list(each.without_results),
            }
            for each in judged
        ],
        "comparisons": [
            {"base": judged[0].results.system, "system": other.results.system, **asdict(each)}
            for other, each in zip(judged[1:], comparisons, strict=True)
        ],
    }


def show(data: RetrievalData, judged: Sequence[Judged], comparisons: Sequence[Comparison]) -> None:
    """Show measures with their intervals, then each system beside the first, then what moved."""
    documents, queries = f"{len(data.corpus):,} documents", _queries(len(data.qrels))
    echo(f"{data.name}: {documents}, {queries}, data {data.digest}")
    _tell(data, judged)
    _show_measures(judged[0])
    _show_power(judged[0], len(data.qrels))
    if comparisons:
        _show_comparisons(judged, comparisons)
        for other, each in zip(judged[1:], comparisons, strict=True):
            _show_moved(judged[0], other, each)


def _tell(data: RetrievalData, judged: Sequence[Judged]) -> None:
    if data.missing:
        say("note", f"{count(data.missing, 'judgement')} of what is not there: counted as not found")
    if lone := data.without_relevant:
        say("note", f"{_queries(len(lone))} without a relevant document: 0 in every measure")
    for each in judged:
        if lost := each.without_results:
            some = ", ".join(lost[:_LISTED]) + (" ..." if len(lost) > _LISTED else "")
            say("note", f"{each.results.system}: {_queries(len(lost))} without results, counted as 0: {some}")


def _show_measures(each: Judged) -> None:
    echo()
    echo(each.results.system)
    table = plain_table(("measure", "mean", "95 % interval"), right=("mean",))
    for name, (mean, ends) in each.summary().items():
        table.add_row(cell(name), cell(f"{mean:.4f}"), cell(_ends(ends)))
    wide_console().print(table)


def _show_power(base: Judged, queries: int) -> None:
    from youtu_st.evaluation.retrieval.measures import MAIN
    from youtu_st.evaluation.statistics import smallest_difference

    if (least := smallest_difference(base.values[MAIN])) is not None:
        echo()
        echo(
            f"{_queries(queries)} show a difference of {least:.3f} {MAIN} in four of five cases, if the "
            "scores of two systems correlate by one half; --compare tells it of two systems"
        )


def _show_comparisons(judged: Sequence[Judged], comparisons: Sequence[Comparison]) -> None:
    from rich.console import Console

    base, measure = judged[0], comparisons[0].measure
    titles = (measure, "difference", "95 % interval", "p", "p (Holm)", "won", "lost", "would show", "verdict")
    numbers = tuple(title for title in titles if title not in ("95 % interval", "verdict"))
    table = plain_table((f"beside {base.results.system}", *titles), right=numbers)
    for other, each in zip(judged[1:], comparisons, strict=True):
        row = (
            other.results.system,
            f"{other.values[measure].mean():.4f}",
            f"{each.difference:+.4f}",
            _ends(each.interval, sign="+"),
            f"{each.p:.4f}",
            f"{each.adjusted:.4f}",
            f"{each.won:,}",
            f"{each.lost:,}",
            f"{each.smallest:.3f}" if each.smallest else "",
            each.verdict,
        )
        table.add_row(*map(cell, row))
    echo()
    # A terminal that is narrower breaks the lines; rich would leave out the names and the numbers.
    Console(width=WIDE, highlight=False).print(table)


def _show_moved(base: Judged, other: Judged, each: Comparison) -> None:
    echo()
    if not each.moved:
        echo(f"{other.results.system}: no query moved")
        return
    echo(f"{other.results.system}: what moved most, {each.measure} from {base.results.system}")
    for one in each.moved:
        text = one_line(one.text)
        shown = text if len(text) <= _TEXT else text[:_TEXT].rstrip() + " …"
        echo(f"  {one.before:.3f} -> {one.after:.3f}  {one.query}  {shown}")


def _ends(ends: Interval | None, sign: str = "") -> str:
    return "unknown" if ends is None else f"{ends[0]:{sign}.4f} to {ends[1]:{sign}.4f}"


def _queries(number: int) -> str:
    return f"{number:,} {'query' if number == 1 else 'queries'}"
