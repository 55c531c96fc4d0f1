"""Write ``configs/evaluation/benchmarks.json``: what mteb says of the usual benchmarks."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

from youtu_st.evaluation.report.benchmarks import by_mteb, shipped_names

LISTED = 60
"""Subsets of a task that are listed by name; of more, their number."""


def main() -> None:
    """Write the file anew."""
    benchmarks = {}
    for name in shipped_names():
        benchmarks[name] = {
            task.name: {
                "type": task.type,
                "splits": sorted(task.splits),
                "subsets": sorted(task.subsets or ()) if task.count <= LISTED else task.count,
            }
            for task in sorted(by_mteb(name).tasks.values(), key=lambda task: task.name)
        }
    lines = []
    for name, tasks in benchmarks.items():
        body = ",\n".join(f"   {json.dumps(task)}: {json.dumps(facts)}" for task, facts in tasks.items())
        lines.append(f"  {json.dumps(name)}: {{\n{body}\n  }}")
    text = f'{{\n "mteb": "{version("mteb")}",\n "benchmarks": {{\n' + ",\n".join(lines) + "\n }\n}\n"
    path = Path(__file__).parents[1] / "configs" / "evaluation" / "benchmarks.json"
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
