"""ModelSpec: what is known about a model, as data. The one place that knows prompts, pooling and padding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from youtu_st.spec.registry import Declared, Published, Registry

Attention = Literal["causal", "bidirectional"]
Pooling = Literal["masked_mean", "mean", "last_token"]
Boundary = Literal["offsets", "token_count"]
SpecialTokens = Literal["include", "exclude"]
PaddingSide = Literal["left", "right"]

PLACEHOLDER = "{instruction}"


class Prompts(Declared):
    """What is put before a text, to the letter.

    Attributes:
        query: Before every query.
        document: Before every document.
    """

    query: str
    document: str


class Example(Declared):
    """Published similarities, to check a checkpoint against.

    Attributes:
        source: Where the figures were published.
        queries: Encoded as queries.
        documents: Encoded as documents.
        scores: Cosine of each query (row) with each document (column).
        tolerance: Largest difference that still counts as equal.
    """

    source: str
    queries: tuple[str, ...]
    documents: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...]
    tolerance: Annotated[float, Field(gt=0)] = 0.002

    @model_validator(mode="after")
    def _shape(self) -> Example:
        if [len(row) for row in self.scores] != [len(self.documents)] * len(self.queries):
            raise ValueError(
                f"scores must have {len(self.queries)} rows (queries) of {len(self.documents)} (documents)"
            )
        return self


class Figure(Declared):
    """A published score on a public data set.

    Attributes:
        task: The data set: ``stsbenchmark``, its test part.
        metric: ``cosine_spearman``: Spearman's correlation of cosines with people's scores.
        value: The score.
        tolerance: Largest difference that still counts as equal.
        source: Where it was published.
    """

    task: Literal["stsbenchmark"]
    metric: Literal["cosine_spearman"]
    value: float
    tolerance: Annotated[float, Field(gt=0)]
    source: str


class ModelSpec(Published):
    """What one model needs to give the vectors its authors meant.

    Attributes:
        dimension: Length of a full vector.
        max_length: Tokens the network may see, prompt and special tokens included.
        attention: ``causal`` or ``bidirectional``; checked when a checkpoint is loaded.
        pooling: ``masked_mean`` (content tokens), ``mean`` (all attended tokens) or ``last_token``.
        boundary: Where the instruction ends: ``offsets`` or ``token_count`` (see ``docs/mask.md``).
        special_tokens: Whether tokens that the tokenizer adds count as content under ``offsets``.
        bos: Whether the tokenizer puts a token before the text; checked when a checkpoint is loaded. None:
            not known.
        eos: Whether it puts one after the text, likewise.
        padding_side: Side that short rows of a batch are padded on.
        prompts: What is put before queries and documents.
        template: Turns a task description into a prompt; contains ``{instruction}``. None: the model
            takes no instructions.
        templates: Other templates that the authors have published, by where they use them.
        normalize: Whether vectors are scaled to unit length.
        matryoshka_dimensions: Shorter lengths that the model was trained for, beside ``dimension``.
        matryoshka_from: The shortest of them, where every length from there on is one; no list then.
        sha256: Digest of ``model.safetensors``; other bytes are an error.
        examples: Published similarities.
        figures: Published scores on data sets.
    """

    dimension: Annotated[int, Field(gt=0)]
    max_length: Annotated[int, Field(gt=0)]
    attention: Attention
    pooling: Pooling
    boundary: Boundary = "offsets"
    special_tokens: SpecialTokens = "exclude"
    bos: bool | None = None
    eos: bool | None = None
    padding_side: PaddingSide = "right"
    prompts: Prompts
    template: str | None = None
    templates: dict[str, str] = {}
    normalize: bool = True
    matryoshka_dimensions: tuple[Annotated[int, Field(gt=0)], ...] = ()
    matryoshka_from: Annotated[int, Field(gt=0)] | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    examples: tuple[Example, ...] = ()
    figures: tuple[Figure, ...] = ()

    @field_validator("template")
    @classmethod
    def _one_placeholder(cls, template: str | None) -> str | None:
        if template is not None and template.count(PLACEHOLDER) != 1:
            raise ValueError(f"must contain {PLACEHOLDER} exactly once")
        return template

    @field_validator("templates")
    @classmethod
    def _each_with_a_placeholder(cls, templates: dict[str, str]) -> dict[str, str]:
        for name, template in templates.items():
            if template.count(PLACEHOLDER) != 1:
                raise ValueError(f"{name!r} must contain {PLACEHOLDER} exactly once")
        return templates

    @field_validator("matryoshka_dimensions")
    @classmethod
    def _ascending(cls, dimensions: tuple[int, ...]) -> tuple[int, ...]:
        if list(dimensions) != sorted(set(dimensions)):
            raise ValueError("must be ascending, without repeats")
        return dimensions

    @model_validator(mode="after")
    def _shorter_than_full(self) -> ModelSpec:
        if self.matryoshka_dimensions and self.matryoshka_dimensions[-1] > self.dimension:
            raise ValueError(f"matryoshka_dimensions must not exceed dimension ({self.dimension})")
        if self.matryoshka_from is not None:
            if self.matryoshka_dimensions:
                raise ValueError("give matryoshka_dimensions or matryoshka_from, not both")
            if self.matryoshka_from > self.dimension:
                raise ValueError(f"matryoshka_from must not exceed dimension ({self.dimension})")
        return self

    @property
    def lengths(self) -> Sequence[int]:
        """Lengths that a vector may have, ascending: a range, or a list."""
        return lengths(self.dimension, self.matryoshka_dimensions, self.matryoshka_from)


def lengths(full: int, listed: Sequence[int] = (), start: int | None = None) -> Sequence[int]:
    """Lengths that a vector may have, ascending.

    Args:
        full: Length of a whole vector.
        listed: Shorter lengths, see ``matryoshka_dimensions``.
        start: Shortest length of a range, see ``matryoshka_from``.
    """
    return sorted({*listed, full}) if start is None else range(start, full + 1)


def fill(template: str, instruction: str) -> str:
    """Put a task description into a template. Braces in the description stay as they are."""
    return template.replace(PLACEHOLDER, instruction)


MODELS = Registry("models", ModelSpec, "model", "sentence-transformers")
"""The embedding models that go by a name."""


def known_models() -> list[str]:
    """Names of the shipped specs, sorted."""
    return MODELS.names()


def load_spec(model: str | Path) -> ModelSpec:
    """Read a spec by its name, or from a user's own YAML file.

    Args:
        model: A name that :func:`known_models` lists, or the path of a ``.yaml`` or ``.yml`` file.

    Raises:
        SpecError: If the file cannot be read, or a field is wrong, missing or unknown.
        UnknownModelError: If no shipped spec has that name.
    """
    return MODELS.load(model)
