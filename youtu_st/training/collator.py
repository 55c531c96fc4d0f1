"""Rows of one data set to a batch: which texts, under which prompts, tokenised and masked as in inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from youtu_st.errors import InputError
from youtu_st.modules.pooling import InstructionMaskedPooling
from youtu_st.modules.settings import declared_pooling, ours, prompts_for
from youtu_st.spec.prompts import ROLES
from youtu_st.training.data.rows import Task
from youtu_st.training.data.store import key
from youtu_st.training.objectives import contrastive, distillation, objective, similarity
from youtu_st.training.sampling.plan import draw
from youtu_st.training.sampling.sampler import Clock

NAME = "dataset_name"
"""The host's own column: which data set a row is of."""
QUERY, CANDIDATES, FIRST, SECOND = "query", "candidates", "first", "second"
"""Names of columns, as the host's trainer takes them apart: ``query_input_ids``, ..."""


@dataclass(frozen=True)
class Batching:
    """How rows of one data set become a batch.

    Attributes:
        task: What they are.
        positives: How many a row are drawn; of ``sts`` none.
        negatives: Likewise.
        taught: Whether a teacher's scores go with them.
        scale: Lowest and highest score of a pair, which become 0 and 1.
        instructions: Whether task instructions are used.
    """

    task: Task
    positives: int = 1
    negatives: int = 0
    taught: bool = False
    scale: tuple[float, float] = (0.0, 1.0)
    instructions: bool = True


