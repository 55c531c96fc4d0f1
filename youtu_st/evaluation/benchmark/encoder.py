"""The models that mteb is handed: any ``TextEncoder`` with the prompts of each task, and any reranker."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from youtu_st.errors import InputError, NonFiniteError
from youtu_st.evaluation.benchmark.vectors import VectorCache, key_of
from youtu_st.protocol import Role, TextEncoder, Vectors

if TYPE_CHECKING:
    from mteb.models.model_meta import ModelMeta

    from youtu_st.evaluation.benchmark.prompts import TaskPrompt, TaskPrompts

BLOCK = 2048
"""Texts that are encoded, and kept, together: what a killed run has to encode again at most."""

Blank = Callable[[Role, str], Vectors]
"""The vector, shape ``(1, dimension)``, of a text without a character, by its role and whole prompt."""


@dataclass
class Counts:
    """What a task's texts were to the model.

    Attributes:
        texts: Texts that a task asked for, each time it did.
        encoded: Different ones that went through the network.
        tokens: Tokens of these, prompts included.
        cut: Of these, longer than the model reads.
        blank: Texts without a character other than white space.
        prompts: By ``query``, ``document`` and ``both``: what stood before them, and where it is from.
    """

    texts: int = 0
    encoded: int = 0
    tokens: int = 0
    cut: int = 0
    blank: int = 0
    prompts: dict[str, dict[str, str]] = field(default_factory=dict)


class BenchmarkEncoder:
    """An encoder as mteb 2 wants one: every text has the prompt of its task and side, none is encoded twice.

    Args:
        encoder: Any encoder, an engine too.
        prompts: By task. An instruction goes through the encoder's own template.
        meta: What mteb files the results under.
        vectors: Where vectors are kept; None: nowhere.
        blank: The vector of a text that is blank, which an encoder refuses; None: such a task fails.
        show_progress: Show a bar for each block.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        prompts: Mapping[str, TaskPrompts],
        meta: ModelMeta,
        *,
        vectors: VectorCache | None = None,
        blank: Blank | None = None,
        show_progress: bool = False,
    ) -> None:
        self._encoder, self._prompts, self._meta = encoder, prompts, meta
        self._vectors, self._blank, self._show_progress = vectors, blank, show_progress
        self._task = ""
        self._warned: set[type[Warning]] = set()
        self.counts = Counts()

    @property
    def mteb_model_meta(self) -> ModelMeta:
        """What mteb files the results under."""
        return self._meta

    def encode(
        self,
        inputs: Any,
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,
        **kwargs: Any,
    ) -> Vectors:
        """Encode the texts of a task.

        Args:
            inputs: A loader of batches, dicts whose ``text`` is a list of str.
            task_metadata: The task.
            hf_split: Its split.
            hf_subset: Its subset.
            prompt_type: ``query`` or ``document``; None where the sides of the task are alike.
            **kwargs: What mteb passes on: the batches here are the encoder's own.

        Returns:
            Shape ``(texts, dimension)``, float32, unit rows.

        Raises:
            InputError: If a text is blank, and there is no vector for such.
            NonFiniteError: If a vector is not finite.
        """
        side = None if prompt_type is None else str(getattr(prompt_type, "value", prompt_type))
        if task_metadata.name != self._task:
            self._task, self._warned = task_metadata.name, set()
        told = self._prompts[task_metadata.name]
        prompt, role = told.of(side), told.role(side)
        self.counts.prompts[side or "both"] = _written(prompt)
        texts = [text for batch in inputs for text in batch["text"]]
        self.counts.texts += len(texts)
        unique = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        vectors = self._unique(list(unique), prompt, role)
        if not np.isfinite(vectors).all():
            raise NonFiniteError(f"{task_metadata.name}: a vector of the {side or 'both'} side is not finite")
        return vectors[[unique[text] for text in texts]]

    def prompts_told(self, task: str) -> dict[str, dict[str, str]]:
        """By side, what stands before the texts of a task, and where it is from."""
        told = self._prompts[task]
        return {side or "both": _written(told.of(side)) for side in told.sides}

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosine of each with each: shape ``(n, m)``."""
        import torch

        return torch.as_tensor(embeddings1) @ torch.as_tensor(embeddings2).T

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosine of each with its counterpart: shape ``(n,)``."""
        import torch

        return (torch.as_tensor(embeddings1) * torch.as_tensor(embeddings2)).sum(dim=-1)

    def _unique(self, texts: list[str], prompt: TaskPrompt, role: Role) -> Vectors:
        vectors = np.empty((len(texts), self._encoder.dimension), dtype=np.float32)
        there = np.zeros(len(texts), dtype=np.bool_)
        blank = np.array([not text or text.isspace() for text in texts], dtype=np.bool_)
        if blank.any():
            vectors[blank] = self._blank_vector(role, prompt.prompt, int(blank.sum()))
        keys = [key_of(role, prompt.prompt, text) for text in texts] if self._vectors is not None else []
        if self._vectors is not None:
            there, found = self._vectors.find(keys)
            vectors[there & ~blank] = found[there & ~blank]
        missing = [int(i) for i in np.flatnonzero(~there & ~blank)]
        # Without a letter or a digit there may be nothing that the model reads, as of a zero width space.
        for i in [i for i in missing if not any(map(str.isalnum, texts[i]))]:
            try:
                self._encoder.encode_document([texts[i]], instruction="")
            except InputError:
                vectors[i] = self._blank_vector(role, prompt.prompt, 1)
                missing.remove(i)
        # Like lengths together: a block is as fast as its longest texts.
        missing.sort(key=lambda i: len(texts[i]), reverse=True)
        for first in range(0, len(missing), BLOCK):
            block = missing[first : first + BLOCK]
            vectors[block] = self._encode([texts[i] for i in block], role, prompt.instruction)
            if self._vectors is not None:
                self._vectors.add([keys[i] for i in block], vectors[block])
        return vectors

    def _encode(self, texts: Sequence[str], role: Role, instruction: str | None) -> Vectors:
        encode = self._encoder.encode_query if role == "query" else self._encoder.encode_document
        before = totals_of(self._encoder)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            vectors = encode(texts, instruction=instruction, show_progress=self._show_progress)
        self._warn_once(caught)
        after = totals_of(self._encoder)
        self.counts.encoded += len(texts)
        self.counts.tokens += after["tokens"] - before["tokens"]
        self.counts.cut += after["cut_texts"] - before["cut_texts"]
        return vectors

    def _warn_once(self, caught: Sequence[warnings.WarningMessage]) -> None:
        """Of each kind of warning the first one of a task: every block of texts brings its own."""
        for entry in caught:
            if entry.category not in self._warned:
                self._warned.add(entry.category)
                warnings.warn_explicit(entry.message, entry.category, entry.filename, entry.lineno)

    def _blank_vector(self, role: Role, prompt: str, count: int) -> Vectors:
        if self._blank is None:
            raise InputError(
                f"{count} texts are blank, and {self._encoder.model_name} has no vector for such"
            )
        self.counts.blank += count
        return self._blank(role, prompt)


