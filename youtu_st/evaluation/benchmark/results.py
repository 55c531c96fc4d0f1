"""The folder of a run: mteb's own files, so that its tools read them, and what holds them together.

``OUT/results/<model>/<revision>/TASK.json``; settings off the profile in ``experiments/`` below it. Beside
the scores are ``run/run.json`` and, of retrieval, ``predictions/``: in folders, as mteb takes every other
JSON file for a result.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from youtu_st.disk import read_bounded, write_whole
from youtu_st.errors import InputError, brief

RUN, PREDICTIONS = "run/run.json", "predictions"
PREDICTED = "_predictions.json"
"""What the name of a task's predictions ends with."""
MODEL = "mteb_model_meta"
"""Of what is in them, what is no subset."""
KEPT = 100
"""Results of a query that are kept, of the 1,000 that mteb would keep."""
_LOCK, _HOLDER = "run/lock", "run/holder.json"
_META, _SETTINGS = "model_meta.json", "run_settings.jsonl"
_MOST_BYTES = 1 << 30

Notify = Callable[[str], None]


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a run's folder: two runs in one place would mix their files.

    Raises:
        InputError: If another process holds it: which, and since when.
    """
    (folder / _LOCK).parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(
            f"another run writes to {folder} now{_holder(folder)}: wait for it, or choose another --out"
        ) from error
    try:
        since = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        told = {"process": os.getpid(), "machine": platform.node(), "since": since}
        write_whole(folder / _HOLDER, json.dumps(told).encode())
        yield
    finally:
        with suppress(OSError):
            (folder / _HOLDER).unlink()
        lock.release()


def _holder(folder: Path) -> str:
    try:
        told = json.loads(read_bounded(folder / _HOLDER, 1 << 16))
        return f" (process {int(told['process'])} on {told['machine']}, since {told['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def set_damaged_aside(folder: Path, notify: Notify) -> None:
    """Give every file of a folder that a kill has cut another name, so that its task runs again.

    Args:
        folder: Where the scores are.
        notify: Is told of each.
    """
    for path in sorted([*folder.glob("*.json"), *(folder / PREDICTIONS).glob("*.json")]):
        if not (fault := _fault(path)):
            continue
        aside = _set_aside(path)
        notify(f"{path} is damaged ({fault}), and is {aside.name} now: its task runs again")
        result = folder / path.name.replace(PREDICTED, ".json")
        if path.parent.name == PREDICTIONS and result.exists():
            _set_aside(result)
    if _settings_damaged(folder / _SETTINGS):
        _set_aside(folder / _SETTINGS)


def _settings_damaged(path: Path) -> bool:
    """Whether mteb's lines about its runs are something else; it adds to them, and no score needs them."""
    try:
        lines = read_bounded(path, _MOST_BYTES).splitlines()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return any(line.strip() and _json_fault(line) for line in lines)


def _fault(path: Path) -> str:
    """What is wrong with a file of a run; empty: nothing."""
    try:
        content = read_bounded(path, _MOST_BYTES)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    fault = _json_fault(content)
    if fault or path.name == _META:
        return fault
    if path.parent.name == PREDICTIONS:
        return "" if are_predictions(json.loads(content)) else "it holds no predictions"
    from mteb.results import TaskResult

    try:
        task = TaskResult.from_disk(path).task_name
    except Exception as error:  # whatever the host makes of what is in it
        return f"no result of a task: {type(error).__name__}"
    return "" if task == path.stem else f"it is the result of {brief(task)}"


def are_predictions(content: Any) -> bool:
    """Whether it is what mteb writes: by subset, split and query, the score of each document."""
    if not isinstance(content, dict) or not isinstance(content.get(MODEL), dict):
        return False
    subsets = [splits for subset, splits in content.items() if subset != MODEL]
    if not all(isinstance(splits, dict) for splits in subsets):
        return False
    queries = [found for splits in subsets for found in splits.values()]
    if not all(isinstance(found, dict) for found in queries):
        return False
    ranked = [scores for found in queries for scores in found.values()]
    return all(isinstance(scores, dict) for scores in ranked) and all(
        isinstance(score, int | float) for scores in ranked for score in scores.values()
    )


def _json_fault(content: bytes) -> str:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return "it ends in the middle" if content.strip()[:1] in (b"{", b"[") else "it is no JSON"
    return ""


def _set_aside(path: Path) -> Path:
    number = 1
    while (free := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    os.replace(path, free)
    return free


def keep_best(path: Path, kept: int = KEPT) -> None:
    """Cut a file of predictions to the best results of each query.

    Args:
        path: As mteb writes it: by subset, split and query, the score of each document.
        kept: How many results of a query stay.
    """
    predictions: dict[str, Any] = json.loads(read_bounded(path, 64 * _MOST_BYTES))
    for subset, splits in predictions.items():
        if subset == MODEL:
            continue
        for split, queries in splits.items():
            splits[split] = {query: _best(scores, kept) for query, scores in queries.items()}
    write_whole(path, json.dumps(predictions).encode())


def _best(scores: dict[str, float], kept: int) -> dict[str, float]:
    # Equal scores in the order of the ids, so that two runs keep the same.
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    return dict(ranked[:kept])
