"""A result file of mteb: the main scores of a task, by split and subset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from youtu_st.errors import InputError, brief
from youtu_st.evaluation.report.files import as_float, read_object

_AGAIN = "move it away, and run that task again"
_OLD = "mteb before 1.11 wrote it: load it with mteb's TaskResult.from_disk, and save it again"


@dataclass(frozen=True, slots=True)
class Result:
    """What a task gave.

    Attributes:
        task: Its name in mteb.
        path: The file.
        scores: By split, then by subset: the main score, from 0 to 1 for most tasks; NaN where there is none.
        data: The revision of its data.
    """

    task: str
    path: Path
    scores: Mapping[str, Mapping[str, float]]
    data: str = ""


def read_result(path: Path) -> Result | None:
    """Read a file that mteb, or a run of this package, has written.

    Returns:
        None where it is JSON of another kind.

    Raises:
        InputError: Naming the file and what to do, if it is damaged.
    """
    content = read_object(path, _AGAIN)
    if "mteb_dataset_name" in content:
        raise InputError(f"{path}: {_OLD}")
    task, scores = content.get("task_name"), content.get("scores")
    if task is None and scores is None:
        return None
    if not isinstance(task, str) or not task:
        raise InputError(f"{path}: damaged: task_name must be a name, not {brief(task)}: {_AGAIN}")
    if not isinstance(scores, dict):
        raise InputError(f"{path}: damaged: scores must be an object, not {brief(scores)}: {_AGAIN}")
    subsets = {split: _subsets(path, split, listed) for split, listed in scores.items()}
    return Result(task, path, subsets, str(content.get("dataset_revision", "")))


def _subsets(path: Path, split: str, listed: Any) -> dict[str, float]:
    if not isinstance(listed, list):
        raise InputError(f"{path}: damaged: the scores of {brief(split)} must be a list: {_AGAIN}")
    found: dict[str, float] = {}
    for entry in listed:
        subset = entry.get("hf_subset") if isinstance(entry, dict) else None
        if not isinstance(subset, str):
            raise InputError(f"{path}: damaged: a score of {brief(split)} has no hf_subset: {_AGAIN}")
        if subset in found:
            raise InputError(f"{path}: {brief(split)} has two scores of {brief(subset)}: {_AGAIN}")
        score = as_float(entry.get("main_score"))
        found[subset] = float("nan") if score is None else score
    return found
