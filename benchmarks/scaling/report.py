"""Tables, and what the project promised."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

import promises
from promises import Promise, judged, ratio

from scaling.contestants import LOOP, ON_RAY, OURS, RAY_BLOCKS, RAY_DATA, STREAM
from scaling.copies import BARE, COPY
from scaling.memory import FEW, MANY
from scaling.restarts import RESTART
from scaling.shards import COST, ENCODING
from scaling.stage import Figures

Rows = Mapping[str, Figures]
COLUMNS = {  # of a figure: its heading and its form
    "per_second": ("documents/s", ",.1f"),
    "with_start": ("with start", ",.1f"),
    "start_s": ("start s", ".1f"),
    "end_s": ("end s", ".1f"),
    "twice": ("twice", ",.0f"),
    "shard_rows": ("a shard", ",.0f"),
    "restart_s": ("again s", ".3f"),
    "first_s": ("first s", ".2f"),
    "with_start_s": ("with start s", ".2f"),
    "seconds": ("seconds", ",.2f"),
    "cpu_s": ("CPU s", ",.3f"),
    "cpu_ms": ("CPU ms", ",.1f"),
    "driver_mb": ("MB", ",.0f"),
    "shards": ("shards", ",.0f"),
    "rows": ("rows", ",.0f"),
    "tokens": ("tokens", ".0f"),
    "others": ("others", ".0%"),
    "build_s": ("build s", ",.1f"),
    "close_s": ("close s", ",.1f"),
    "writer_mb": ("writer MB", ",.0f"),
    "disk_mb": ("on disk MB", ",.0f"),
    "open_s": ("open s", ",.2f"),
    "reader_mb": ("reader MB", ",.0f"),
    "search_ms": ("search ms", ",.1f"),
    "first_change_ms": ("1st change ms", ",.0f"),
    "change_ms": ("change ms", ",.2f"),
    "changes_mb": ("then MB", ",.0f"),
    "close_changed_s": ("close s", ",.1f"),
}
TITLES = {
    "embed": "documents/s from the first text to the last file; CPU ms of one; MB of the process started",
    "ray": "the same on two Ray nodes with a core each",
    "kill": "rows that went through the network twice, after kill -9 of a worker at half-time",
    "restart": "a finished job started again, in one process: the first time imports",
    "memory": "the most memory that the process of the command has had",
    "shard": "a shard of rows of 100 tokens: read, written, flushed and renamed; and encoded, on one core",
    "copy": "from a folder of `embed` into LanceDB, with imports; the command also compares",
    "index": "a VectorIndex, built of given vectors and closed; opened, searched, changed row by row, closed",
}


def medians(taken: Mapping[str, list[Figures]]) -> dict[str, Figures]:
    """Of each figure over the turns."""
    return {
        name: {
            key: None if turns[0][key] is None else statistics.median(turn[key] for turn in turns)
            for key in turns[0]
            if not isinstance(turns[0][key], bool)
        }
        for name, turns in taken.items()
        if turns
    }


def table(part: str, rows: Rows) -> str:
    """One part's."""
    return promises.table(TITLES[part], rows, COLUMNS, name=28, width=13)


def targets(found: Mapping[str, Rows]) -> list[Figures]:
    """What was promised, and what came of it."""

    def of(part: str, name: str, key: str) -> float | None:
        value: float | None = found.get(part, {}).get(name, {}).get(key)
        return value

    def times(part: str, key: str, name: str, *others: str) -> float | None:
        there = [value for other in others if (value := of(part, other, key)) is not None]
        mine = of(part, name, key)
        return None if mine is None or not there else mine / max(there)

    def over(one: float | None, other: float | None) -> float | None:
        return None if one is None or other is None else one - other

    def shards(name: str) -> float | None:
        twice, rows = of("kill", name, "twice"), of("kill", name, "shard_rows")
        return None if twice is None or not rows else twice / rows

    few, many = (of("memory", f"{count:,} rows", "driver_mb") for count in (FEW, MANY))
    cost, encoding = of("shard", COST, "seconds"), of("shard", ENCODING, "seconds")
    speed = "documents/s of embed --workers 2, times"
    promised: list[Promise] = [
        (f"{speed} iter_encode_document's", ">=", 0.95, times("embed", "per_second", OURS, STREAM)),
        (f"{speed} the loop's", ">=", 1.2, times("embed", "per_second", OURS, LOOP)),
        (
            "documents/s on Ray, times those of --workers 2",
            ">=",
            0.85,
            times("ray", "per_second", ON_RAY, OURS),
        ),
        (
            "documents/s on Ray, times Ray Data's, the faster",
            ">=",
            1.0,
            times("ray", "per_second", ON_RAY, RAY_DATA, RAY_BLOCKS),
        ),
        ("rows encoded twice after a kill, in shards", "<=", 1.0, shards(OURS)),
        ("the same on Ray", "<=", 1.0, shards(ON_RAY)),
        ("restart of a finished job after the imports, s", "<=", 2.0, of("restart", RESTART, "restart_s")),
        (f"the driver's memory, {MANY:,} rows over {FEW:,}, MB", "<=", 50.0, over(many, few)),
        ("a shard's cost, share of encoding it", "<=", 0.01, ratio(cost, encoding)),
        ("index copy into LanceDB, times the bare script", "<=", 1.5, times("copy", "seconds", COPY, BARE)),
    ]
    return judged(promised)