def _written(prompt: TaskPrompt) -> dict[str, str]:
    return {"prompt": prompt.prompt, "source": prompt.source}


def totals_of(encoder: object) -> Mapping[str, int]:
    """Tokens and cut texts that an encoder has counted so far; 0 for one that counts nothing."""
    totals = getattr(encoder, "totals", None)
    return {name: int(getattr(totals, name, 0)) for name in ("tokens", "cut_texts")}


class BenchmarkReranker:
    """A reranker as mteb 2 wants a cross-encoder: a score for each pair of query and document.

    Args:
        score: Scores of the documents at the same positions as their queries, by the task's instruction.
        instructions: By task: its instruction; None: the reranker's own.
        meta: What mteb files the results under.
    """

    def __init__(
        self,
        score: Callable[[Sequence[str], Sequence[str], str | None], Any],
        instructions: Mapping[str, str | None],
        meta: ModelMeta,
    ) -> None:
        self._score, self._instructions, self._meta = score, instructions, meta
        self.counts = Counts()

    @property
    def mteb_model_meta(self) -> ModelMeta:
        """What mteb files the results under."""
        return self._meta

    def predict(
        self,
        inputs1: Any,
        inputs2: Any,
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Score pairs.

        Args:
            inputs1: A loader of batches of queries.
            inputs2: A loader of batches of documents, as many.
            task_metadata: The task.
            hf_split: Its split.
            hf_subset: Its subset.
            prompt_type: Not used: a pair has both sides.
            **kwargs: What mteb passes on.

        Returns:
            Shape ``(pairs,)``, float32.

        Raises:
            NonFiniteError: If a score is not finite.
        """
        queries = [text for batch in inputs1 for text in batch["text"]]
        documents = [text for batch in inputs2 for text in batch["text"]]
        instruction = self._instructions[task_metadata.name]
        scores = np.asarray(self._score(queries, documents, instruction), dtype=np.float32)
        if not np.isfinite(scores).all():
            raise NonFiniteError(f"{task_metadata.name}: a score is not finite")
        self.counts.texts += len(queries)
        self.counts.encoded += len(queries)
        self.counts.prompts = self.prompts_told(task_metadata.name)
        return scores

    def prompts_told(self, task: str) -> dict[str, dict[str, str]]:
        """What a reranker is told of a task, and who says so."""
        told = self._instructions[task]
        return {"both": {"prompt": told or "", "source": "authors" if told else "model"}}
