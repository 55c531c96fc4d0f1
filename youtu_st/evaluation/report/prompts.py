"""Where two runs put other prompts before the same texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from youtu_st.evaluation.report.about import About, Prompt
from youtu_st.evaluation.report.runs import Run

SIDES = ("query", "document")


@dataclass(frozen=True, slots=True)
class PromptsDiffer:
    """One side of a task, and what two runs put before its texts."""

    task: str
    side: str
    first: str
    second: str
    first_prompt: str
    second_prompt: str


def differing(runs: Sequence[Run]) -> list[PromptsDiffer]:
    """All of it, of each pair of runs that wrote their prompts down, for the tasks that both ran."""
    found = []
    for first, second in combinations(runs, 2):
        for task in sorted(first.about.tasks.keys() & second.about.tasks.keys()):
            for side in SIDES:
                ours, theirs = prompt_of(first.about, task, side), prompt_of(second.about, task, side)
                if ours and theirs and ours.text != theirs.text:
                    found.append(PromptsDiffer(task, side, first.name, second.name, ours.text, theirs.text))
    return found


def prompt_of(about: About, task: str, side: str) -> Prompt | None:
    """What stood before one side's texts; None where nothing was written."""
    told = about.tasks[task].prompts
    return told.get(side) or told.get("both")


def sources(about: About) -> list[tuple[str, int]]:
    """Who the prompts are from, and of how many tasks, the most first; a task may have two sources."""
    return Counter(
        source
        for task in about.tasks.values()
        for source in {p.source for p in task.prompts.values() if p.source}
    ).most_common()
