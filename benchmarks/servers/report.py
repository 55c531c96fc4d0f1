"""Tables, and what the project promised."""

from __future__ import annotations

from collections.abc import Mapping

import promises
from promises import Promise, judged, ratio

from servers.contestants import ENCODER, FIRST_COME, INFINITY, OURS, PLAIN
from servers.scenarios import (
    AFTER_FEW,
    AFTER_MANY,
    ALONE,
    FULL_BATCH,
    LIBRARY,
    LIBRARY_LISTS,
    MANY,
    ONE,
    STUB,
    Figures,
)

Rows = Mapping[str, Figures]
COLUMNS = {  # of a figure: its heading and its form
    "per_second": ("requests/s", ",.1f"),
    "ratio": ("ratio", ".2f"),
    "p50_ms": ("p50 ms", ",.1f"),
    "p99_ms": ("p99 ms", ",.1f"),
    "cpu_ms": ("CPU ms", ".2f"),
    "client_cpu_ms": ("client's", ".2f"),
    "memory_mb": ("MB", ",.0f"),
    "health_s": ("/health s", ".2f"),
    "ready_s": ("/ready s", ".2f"),
}
TITLES = {
    "questions": "32 connections, one question each; ratios to the plain app",
    "one": "one connection, one question",
    "mixed": "16 connections with questions, beside one that sends 512 abstracts a request",
    "instructions": "32 connections, one question and one instruction each",
    "stub": "a request without the network",
    "memory": "memory of youtu-st serve",
    "start": "after the start",
}


def with_ratios(rows: Rows) -> dict[str, Figures]:
    """Requests a second, beside the plain app's, where that took part."""
    base = rows.get(PLAIN, {}).get("per_second")
    if not base:
        return dict(rows)
    return {name: {**own, "ratio": own["per_second"] / base} for name, own in rows.items()}


def table(scenario: str, rows: Rows) -> str:
    """One scenario's."""
    if scenario == "questions":
        rows = with_ratios(rows)
    return promises.table(TITLES[scenario], rows, COLUMNS, name=32, width=12)


def targets(found: Mapping[str, Rows]) -> list[Figures]:
    """What was promised, and what came of it."""

    def of(scenario: str, name: str, key: str) -> float | None:
        value: float | None = found.get(scenario, {}).get(name, {}).get(key)
        return value

    def share(scenario: str, key: str, name: str, other: str) -> float | None:
        mine, theirs = of(scenario, name, key), of(scenario, other, key)
        return None if mine is None or not theirs else mine / theirs

    def difference(scenario: str, key: str, name: str, other: str) -> float | None:
        mine, theirs = of(scenario, name, key), of(scenario, other, key)
        return None if mine is None or theirs is None else mine - theirs

    few, many = (f"after {count:,} requests" for count in (AFTER_FEW, AFTER_MANY))
    asked = "questions/s, 32 connections, times"
    promised: list[Promise] = [
        (f"{asked} the plain app", ">=", 1.8, share("questions", "per_second", OURS, PLAIN)),
        (f"{asked} the plain app over Encoder", ">=", 1.8, share("questions", "per_second", OURS, ENCODER)),
        (f"{asked} infinity", ">=", 1.0, share("questions", "per_second", OURS, INFINITY)),
        (f"{asked} lists in process", ">=", 0.85, share("questions", "per_second", OURS, LIBRARY_LISTS)),
        ("their p99, share of the plain app's", "<=", 0.5, share("questions", "p99_ms", OURS, PLAIN)),
        ("one question, p50, ms over encode_query", "<=", 2.0, difference("one", "p50_ms", OURS, LIBRARY)),
        (
            "questions beside abstracts, p99, times one full batch",
            "<=",
            3.0,
            ratio(of("mixed", OURS, "p99_ms"), of("mixed", FULL_BATCH, "p50_ms")),
        ),
        (
            "the same, share of first come first served",
            "<=",
            0.25,
            share("mixed", "p99_ms", OURS, FIRST_COME),
        ),
        (
            "32 instructions, requests/s, share of one",
            ">=",
            0.9,
            share("instructions", "per_second", MANY, ONE),
        ),
        ("CPU of a request without the network, ms", "<=", 1.0, of("stub", STUB, "cpu_ms")),
        (
            f"memory {many}, times that after {AFTER_FEW:,}",
            "<=",
            1.05,
            ratio(of("memory", many, "memory_mb"), of("memory", few, "memory_mb")),
        ),
        ("/health after the start, s", "<=", 2.0, of("start", OURS, "health_s")),
        ("/ready, s after the model alone", "<=", 3.0, difference("start", "ready_s", OURS, ALONE)),
    ]
    return judged(promised)
