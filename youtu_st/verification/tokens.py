"""One text, token by token: what the network gives for each, and which of them enter the vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device

from youtu_st.inference.preprocess import preprocessor_for
from youtu_st.modules import tokenization
from youtu_st.modules.mask import Mask
from youtu_st.modules.tokenization import TokenizedText
from youtu_st.probes import DOCUMENTS, QUERIES
from youtu_st.spec.model import MaskRule, ModelSpec, Pooling
from youtu_st.verification.subject import Expected

RULES: tuple[str, ...] = (*get_args(Pooling), "max")
"""The poolings that are told apart."""
BY_ROLE = (("query", QUERIES), ("document", DOCUMENTS))

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TokenStates:
    """A text on its way through a model, alone and without padding.

    Attributes:
        ids: Token ids.
        states: What the network gives for each token, shape ``(tokens, dimension)``.
        vector: What the pooling module makes of them, shape ``(dimension,)``, not scaled.
        entered: True where changing a token's state changes the vector, shape ``(tokens,)``.
    """

    ids: tuple[int, ...]
    states: Doubles
    vector: Doubles
    entered: Mask


@dataclass(frozen=True, slots=True)
class Token:
    """A token for the reader.

    Attributes:
        token: As the tokenizer writes it.
        start: Where it begins, in characters of prompt and text.
        end: Where it ends; equal to ``start`` for a token that the tokenizer added.
        content: Whether it enters the vector.
        unknown: Whether it stands for characters that the vocabulary does not have.
    """

    token: str
    start: int
    end: int
    content: bool
    unknown: bool = False


def features_of(model: SentenceTransformer, texts: Sequence[str], prompt: str, role: str) -> dict[str, Any]:
    """Texts after one prompt as a padded batch, on the model's device."""
    preprocessor = preprocessor_for(model)
    rows = preprocessor.tokenize(texts, [prompt] * len(texts))
    features: dict[str, Any] = batch_to_device(preprocessor.collate(rows, role), model.device)
    return features


def read_tokens(model: SentenceTransformer, text: str, prompt: str, role: str) -> TokenStates:
    """Run one text through a model of a transformer, then a pooling module.

    Which tokens enter the vector is observed, not asked for: by the gradient of the vector.
    """
    network, pooling, *_ = list(model)
    features = features_of(model, [text], prompt, role)
    with torch.no_grad():
        features = network(features)
    states = features["token_embeddings"].detach().float().requires_grad_()
    with torch.enable_grad():
        vector = pooling({**features, "token_embeddings": states})["sentence_embedding"][0]
        # Any direction will do in which no component is left out.
        (gradient,) = torch.autograd.grad(vector.float().cos().sum() + vector.float().sum(), states)
    attended = features["attention_mask"][0].bool().cpu().numpy()
    ids = features["input_ids"][0].cpu().numpy()[attended]
    return TokenStates(
        ids=tuple(int(i) for i in ids),
        states=states[0].detach().double().cpu().numpy()[attended],
        vector=vector.detach().double().cpu().numpy(),
        entered=(gradient[0] != 0).any(dim=-1).cpu().numpy()[attended],
    )


def expected_content(
    model: SentenceTransformer, expected: Expected, text: str, prompt: str, *, pooling: str
) -> Mask:
    """Which tokens should enter the vector, shape ``(tokens,)``; under ``max`` no token is sure to."""
    return entering(_row(model.tokenizer, expected, text, prompt, model.get_max_seq_length()), pooling)


def entering(row: TokenizedText, pooling: str) -> Mask:
    """Which tokens of a text a rule of :data:`RULES` takes, shape ``(tokens,)``."""
    if pooling == "masked_mean":
        return row.content if row.content.any() else ~row.content
    positions = np.arange(len(row))
    masks = {"last_token": positions == len(row) - 1, "cls": positions == 0}
    mask: Mask = masks.get(pooling, positions >= 0)
    return mask


