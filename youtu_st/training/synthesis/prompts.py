"""What a chat model is asked: prompts as data, in English and in Chinese, strict about names and types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from youtu_st.errors import InputError, SpecError, brief, did_you_mean
from youtu_st.protocol import canonical, digest
from youtu_st.spec.languages import script_of
from youtu_st.spec.registry import (
    Count,
    Declared,
    configs_directory,
    expanded,
    fields_of,
    is_yaml,
    names,
    validated,
)
from youtu_st.training.data.rows import Row, Task

Mode = Literal["paraphrase", "augment", "hard-negatives"]
Share = Annotated[float, Field(ge=0, le=1)]
Message = dict[str, str]
"""A ``role`` and its ``content``."""

TOO_LONG = "a text is longer than the prompts take"
BLANK = "there is no text beside the instance instruction"
SHAPE = '"texts"'
"""The key of an answer's list."""
_FOLDER = "synthesis"
_NUMBER = "{number}"
_MOST_DOCUMENTS = 3


def _complete(prompt: str) -> str:
    for part in (_NUMBER, SHAPE):
        if part not in prompt:
            raise ValueError(f"a prompt must say {part}, which its answer is held to")
    return prompt


Prompt = Annotated[str, AfterValidator(_complete)]


class InTwo(Declared):
    """A prompt in two languages; a text in Chinese characters is asked about in Chinese.

    Attributes:
        en: In English, for every other text: it asks for the text's own language.
        zh: In Chinese.
    """

    en: Prompt
    zh: Prompt


class Synthesis(Declared):
    """What is asked for, and what is kept of it.

    Attributes:
        name: Its own.
        mode: ``paraphrase``: rows with another query. ``augment``: more positives. ``hard-negatives``: more
            negatives.
        number: Texts that are asked for of a row.
        tries: Answers that are asked for at most, until one has the right shape.
        longest: Characters of a text; a longer document is quoted up to there, a longer query is left alone.
        near: A cosine above which two texts are one.
        lowest: Of a paraphrase, its cosine with the source at least; of a text of a class, its cosine with
            the nearest of the class; of a positive, its score at least, as a share of the lowest positive's.
        max_relative: Of a hard negative, its score at most, as a share of the lowest positive's.
        prompts: By task. Rows of other tasks are left as they are.
    """

    name: str
    mode: Mode
    number: Count = 2
    tries: Count = 3
    longest: Count = 4000
    near: Share = 0.985
    lowest: Share = 0.7
    max_relative: Share = 0.95
    prompts: dict[Task, InTwo]

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits over all that decides what is asked."""
        asked = self.model_dump(include={"mode", "number", "longest", "prompts"})
        return digest(canonical(asked).encode())


def load_synthesis(name: str | Path) -> Synthesis:
    """What a mode asks for, by its name or from a ``.yaml`` file.

    Raises:
        InputError: If nothing goes by that name.
        SpecError: If a field is wrong, missing or unknown.
    """
    known = names(_FOLDER)
    if not is_yaml(name) and str(name) not in known:
        raise InputError(
            f"unknown mode {brief(str(name))}: {did_you_mean(name, known)}known: {', '.join(known)}, or a "
            ".yaml file"
        )
    path = expanded(name) if is_yaml(name) else configs_directory() / _FOLDER / f"{name}.yaml"
    try:
        fields = fields_of(path)
    except OSError as error:
        raise SpecError(f"{path}: cannot read the prompts: {error.strerror or error}") from error
    return validated(Synthesis, fields, path if is_yaml(name) else f"mode {name}")


def left_alone(synthesis: Synthesis, row: Row) -> str | None:
    """Why a row of a task that has a prompt is not asked about. None: it is."""
    if not row.query.text.strip():
        return BLANK
    return TOO_LONG if len(row.query.text) > synthesis.longest else None


def messages(synthesis: Synthesis, row: Row, refused: str = "") -> list[Message]:
    """What is asked about a row: the task first, then the row's texts as JSON, which no text can leave.

    Args:
        synthesis: What is asked for.
        row: A row of a task that has a prompt.
        refused: Why the last answer was refused, if there was one.
    """
    prompt = synthesis.prompts[row.task]
    system = prompt.zh if script_of(row.query.text) == "Han" else prompt.en
    data = json.dumps(_data(synthesis, row), ensure_ascii=False)
    if refused:
        data += f"\n\n(The last answer was refused: {refused}.)"
    return [
        {"role": "system", "content": system.replace(_NUMBER, str(synthesis.number))},
        {"role": "user", "content": data},
    ]


def _data(synthesis: Synthesis, row: Row) -> dict[str, Any]:
    """The texts that are quoted, by what they are."""

    def quoted(texts: tuple[Any, ...]) -> list[str]:
        return [text.content[: synthesis.longest] for text in texts[:_MOST_DOCUMENTS]]

    said: dict[str, Any] = {"task": row.query.instruction, "class": row.label}
    if synthesis.mode == "paraphrase":
        said["query" if row.task == "ir" else "text"] = row.query.text
    elif row.task == "cls":
        said["texts of the class"] = [row.query.text, *quoted(row.positives)]
        said["texts of other classes"] = quoted(row.negatives)
    else:
        said |= {"query": row.query.content, "documents that answer it": quoted(row.positives)}
        said["documents that do not"] = quoted(row.negatives)
    return {name: value for name, value in said.items() if value}
