"""The module that shows a language model a whole pair, and reads the two tokens it may answer with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from youtu_st.errors import InputError, ModelLoadError
from youtu_st.modules import prefix, tokenization
from youtu_st.modules.pooling import last_tokens
from youtu_st.modules.tokenization import TokenizedText
from youtu_st.modules.transformer import SHARED_PREFIX, InstructionTransformer
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
        return "".join([self.prefix, self.body, self.suffix])

    def heads(self, queries: Sequence[str], instructions: Sequence[str | None]) -> list[str]:
        """What stands before the documents of each query: the template up to them.

        Special tokens of the template and of an instruction stay what they are, whatever
        ``split_special_tokens`` says of those of a query.

        Args:
            queries: What documents are to answer.
            instructions: A task description for each; None: the model's own.

        Raises:
            InputError: As for :meth:`Template.head`.
        """
        template = self.whole_template
        body, own = self.marked([template.body, template.instruction or ""])
        template = replace(template, body=body, instruction=None if template.instruction is None else own)
        told = self.marked([instruction or "" for instruction in instructions])
        return [
            template.head(query, None if instruction is None else marked)
            for query, instruction, marked in zip(queries, instructions, told, strict=True)
        ]

    @cached_property
    def _around(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Ids of what stands before and after every pair."""
        tokenizer: Any = self.tokenizer
        before, after = tokenizer([self.prefix, self.suffix], add_special_tokens=False)["input_ids"]
        return np.array(before, dtype=np.int32), np.array(after, dtype=np.int32)

    @property
    def template_tokens(self) -> int:
        """Tokens that stand before and after every pair."""
        return sum(map(len, self._around))

    def tokenize_pairs(
        self, documents: Sequence[str], heads: Sequence[str], *, max_length: int | None = None
    ) -> list[TokenizedText]:
        """Tokenise each document after its head, and cut its end where the whole is too long.

        Args:
            documents: What is judged.
            heads: For each document, the template up to it, of :meth:`heads`.
            max_length: Tokens to keep, prefix and suffix included; None: the model's maximum.

        Returns:
            One row for each document, whose content is the document's tokens: none, where its head left no
            room for any. A token that reaches from the head into the document is the document's.
        """
        limit = max_length or self.max_seq_length
        before, after = self._around
        room = max(limit - self.template_tokens, 1) if limit else None
        return [
            replace(
                row,
                ids=np.concatenate([before, row.ids, after]),
                content=np.pad(row.content, (len(before), len(after))),
                type_ids=None,
                full_length=row.full_length + self.template_tokens,
            )
            for row in self._tokenized(documents, heads, room)
        ]

    def check_room(self, rows: Sequence[TokenizedText], name: Callable[[int], str]) -> None:
        """Raise where nothing of a document is left to judge.

        Args:
            rows: Of :meth:`tokenize_pairs`.
            name: What to call each of them.

        Raises:
            InputError: Naming the first such document, and how many tokens stand before it.
        """
        for i, row in enumerate(rows):
            if row.is_blank:
                raise InputError(f"{name(i)} is nothing to this model: it has no tokens of its own")
            if not row.content.any():
                taken = tokenization.count(self.reader, row.prompt) + self.template_tokens
                raise InputError(
                    f"{name(i)} has no room: the template with its query and instruction takes "
                    f"{taken} tokens, and the model reads {self.max_seq_length}. Shorten the query, or raise "
                    "max_length"
                )

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

    def _answers(self, last: Tensor) -> Tensor:
        """The head's two rows that count, in float32: ``(batch, size)`` to ``(batch, 2)``."""
        network: Any = self.model
        if self.classifies:
            with torch.autocast(last.device.type, enabled=False):
                score = torch.nn.functional.linear(last.float(), network.score.weight.float())
            return torch.nn.functional.pad(score, (1, 0))
        head = network.get_output_embeddings()
        bias = None if head.bias is None else head.bias[self.answer_ids].float()
        with torch.autocast(last.device.type, enabled=False):
            return torch.nn.functional.linear(last.float(), head.weight[self.answer_ids].float(), bias)


def _id_of(tokenizer: Any, token: str) -> int:
    found = tokenizer.convert_tokens_to_ids(token)
    if found is None or (found == tokenizer.unk_token_id and token != tokenizer.unk_token):
        raise ModelLoadError(f"the tokenizer has no token {token!r}, which the model is to answer with")
    return int(found)