@dataclass
class TaskCollator:
    """Makes the trainer's batches. Which texts of a row are drawn depends on seed, epoch and row alone.

    A text gets the prompt that ``encode_query`` or ``encode_document`` puts before it, and its mask: one
    definition, the model's own. Instructions stand before queries; of ``sts`` and ``cls``, whose sides are
    alike, before both.

    Args:
        model: The model that is trained.
        batchings: By the keys of the data sets.
        clock: Says which epoch it is.
        seed: Of the run.
        max_length: Tokens of a text, its prompt included. None: the model's maximum.
    """

    model: SentenceTransformer
    batchings: Mapping[str, Batching]
    clock: Clock = field(default_factory=Clock)
    seed: int = 0
    max_length: int | None = None
    # The host looks here for columns that are labels: what we return is a batch already.
    valid_label_columns: list[str] = field(default_factory=list)
    _prompts: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        """A batch: tokens by column, ``dataset_name``, and everything else under ``label``.

        Raises:
            InputError: If rows of several data sets come together, or the model takes no instructions and a
                row has one.
        """
        names = {row[NAME] for row in features}
        if len(names) != 1:
            raise InputError(f"a batch is of one data set, and this one of {', '.join(sorted(names))}")
        (name,) = names
        batching = self.batchings[name]
        texts, labels = self.texts(features, batching)
        batch: dict[str, Any] = {NAME: name, "label": labels}
        for column, (contents, prompts) in texts.items():
            for what, value in self.tokenized(contents, prompts).items():
                batch[f"{column}_{what}"] = value
        return batch

    def texts(
        self, rows: Sequence[Mapping[str, Any]], batching: Batching
    ) -> tuple[dict[str, tuple[list[str], list[str]]], dict[str, Tensor]]:
        """For each column the texts and their prompts; and the labels."""
        pairs = batching.task == "sts"
        columns, labels = self._pairs(rows, batching) if pairs else self._groups(rows, batching)
        labels[objective.ROWS] = torch.tensor([row["row"] for row in rows])
        return columns, labels

    def _pairs(self, rows: Sequence[Mapping[str, Any]], batching: Batching) -> Any:
        columns = {}
        for column, instruction in ((FIRST, "instruction"), (SECOND, "second_instruction")):
            # Without an instruction two sides that are alike are both documents, as in evaluation.
            columns[column] = (
                [row[column] for row in rows],
                [self._prompt("document", row[instruction], batching) for row in rows],
            )
        low, high = batching.scale
        labels = {
            similarity.SCORES: torch.tensor([(row["score"] - low) / (high - low) for row in rows]),
            similarity.PAIR_KEYS: torch.tensor([row["pair_keys"] for row in rows]),
        }
        return columns, labels

    def _groups(self, rows: Sequence[Mapping[str, Any]], batching: Batching) -> Any:
        group = _Group()
        for row in rows:
            numbers = {"seed": self.seed, "epoch": self.clock.epoch, "row": row["row"]}
            for kind, (side, wanted) in enumerate(
                (("positive", batching.positives), ("negative", batching.negatives))
            ):
                texts = row[f"{side}s"]
                for i in draw(len(texts), wanted, **numbers, kind=kind):
                    self._add(group, row, side, i, batching)
        wanted = batching.positives + batching.negatives
        width = max(len(row["known"]) for row in rows)
        labels = {
            contrastive.CANDIDATES: torch.tensor(group.numbers).view(-1, wanted),
            contrastive.CANDIDATE_KEYS: torch.tensor(group.keys).view(-1, wanted),
            contrastive.QUERY_KEYS: torch.tensor([row["query_key"] for row in rows]),
            contrastive.KNOWN: torch.tensor(
                [row["known"] + [row["query_key"]] * (width - len(row["known"])) for row in rows]
            ),
            contrastive.POSITIVES: torch.tensor(batching.positives),
        }
        if batching.task == "cls":
            labels[contrastive.CLASSES] = torch.tensor([row["class"] for row in rows])
            labels[contrastive.CANDIDATE_CLASSES] = torch.tensor(group.classes).view(-1, wanted)
        if batching.taught:
            labels[distillation.TEACHER_SCORES] = torch.tensor(group.scores).view(-1, wanted)
        queries = [row["query"] for row in rows]
        prompts = [self._prompt("query", row["instruction"], batching) for row in rows]
        candidates = [content for content, _ in group.texts]
        return {
            QUERY: (queries, prompts),
            CANDIDATES: (candidates, [prompt for _, prompt in group.texts]),
        }, labels

    def _add(
        self, group: _Group, row: Mapping[str, Any], side: str, position: int, batching: Batching
    ) -> None:
        if position < 0:  # there is none
            group.add(-1, 0, 0, 0.0)
            return
        content = row[f"{side}s"][position]
        instruction = ""
        if batching.task == "cls":
            instruction = row[f"{side}_instructions"][position] or row["instruction"]
        number = group.texts.setdefault(
            (content, self._prompt("document", instruction, batching)), len(group.texts)
        )
        known = row["class"] if side == "positive" else row["negative_classes"][position]
        score = row[f"{side}_scores"][position] if batching.taught else 0.0
        group.add(number, key(content), known, score)

    def _prompt(self, role: str, instruction: str, batching: Batching) -> str:
        instruction = instruction if batching.instructions else ""
        wanted = role, instruction
        if wanted not in self._prompts:
            # A task description goes through the template; without one, the role's own prompt.
            given = instruction or None
            (self._prompts[wanted],) = prompts_for(self.model, role if given is None else ROLES[0], given, 1)
        return self._prompts[wanted]

    def tokenized(self, texts: list[str], prompts: list[str]) -> dict[str, Any]:
        """Tokens and mask of texts, as the model's own ``preprocess`` gives them."""
        if ours(self.model) is not None:
            further = {} if self.max_length is None else {"max_length": self.max_length}
            made: dict[str, Any] = self.model.preprocess(texts, prompt=prompts, **further)  # type: ignore[arg-type]
            return made
        options: Any = None if self.max_length is None else {"text": {"max_length": self.max_length}}
        prompt: str | None = prompts[0] or None
        if len(set(prompts)) > 1:
            # The host's own modules know one prompt a batch; where it counts like the text, it is text.
            if not _counts_prompts(self.model):
                raise InputError(
                    "the model's pooling leaves prompts out, and takes one a batch: a data set must have one "
                    "instruction, or the model be converted: youtu-st convert"
                )
            texts, prompt = [before + text for before, text in zip(prompts, texts, strict=True)], None
        of_host: dict[str, Any] = self.model.preprocess(texts, prompt=prompt, processing_kwargs=options)
        return of_host


@dataclass
class _Group:
    """The candidates of a batch: each text once, and what is known of each place."""

    texts: dict[tuple[str, str], int] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    def add(self, number: int, text_key: int, known_class: int, score: float) -> None:
        self.numbers.append(number)
        self.keys.append(text_key)
        self.classes.append(known_class)
        self.scores.append(score)


def _counts_prompts(model: SentenceTransformer) -> bool:
    return declared_pooling(model) != "masked_mean"


def masks_instructions(model: SentenceTransformer) -> bool:
    """Whether a model's pooling leaves instructions out."""
    return any(
        isinstance(module, InstructionMaskedPooling) and module.pooling == "masked_mean" for module in model
    )
