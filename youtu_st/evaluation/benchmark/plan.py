"""What a run will do, before a model is loaded: tasks, texts, characters, data that is missing."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from youtu_st.errors import InputError
from youtu_st.evaluation.benchmark.local import FORM, LocalData
from youtu_st.probes import DOCUMENTS
from youtu_st.protocol import TextEncoder

Where = Literal["here", "cached", "hub", "missing"]
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task before it runs.

    Attributes:
        task: Its name.
        type: Its type.
        splits: Those that are measured.
        subsets: How many subsets.
        texts: Texts, as mteb's statistics or the local data count them; None: not known.
        characters: Their characters; None: not known.
        data: Where its data is: given as local data, in the hub's cache, on the hub, or out of reach.
    """

    task: str
    type: str
    splits: Sequence[str]
    subsets: int
    texts: int | None
    characters: int | None
    data: Where


def plan(tasks: Sequence[Any], local: Mapping[str, LocalData]) -> list[PlannedTask]:
    """What each task is.

    Args:
        tasks: mteb's.
        local: Data that was given for some of them.
    """
    hub = _Hub()
    planned = []
    for task in tasks:
        name = task.metadata.name
        texts, characters = _counted(local[name]) if name in local else _told(task)
        where: Where = "here" if name in local else hub.has(task.metadata.dataset)
        subsets = len(task.hf_subsets)
        planned.append(
            PlannedTask(name, task.metadata.type, task.eval_splits, subsets, texts, characters, where)
        )
    return planned


def check_present(planned: Sequence[PlannedTask]) -> None:
    """Raise where data is out of reach: all of it at once.

    Raises:
        InputError: Naming each such task, with the form in which its data can be given.
    """
    missing = [each.task for each in planned if each.data == "missing"]
    if missing:
        forms = " ".join(FORM.replace("NAME", name) for name in missing[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise InputError(
            f"the data of {len(missing)} of {len(planned)} tasks is neither here nor on a hub that can be "
            f"reached: give it as {forms}{more}"
        )


def _counted(data: LocalData) -> tuple[int | None, int | None]:
    if data.parts is None:
        return None, None
    texts = [text for splits in data.parts.values() for part in splits.values() for text in texts_of(part)]
    return len(texts), sum(map(len, texts))


def texts_of(part: Any) -> Iterator[str]:
    """All texts of a part of local data."""
    if hasattr(part, "corpus"):
        yield from (document.content for document in part.corpus.values())
        yield from part.queries.values()
    elif hasattr(part, "left"):
        yield from (*part.left, *part.right)
    else:
        yield from part.texts


def _told(task: Any) -> tuple[int | None, int | None]:
    """Texts and characters of the splits and subsets that are measured, by mteb's own statistics."""
    told = task.metadata.descriptive_stats or {}
    each = [_of_subsets(told[split], task) for split in task.eval_splits if split in told]
    return _sum(row[0] for row in each), _sum(row[1] for row in each)


def _of_subsets(told: Mapping[str, Any], task: Any) -> tuple[int | None, int | None]:
    by_subset = told.get("hf_subset_descriptive_stats") or {}
    parts = [by_subset[subset] for subset in task.hf_subsets if subset in by_subset] or [told]
    return _sum(part.get("num_samples") for part in parts), _sum(map(_characters, parts))


def _characters(part: Mapping[str, Any]) -> int | None:
    if (number := part.get("number_of_characters")) is not None:
        return int(number)
    return _sum(
        told["total_text_length"]
        for name, told in part.items()
        if name.endswith("text_statistics") and told is not None
    )


def _sum(numbers: Any) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


class _Hub:
    """Which data sets are in the hub's cache, or can be fetched."""

    def __init__(self) -> None:
        from huggingface_hub import constants

        self._offline = bool(constants.HF_HUB_OFFLINE)
        self._cache = Path(constants.HF_HUB_CACHE)
        self._answers: bool | None = False if self._offline else None

    def has(self, dataset: Mapping[str, Any]) -> Where:
        path = str(dataset["path"])
        if os.path.isdir(path):
            return "here"
        if (self._cache / f"datasets--{path.replace('/', '--')}" / "snapshots").is_dir():
            return "cached"
        return "hub" if self._is_there(path, dataset.get("revision")) else "missing"

    def _is_there(self, path: str, revision: str | None) -> bool:
        """Ask the hub; one that does not answer once is not asked again."""
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

        if self._answers is False:
            return False
        try:
            HfApi().dataset_info(path, revision=revision, timeout=5)
        except (RepositoryNotFoundError, HfHubHTTPError):
            self._answers = True
            return False
        except Exception:  # no network, in any of the ways in which there is none
            self._answers = False
            return False
        self._answers = True
        return True


def seconds_of(encoder: TextEncoder, planned: Sequence[PlannedTask], *, texts: int = 32) -> float:
    """About how long it takes to encode all texts of a plan, by the speed at their mean lengths.

    Args:
        encoder: The model.
        planned: Tasks of which texts and characters are known; others count nothing.
        texts: Texts of a length that are timed.

    Returns:
        Seconds.
    """
    known = [(each.texts, each.characters) for each in planned if each.texts and each.characters]
    # Lengths that are powers of two: tasks of like lengths share a measurement.
    sizes = {each: 1 << max(3, round(math.log2(each[1] / each[0]))) for each in known}
    pace = {size: _seconds_a_text(encoder, size, texts) for size in sorted(set(sizes.values()))}
    return sum(count * pace[sizes[count, characters]] for count, characters in known)


def _seconds_a_text(encoder: TextEncoder, size: int, texts: int) -> float:
    words = [word for word in " ".join(DOCUMENTS).split() if word.isascii()]
    long = " ".join(words[i % len(words)] for i in range(size + texts * 7))
    sample = [f"{i} {long[i * 7 : i * 7 + size]}" for i in range(texts)]
    encoder.encode_document(sample[:2])  # what a first call brings along is not the others' time
    start = time.perf_counter()
    encoder.encode_document(sample)
    return (time.perf_counter() - start) / texts
