"""Texts with classes: others of a text's class are its positives, those of other classes its negatives."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xxhash

from youtu_st.errors import InputError
from youtu_st.evaluation.data.classes import LABELS, TEXTS, fields_of, label_of
from youtu_st.evaluation.data.files import records
from youtu_st.evaluation.data.record import RecordError, listed, place
from youtu_st.training.data.rows import Row
from youtu_st.training.data.sources import Sample, sample
from youtu_st.training.data.stored import Stored
from youtu_st.training.data.tally import Tally
from youtu_st.training.data.wanted import Wanted

POSITIVES, NEGATIVES = 4, 8


def suits(found: Sample) -> bool:
    """Whether a source's fields are plainly these."""
    names = found.names
    return any(name in names for name in TEXTS) and any(name in names for name in LABELS)


def rows(path: Path, wanted: Wanted, tally: Tally) -> Iterator[Row]:
    """A row for each text, in order: its positives and negatives are chosen by the seed and its number alone.

    Memory has three numbers for each text, and the classes' names.

    Raises:
        InputError: If the file cannot be read, or has not these columns, or the task is another.
    """
    if wanted.task not in (None, "cls"):
        raise InputError(f"{path}: texts with classes are the task 'cls', not {wanted.task!r}")
    field, label = fields_of(path, sample(path).names)
    numbers: dict[str, int] = {}
    classes, digests, rows_of = array("q"), array("Q"), array("q")
    told: set[str] = {field, label}
    with Stored() as texts:
        for record in records(path, tally.error):
            if unused := [name for name in record.values if name not in told]:
                told.update(unused)
                tally.note(f"{record.where}: not used: {listed(unused)}")
            try:
                text, name = record.text(field), label_of(record, label)
            except RecordError as error:
                tally.error(error)
                continue
            texts.add(text)
            classes.append(numbers.setdefault(name, len(numbers)))
            digests.append(xxhash.xxh3_64_intdigest(text.encode()))
            rows_of.append(record.line)
        groups = _Groups(np.array(classes, dtype=np.int64), np.array(digests, dtype=np.uint64))
        names = list(numbers)
        for number in range(len(texts)):
            positives, negatives = groups.chosen(number, wanted.seed)
            if not positives:
                tally.leave_out(place(path, rows_of[number]), "the only text of its class")
                continue
            yield wanted.row(
                "cls",
                texts[number],
                [texts[i] for i in positives],
                [texts[i] for i in negatives],
                label=names[classes[number]],
                negative_labels=tuple(names[classes[i]] for i in negatives),
            )


class _Groups:
    """Texts by their classes.

    Args:
        classes: The class of each text.
        digests: A digest of each text: equal texts are chosen once.
    """

    def __init__(self, classes: npt.NDArray[np.int64], digests: npt.NDArray[np.uint64]) -> None:
        self._classes, self._digests = classes, digests
        self._order = np.argsort(classes, kind="stable")
        sizes = np.bincount(classes) if len(classes) else np.zeros(0, dtype=np.int64)
        self._ends = np.concatenate([[0], np.cumsum(sizes)])

    def chosen(self, number: int, seed: int) -> tuple[list[int], list[int]]:
        """The positives and the negatives of a text: no text twice, and never the text itself."""
        start, end = (int(self._ends[self._classes[number] + side]) for side in (0, 1))
        chance = random.Random((seed << 40) + number)
        taken = {int(self._digests[number])}
        own = (start + i for i in _shuffled(end - start, chance))
        positives = self._first(own, POSITIVES, taken)
        # The classes before and behind, as if its own were not there.
        others = (
            i if i < start else i + end - start for i in _shuffled(len(self._order) - end + start, chance)
        )
        return positives, self._first(others, NEGATIVES, taken)

    def _first(self, places: Iterator[int], most: int, taken: set[int]) -> list[int]:
        chosen: list[int] = []
        for i in places:
            number = int(self._order[i])
            if (digest := int(self._digests[number])) not in taken:
                taken.add(digest)
                chosen.append(number)
                if len(chosen) == most:
                    break
        return chosen


def _shuffled(size: int, chance: random.Random) -> Iterator[int]:
    """The numbers below ``size`` in an order of chance: what is not asked for costs nothing."""
    moved: dict[int, int] = {}  # Fisher and Yates, of whose list only what differs is kept
    for i in range(size):
        j = chance.randrange(i, size)
        yield moved.get(j, j)
        moved[j] = moved.get(i, i)
