"""One text, token by token: what the network gives for each, and which of them enter the vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.util import batch_to_device

from youtu_st.inference.stock import preprocessor_for
from youtu_st.modules import tokenization
from youtu_st.modules.mask import Mask
from youtu_st.modules.settings import declared_pooling
from youtu_st.modules.tokenization import TokenizedText
from youtu_st.probes import DOCUMENTS, QUERIES
from youtu_st.spec.model import MaskRule, Pooling
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


def shows_tokens(model: SentenceTransformer) -> bool:
    """Whether a model is a transformer, then a module that pools its tokens."""
    return isinstance(model[0], Transformer) and declared_pooling(model) is not None


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
