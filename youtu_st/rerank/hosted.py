"""A ``CrossEncoder`` as a pipeline takes it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from sentence_transformers import CrossEncoder

from youtu_st.inference.hosted import HostedModel
from youtu_st.modules import fingerprint
from youtu_st.rerank.pairs import PairPreprocessor
from youtu_st.rerank.stock import pair_preprocessor_for
from youtu_st.rerank.transformer import RerankTransformer
from youtu_st.spec.reranker import Template


class HostedReranker(HostedModel):
    """A ``CrossEncoder`` with one score for each pair."""

    model: CrossEncoder

    @cached_property
    def preprocessor(self) -> PairPreprocessor:
        """The one that fits the model's first module."""
        return pair_preprocessor_for(self.model)

    @property
    def takes_instructions(self) -> bool:
        """Whether the model's template has a place for a task description."""
        template = self._template
        return template is not None and template.instruction is not None

    @property
    def identity(self) -> dict[str, str]:
        """The named parts that decide what a score means."""
        model: Any = self.model
        return {
            "weights": fingerprint.weights_digest(model),
            "tokenizer": fingerprint.tokenizer_digest(model),
            "template": repr(self._template or getattr(model.tokenizer, "chat_template", None)),
            "activation": type(model.activation_fn).__name__,
            "max_length": str(self.max_length),
            **fingerprint.split_identity(model),
        }

    @property
    def _template(self) -> Template | None:
        first = self.model[0]
        return first.whole_template if isinstance(first, RerankTransformer) else None
