"""What a run will do, before it does: lengths of texts, and the first batch of each task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from youtu_st.errors import TrainingError
from youtu_st.modules.readers import reader_for
from youtu_st.modules.settings import ours, reader_of
from youtu_st.training.collator import TaskCollator, masks_instructions
from youtu_st.training.data.store import TrainingSet
from youtu_st.training.guards import Notify
from youtu_st.training.preparing import Prepared

_SAMPLE = 256
"""Rows of a data set that are looked at."""
MOST_CUT = 0.05
"""Share of texts that may be cut before it is said."""


@dataclass(frozen=True)
class Lengths:
    """Tokens of a data set's texts, in a sample.

    Attributes:
        mean: Of a row: all of its texts, as they are cut.
        cut: Share of texts that are longer than what is read.
    """

    mean: float
    cut: float


@dataclass(frozen=True)
class Shown:
    """A data set in the plan.

    Attributes:
        found: The data set.
        steps: An epoch.
        left_out: Rows that an epoch does not use.
        rows: Of a step.
        tokens: Of a step, on average.
        cut: Share of texts that are cut.
        batch: The first rows of its first batch: column, prompt and text each.
    """

    found: TrainingSet
    steps: int
    left_out: int
    rows: int
    tokens: int
    cut: float
    batch: tuple[tuple[str, str, str], ...]


def preview(collator: TaskCollator, prepared: Prepared, *, rows: int = 2) -> list[Shown]:
    """The plan of a run, data set by data set.

    Args:
        collator: Of the model.
        prepared: What is trained on.
        rows: Of each data set's first batch that are shown.
    """
    plan = prepared.plan
    first: dict[int, list[int]] = {}
    for number, batch in plan.batches(0):
        first.setdefault(number, batch)
        if len(first) == len(prepared.sets):
            break
    made = []
    for number, found in enumerate(prepared.sets):
        lengths = lengths_of(collator, found)
        whole = plan.global_batch(plan.data_sets[number])
        dataset = found.dataset()
        columns, _ = collator.texts([dataset[i] for i in first[number][:rows]], collator.batchings[found.key])
        made.append(
            Shown(
                found=found,
                steps=plan.steps[number],
                left_out=plan.left_out[number],
                rows=whole,
                tokens=round(lengths.mean * whole),
                cut=lengths.cut,
                batch=tuple(
                    (column, prompt, text)
                    for column, (texts, prompts) in columns.items()
                    for text, prompt in zip(texts, prompts, strict=True)
                ),
            )
        )
    return made


def lengths_of(collator: TaskCollator, found: TrainingSet) -> Lengths:
    """Tokens of the texts of a data set's first rows, as they are drawn."""
    dataset = found.dataset()
    sample = [dataset[i] for i in range(min(_SAMPLE, len(dataset)))]
    columns, _ = collator.texts(sample, collator.batchings[found.key])
    limit = min(n for n in (collator.max_length, collator.model.get_max_seq_length(), 1 << 30) if n)
    counts = [
        count for texts, prompts in columns.values() for count in _counts(collator.model, texts, prompts)
    ]
    read = sum(min(count, limit) for count in counts)
    return Lengths(read / len(sample), sum(count > limit for count in counts) / len(counts))


def _counts(model: Any, texts: Sequence[str], prompts: Sequence[str]) -> list[int]:
    reader = reader_for(reader_of(model))
    whole = [reader.marked(prompt) + text for text, prompt in zip(texts, prompts, strict=True)]
    return [len(reader.ids([one])[0]) for one in whole]


def check_cut(collator: TaskCollator, prepared: Prepared, notify: Notify) -> None:
    """Say which data sets lose the ends of many of their texts."""
    for found in prepared.sets:
        lengths = lengths_of(collator, found)
        if lengths.cut > MOST_CUT:
            notify(
                f"{lengths.cut:.0%} of the texts of {found.name!r} are longer than what is read, and are "
                "cut: train.max_length"
            )


def check_masked(collator: TaskCollator, prepared: Prepared) -> None:
    """Raise if the tokens of an instruction enter the vector of a model that leaves them out.

    Raises:
        TrainingError: Naming the data set and the instruction.
    """
    mine = ours(collator.model)
    if mine is None or not masks_instructions(collator.model):
        return
    for found in prepared.sets:
        dataset = found.dataset()
        sample = [dataset[i] for i in range(min(_SAMPLE, len(dataset)))]
        columns, _ = collator.texts(sample, collator.batchings[found.key])
        for texts, prompts in columns.values():
            for prompt, text in {prompt: text for text, prompt in zip(texts, prompts, strict=True)}.items():
                if not prompt:
                    continue
                whole, alone, before = (
                    mine.tokenize_texts([one], first)[0]
                    for one, first in ((text, prompt), (text, ""), (prompt, ""))
                )
                # Tokens at the border are others than the text's own: half an instruction is no border.
                if sum(whole.content) > sum(alone.content) + max(2, len(before.ids) // 2):
                    raise TrainingError(
                        f"data set {found.name!r}: the tokens of the instruction {prompt!r} enter the "
                        "vector, though the model leaves instructions out"
                    )
