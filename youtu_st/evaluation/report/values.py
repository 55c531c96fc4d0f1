"""A report as plain values, for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from youtu_st.evaluation.report.report import Entry, Report


def as_values(report: Report) -> dict[str, Any]:
    """All of a report but how it looks; scores from 0 to 1, None where there is none."""
    check = report.check
    return {
        "benchmark": report.benchmark.name or None,
        "entries": [_entry(entry) for entry in report.entries],
        "differences": [asdict(one) | {"told_apart": one.told_apart} for one in report.differences],
        "prompts that differ": [asdict(one) for one in report.prompts],
        "beside published": [asdict(one) for one in report.beside],
        "published figures": check
        and {"equal": check.equal, "total": check.total, "source": check.table.source},
        "notes": list(report.notes),
    }


def _entry(entry: Entry) -> dict[str, Any]:
    run, summary = entry.run, entry.summary
    about: dict[str, Any] = {"kind": "published", "model": entry.model}
    if run is not None:
        about = {
            "kind": "run",
            "folder": str(run.folder),
            "model": run.model or None,
            "revision": run.revision or None,
        }
    return {
        "name": entry.name,
        **about,
        "tasks": summary.coverage,
        "means": summary.figures,
        "scores": dict(summary.scores),
        "problems": dict(summary.problems),
    }
