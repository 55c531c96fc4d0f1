"""What was exported of a reranker: a directory that says what it is, and is checked before it is opened."""

from __future__ import annotations

from typing import ClassVar, Literal

from youtu_st.loading.manifest import Manifest
from youtu_st.spec.model import ModuleSettings
from youtu_st.spec.registry import Count, Declared


class PairTemplate(Declared):
    """A :class:`~youtu_st.spec.reranker.Template`, and the tokens that a model answers with.

    Attributes:
        prefix: Before the pair; tokenised alone.
        body: The pair, with ``{instruction}``, ``{query}`` and ``{document}``.
        suffix: After the pair; tokenised alone.
        instruction: The model's own task description; None for a model that takes none.
        true_token: The token whose probability is the score.
        false_token: The token it is weighed against.
    """

    prefix: str
    body: str
    suffix: str
    instruction: str | None
    true_token: str
    false_token: str


class RerankerManifest(Manifest):
    """What a reranker's graph is: all that stands between a pair and its score, but for the network itself.

    Attributes:
        kind: Tells it from an encoder's.
        context: Tokens that ``max_length`` may be raised to; None: to any number.
        settings: What a module of this package's own says of itself; None: pairs are read as
            sentence-transformers reads them.
        template: What is put around a pair; None: nothing but what the tokenizer adds.
        prompt: What stands before every query, where there is no template.
        activation: What makes a score of the network's number; it is part of the graph.
        moved: How far the scores of the probe pairs are from the model's own before the activation, as a
            share of the distance between the best and the worst.
    """

    what: ClassVar[str] = "reranker"

    kind: Literal["reranker"] = "reranker"
    context: Count | None
    settings: ModuleSettings | None
    template: PairTemplate | None
    prompt: str
    activation: str
    moved: float
