"""Whether the model takes the instructions of its rows: all of them, before the first step."""

from __future__ import annotations

from typing import Any

from youtu_st.errors import InputError
from youtu_st.modules.settings import prompts_for
from youtu_st.training.collator import TaskCollator
from youtu_st.training.preparing import Prepared

_COLUMNS = {
    "ir": ("instruction",),
    "sts": ("instruction", "second_instruction"),
    "cls": ("instruction", "positive_instructions", "negative_instructions"),
}
"""Columns with the instructions that a task uses."""


def check_instructions(collator: TaskCollator, prepared: Prepared) -> None:
    """Raise for an instruction that the model does not take, wherever it is.

    Raises:
        InputError: Naming the file and the line.
    """
    for found in prepared.sets:
        if not collator.batchings[found.key].instructions:
            continue
        dataset = found.dataset()
        for name in _COLUMNS[found.task]:
            several = name.endswith("s")
            for instruction in _different(dataset, name, several=several):
                try:
                    prompts_for(collator.model, "query", instruction, 1)
                except InputError as error:
                    rows = zip(dataset["row"], dataset[name], strict=True)
                    line = next(
                        row for row, of in rows if (instruction in of if several else instruction == of)
                    )
                    raise InputError(
                        f"{found.source}, line {line}: {error} (instructions=drop trains without any)"
                    ) from error


def _different(dataset: Any, name: str, *, several: bool) -> list[str]:
    """Each instruction of a column once."""
    values = dataset.data.column(name).combine_chunks()
    unique: list[str] = (values.flatten() if several else values).unique().to_pylist()
    return [instruction for instruction in unique if instruction]