def tokens_by_spec(
    tokenizer: Any, spec: ModelSpec, text: str, prompt: str, *, max_length: int | None = None
) -> list[Token]:
    """A text as a spec's model reads it after a prompt; needs no weights.

    Args:
        tokenizer: The model's, a fast one.
        spec: Its rules.
        text: The text.
        prompt: What stands before it.
        max_length: Tokens that are read; None: the spec's.
    """
    row = _row(tokenizer, spec, text, prompt, max_length or spec.max_length)
    return show_tokens(tokenizer, row.ids.tolist(), entering(row, spec.pooling), text, prompt)


def _row(tokenizer: Any, rule: MaskRule, text: str, prompt: str, limit: int | None) -> TokenizedText:
    (row,) = tokenization.tokenize(
        tokenizer,
        [text],
        [prompt],
        boundary=rule.boundary,
        special_tokens=rule.special_tokens,
        max_length=limit,
    )
    return row


def pooled(read: TokenStates, content: Mask) -> dict[str, Doubles]:
    """The vector under each rule of :data:`RULES`, written out once more beside the pooling modules.

    ``content``, shape ``(tokens,)``, counts under ``masked_mean``.
    """
    states = read.states
    return {
        "masked_mean": states[content].mean(axis=0),
        "mean": states.mean(axis=0),
        "last_token": states[-1],
        "cls": states[0],
        "max": states.max(axis=0),
    }


def cosines(left: npt.ArrayLike, right: npt.ArrayLike) -> Doubles:
    """Cosine of each row of any length with the one beside it, shape ``(n,)``; 0 where a row is zero."""
    a, b = (np.asarray(rows, dtype=np.float64) for rows in (left, right))
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return np.asarray((a * b).sum(axis=-1) / np.where(lengths > 0, lengths, 1))


def observed_pooling(
    reads: Sequence[TokenStates], contents: Sequence[Mask], *, tolerance: float
) -> list[str]:
    """The rules that give a model's vectors on all of some texts, to cosines of ``1 - tolerance``."""
    candidates = [pooled(read, content) for read, content in zip(reads, contents, strict=True)]
    vectors = [read.vector for read in reads]
    fits = {rule: cosines([each[rule] for each in candidates], vectors) >= 1 - tolerance for rule in RULES}
    return [rule for rule in RULES if fits[rule].all()]


def show_tokens(tokenizer: Any, ids: Sequence[int], entered: Mask, text: str, prompt: str) -> list[Token]:
    """The tokens of a text after a prompt, for people.

    Args:
        tokenizer: The model's.
        ids: Token ids.
        entered: Which of them enter the vector, shape ``(tokens,)``.
        text: The text.
        prompt: What stands before it.
    """
    spans: Sequence[tuple[int, int]] = [(0, 0)] * len(ids)
    if tokenizer.is_fast:
        encoded = tokenizer(prompt + text, return_offsets_mapping=True, padding=False, truncation=False)
        whole = encoded["input_ids"]
        kept = next(
            (n for n in range(min(len(ids), len(whole)) + 1) if n == len(ids) or ids[n] != whole[n]), 0
        )
        tail = len(ids) - kept  # of a text that was cut, added tokens stay
        if list(ids) == [*whole[:kept], *whole[len(whole) - tail :]]:
            spans = [*encoded["offset_mapping"][:kept], *encoded["offset_mapping"][len(whole) - tail :]]
    unknown = tokenization.unknown_id(tokenizer)
    return [
        Token(_readable(tokenizer, token), start, end, bool(enters), token == unknown)
        for token, (start, end), enters in zip(ids, spans, entered, strict=True)
    ]


def _readable(tokenizer: Any, token: int) -> str:
    """A token's characters, white space written out; its name in the vocabulary where it is part of one."""
    decoded = str(tokenizer.decode([token]))
    name = tokenizer.convert_ids_to_tokens(token)
    return str(name) if not decoded or "�" in decoded else decoded.replace("\n", "\\n").replace(" ", "·")
