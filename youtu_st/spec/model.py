"""ModelSpec: what is known about a model, as data. The one place that knows prompts, pooling and padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PositiveFloat, model_validator

from youtu_st.spec.prompts import PLACEHOLDER
from youtu_st.spec.registry import Count, Declared, Published, Registry

Attention = Literal["causal", "bidirectional"]
Pooling = Literal["masked_mean", "mean", "last_token", "cls"]
Boundary = Literal["offsets", "token_count", "prompt_length"]
SpecialTokens = Literal["include", "exclude"]
PaddingSide = Literal["left", "right"]
Shorter = tuple[int, ...] | dict[str, int]
"""Lengths below the whole: a list, or ``{"from": N}`` for every length from ``N`` on."""
FORMER = "matryoshka_from"
"""What earlier releases call ``{"from": N}``, in files and in saved models."""


class Prompts(Declared):
    """What is put before a text, to the letter.

    Attributes:
        query: Before every query.
        document: Before every document.
    """

    query: str
    document: str

    def of(self, role: str) -> str:
        """The prompt before a ``query`` or a ``document``."""
        return self.query if role == "query" else self.document


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
    tolerance: PositiveFloat = 0.002

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
    tolerance: PositiveFloat
    source: str


def _with_placeholder(template: str) -> str:
    if template.count(PLACEHOLDER) != 1:
        raise ValueError(f"must contain {PLACEHOLDER} exactly once")
    return template


Template = Annotated[str, AfterValidator(_with_placeholder)]


def _shorter(value: Any) -> Shorter:
    is_range = isinstance(value, Mapping) and list(value) == ["from"]
    listed: Sequence[Any] = list(value.values()) if is_range else value
    good = isinstance(listed, (list, tuple)) and all(type(n) is int and n > 0 for n in listed)
    if not good or list(listed) != sorted(set(listed)):
        raise ValueError("must be ascending lengths of at least 1, such as [64, 128], or {from: 64}")
    return {"from": listed[0]} if is_range else tuple(listed)


class MaskRule(Declared):
    """What decides which tokens count and what they see: part ``mask`` of a fingerprint, field by field.

    Attributes:
        boundary: Where the instruction ends: ``offsets``, ``token_count`` or ``prompt_length`` (see
            ``docs/mask.md``).
        special_tokens: Whether tokens that the tokenizer adds count as content under ``offsets``.
        attention: ``causal`` or ``bidirectional``. None: as the checkpoint has it.
    """

    boundary: Boundary = "offsets"
    special_tokens: SpecialTokens = "exclude"
    attention: Attention | None = None


class ModuleSettings(MaskRule):
    """What a model's transformer module carries, and saves: the one list of it.

    Attributes:
        padding_side: Side that short rows of a batch are padded on. None: as the tokenizer has it.
        template: Turns a task description into a prompt; contains ``{instruction}``. None: the model
            takes no instructions.
        matryoshka_dimensions: Shorter lengths that the model was trained for, ascending; or ``{from: N}``:
            every length from ``N`` on.
        split_special_tokens: Whether special tokens that stand in a text are read as characters; those of a
            prompt, and those that the tokenizer adds, stay what they are.
    """

    padding_side: PaddingSide | None = None
    template: Template | None = None
    matryoshka_dimensions: Annotated[Shorter, BeforeValidator(_shorter)] = ()
    split_special_tokens: bool = False

    @model_validator(mode="before")
    @classmethod
    def _modern(cls, fields: Any) -> Any:
        if not isinstance(fields, Mapping) or FORMER not in fields:
            return fields
        rest = {name: value for name, value in fields.items() if name != FORMER}
        if fields[FORMER] is None:
            return rest
        if rest.get("matryoshka_dimensions"):
            raise ValueError(f"give matryoshka_dimensions or {FORMER}, not both")
        return {**rest, "matryoshka_dimensions": {"from": fields[FORMER]}}


class ModelSpec(ModuleSettings, Published):
    """What one model needs to give the vectors its authors meant: beside what its module carries, this.

    Attributes:
        dimension: Length of a full vector.
        max_length: Tokens the network may see, prompt and special tokens included.
        attention: Checked when a checkpoint is loaded.
        pooling: ``masked_mean`` (content tokens), ``mean`` (all attended tokens), ``last_token`` or
            ``cls`` (the first).
        bos: Whether the tokenizer puts a token before the text; checked when a checkpoint is loaded. None:
            not known.
        eos: Whether it puts one after the text, likewise.
        prompts: What is put before queries and documents.
        templates: Other templates that the authors have published, by where they use them.
        normalize: Whether vectors are scaled to unit length.
        sha256: Digest of ``model.safetensors``; other bytes are an error.
        examples: Published similarities.
        figures: Published scores on data sets.
    """

    dimension: Count
    max_length: Count
    attention: Attention
    pooling: Pooling
    bos: bool | None = None
    eos: bool | None = None
    padding_side: PaddingSide = "right"
    prompts: Prompts
    templates: dict[str, Template] = {}
    normalize: bool = True
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    examples: tuple[Example, ...] = ()
    figures: tuple[Figure, ...] = ()

    @model_validator(mode="after")
    def _shorter_than_full(self) -> ModelSpec:
        shorter = self.matryoshka_dimensions
        if max(shorter.values() if isinstance(shorter, dict) else shorter, default=0) > self.dimension:
            raise ValueError(f"matryoshka_dimensions must not exceed dimension ({self.dimension})")
        return self

    @property
    def lengths(self) -> Sequence[int]:
        """Lengths that a vector may have, ascending: a range, or a list."""
        return lengths(self.dimension, self.matryoshka_dimensions)


def lengths(full: int, shorter: Shorter = ()) -> Sequence[int]:
    """Lengths that a vector may have, ascending.

    Args:
        full: Length of a whole vector.
        shorter: Those below it, as ``matryoshka_dimensions`` has them.
    """
    if isinstance(shorter, dict):
        return range(shorter["from"], full + 1)
    return [*(length for length in shorter if length < full), full]


MODELS = Registry("models", ModelSpec, "model", "sentence-transformers")
"""The embedding models that go by a name."""

known_models = MODELS.names
"""Names of the shipped specs, sorted."""
load_spec = MODELS.load
"""Reads a spec by one of these names, or from a user's own YAML file."""
