"""The module that shows a language model a whole pair, and reads the two tokens it may answer with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from typing import Any

import torch
from torch import Tensor

from youtu_st.errors import InputError, ModelLoadError
from youtu_st.modules import prefix
from youtu_st.modules.pooling import last_tokens
from youtu_st.modules.readers import reader_for
from youtu_st.modules.tokenization import TokenizedText
from youtu_st.modules.transformer import SHARED_PREFIX, InstructionTransformer
from youtu_st.rerank.texts import PairTexts
from youtu_st.spec.reranker import Template

ANSWERS = "causal_logits"
"""The feature that ``LogitScore`` reads."""
FALSE, TRUE = 0, 1
"""Columns of that feature."""
TEMPLATE = [field.name for field in fields(Template)]


class RerankTransformer(InstructionTransformer):
    """A causal language model that is asked about a pair in its whole template, and never without it.

    The content of a row is its document; the instruction and the query stand before it. Of the network's
    last layer only the last token counts, and of the vocabulary two tokens, in float32 whatever the network's
    dtype.

    Args:
        model_name_or_path: A transformers checkpoint of a causal language model.
        true_token: The token that says that the document answers the query.
        false_token: The token that says that it does not.
        classifies: Whether the network has one score in place of the two tokens' logits, as
            ``ForSequenceClassification`` has: their difference, where it was made from a language model.
        **kwargs: The fields of a :class:`~youtu_st.spec.reranker.Template`; all else as for ``Transformer``.

    Raises:
        ModelLoadError: If the tokenizer does not know one of the two tokens.
    """

    config_keys: list[str] = [
        *InstructionTransformer.config_keys,
        *TEMPLATE,
        "true_token",
        "false_token",
        "classifies",
    ]

    def __init__(
        self,
        model_name_or_path: str,
        *,
        true_token: str,
        false_token: str,
        classifies: bool = False,
        **kwargs: Any,
    ) -> None:
        template = Template(**{name: kwargs.pop(name) for name in TEMPLATE})
        self._kept: tuple[Tensor, Tensor | None] | None = None
        task = "sequence-classification" if classifies else "text-generation"
        told = {"transformer_task": task, "attention": "causal", "padding_side": "left"}
        super().__init__(model_name_or_path, **{**kwargs, **told})
        for name, value in asdict(template).items():
            setattr(self, name, value)
        self.classifies = classifies
        self.true_token, self.false_token = true_token, false_token
        self.answer_ids = [_id_of(self.tokenizer, false_token), _id_of(self.tokenizer, true_token)]

    @property
    def whole_template(self) -> Template:
        """What is put around a pair."""
        return Template(**{name: getattr(self, name) for name in TEMPLATE})

    @property
    def _around_texts(self) -> str:
        return self.whole_template.written

    @property
    def texts(self) -> PairTexts:
        """What makes batches of pairs, as the module's attributes say now."""
        return PairTexts(template=self.whole_template, **self._about_texts())

    def heads(self, queries: Sequence[str], instructions: Sequence[str | None]) -> list[str]:
        """What stands before the documents of each query, see :meth:`PairTexts.heads`."""
        return self.texts.heads(queries, instructions)

    @property
    def template_tokens(self) -> int:
        """Tokens that stand before and after every pair."""
        return self.texts.template_tokens

    def tokenize_pairs(
        self, documents: Sequence[str], heads: Sequence[str], *, max_length: int | None = None
    ) -> list[TokenizedText]:
        """Tokenise each document after its head, see :meth:`PairTexts.tokenize_pairs`."""
        return self.texts.tokenize_pairs(documents, heads, max_length=max_length)

    def check_room(self, rows: Sequence[TokenizedText], name: Callable[[int], str]) -> None:
        """Raise where nothing of a document is left to judge, see :meth:`PairTexts.check_room`."""
        self.texts.check_room(rows, name)

    def preprocess(
        self,
        inputs: Sequence[Any],
        prompt: str | Sequence[str] | None = None,
        processing_kwargs: Any = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Tokenise and pad a batch of pairs: what ``CrossEncoder.predict`` and the trainer call.

        Args:
            inputs: ``(query, document)`` pairs of str.
            prompt: The instruction: for all pairs, or one per pair. None: the model's own.
            processing_kwargs: Not taken: what is put around a pair is the model's.
            **kwargs: ``max_length`` (the trainer's) shortens this call's documents.

        Raises:
            InputError: If an input is no pair of str, a document is left no room, or ``processing_kwargs``
                asks for something.
        """
        if not inputs:
            return {}
        if processing_kwargs:
            raise InputError(f"processing_kwargs are not taken here: {sorted(processing_kwargs)}")
        for position, pair in enumerate(inputs):
            if not isinstance(pair, (tuple, list)) or [type(part) for part in pair] != [str, str]:
                raise InputError(
                    f"input {position} must be a (query, document) pair of str, not {pair!r:.60}"
                )
        told = [prompt] * len(inputs) if prompt is None or isinstance(prompt, str) else prompt
        heads = self.heads([query for query, _ in inputs], told)
        rows = self.tokenize_pairs([d for _, d in inputs], heads, max_length=kwargs.get("max_length"))
        self.check_room(rows, "the document of input {}".format)
        return self.collate(rows)

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Add ``causal_logits``, float32, ``(batch, 1, 2)``: the logits of the false and the true token.

        Args:
            features: ``input_ids`` and ``attention_mask``, ``(batch, tokens)``. Not modified.
            **kwargs: Ignored.
        """
        ids, attended = features["input_ids"], features["attention_mask"]
        decoder: Any = self.model.base_model
        if SHARED_PREFIX in features and self._may_reuse(ids.device):
            last = prefix.last_states(decoder, ids, attended, features[SHARED_PREFIX])
        else:
            states = decoder(input_ids=ids, attention_mask=attended, use_cache=False, return_dict=True)
            last = last_tokens(states["last_hidden_state"], attended)
        return {**features, ANSWERS: self._answers(last).unsqueeze(1)}

    def keep_answers(self) -> None:
        """Hold on to the head's rows that count, and let go of the rest: of a copy that is made into a graph.

        Such a copy computes what it did, and is no network of its class any more.
        """
        weight, bias = self._head()
        self._kept = weight.detach().clone(), None if bias is None else bias.detach().clone()
        network: Any = self.model
        network.score = torch.nn.Identity()
        if not self.classifies:
            network.set_output_embeddings(torch.nn.Identity())

    def _head(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias of the head's rows that count, in float32."""
        network: Any = self.model
        if self.classifies:
            return network.score.weight.float(), None
        head = network.get_output_embeddings()
        bias = None if head.bias is None else head.bias[self.answer_ids].float()
        return head.weight[self.answer_ids].float(), bias

    def _answers(self, last: Tensor) -> Tensor:
        """The head's two rows that count, in float32: ``(batch, size)`` to ``(batch, 2)``."""
        weight, bias = self._kept or self._head()
        with torch.autocast(last.device.type, enabled=False):
            answers = torch.nn.functional.linear(last.float(), weight, bias)
        return torch.nn.functional.pad(answers, (1, 0)) if self.classifies else answers


def _id_of(tokenizer: Any, token: str) -> int:
    found = reader_for(tokenizer).id_of(token)
    if found is None:
        raise ModelLoadError(f"the tokenizer has no token {token!r}, which the model is to answer with")
    return found
