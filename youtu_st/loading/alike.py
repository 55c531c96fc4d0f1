"""Whether two loaded models are alike: in their weights, the tokens that they read, and their vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.base.modules import Router
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from youtu_st.errors import ModelLoadError, brief
from youtu_st.modules.settings import ours, prompt_for
from youtu_st.probes import DOCUMENTS, QUERIES
from youtu_st.spec.prompts import ROLES

TOLERANCE = 1e-6
"""Largest difference of a value, as a share of its vector's length, or of 1 where that is less."""
PADDED = {torch.float32: 1e-4, torch.float64: 1e-6}
"""The same in a batch, by the network's dtype: sums over a padded row are taken in another order."""
_PADDED_HALF = 3e-2

_ROWS = 8
_MOST_TOKENS = 1024
"""Of a text whose vectors are compared; of longer ones the tokens are: a length changes nothing else."""
_MOST_LIMIT, _UNKNOWN_LIMIT = 1 << 17, 512
_MOST_SPECIAL = 16
_LINES = ("\nbegins on a new line", "ends with a line break\n", "  two spaces  between  words ", "\r\n\ttab")


def check_alike(model: SentenceTransformer, other: SentenceTransformer) -> None:
    """Raise unless another model has the same weights, and of probe texts the same tokens and vectors.

    These are the texts of :mod:`youtu_st.probes`, beginnings of them of many lengths up to over the maximum,
    and special tokens written out, as queries and as documents. Texts without content, whose vectors stand
    for nothing, are left out.

    Raises:
        ModelLoadError: Naming the first text, and what differs.
    """
    if names := other_weights(model, other):
        raise _unlike("other weights", names[0])
    done: set[str] = set()
    for role in ROLES:
        prompt = prompt_for(model, role)
        if prompt != prompt_for(other, role):
            raise _unlike(f"another {role} prompt", f"{brief(prompt_for(other, role))}, not {brief(prompt)}")
        for text in _with_content(model, list(_odd_texts(model)), prompt):
            _same_tokens(model, other, text, role)
        texts = _with_content(model, list(_texts(model)), prompt)
        short = [text for text in texts if _same_tokens(model, other, text, role)]
        if prompt not in done or isinstance(model[0], Router):
            _same_vectors(model, other, short, role)
        done.add(prompt)


def check_same_scores(model: CrossEncoder, other: CrossEncoder) -> None:
    """Raise unless another cross-encoder has the same weights, and scores probe pairs of all lengths alike.

    Raises:
        ModelLoadError: Naming the first pair's query, and what differs.
    """
    if names := other_weights(model, other):
        raise _unlike("other weights", names[0])
    pairs = [(query, document) for query in QUERIES for document in DOCUMENTS[::3]]
    pairs += [(text, text) for text in (*_LINES, "first\nlast " * 256)]
    mine, theirs = (_scores(one, pairs) for one in (model, other))
    apart = np.abs(mine - theirs) / np.maximum(np.abs(mine), 1.0)
    worst = int(np.nan_to_num(apart, nan=np.inf).max(axis=1).argmax())
    if not apart[worst].max() <= TOLERANCE:
        raise _unlike(f"another score for {_shown(pairs[worst][0])}", f"{theirs[worst]}, not {mine[worst]}")


def _scores(model: CrossEncoder, pairs: Sequence[tuple[str, str]]) -> Any:
    """One row a pair, alone in its batch, float64, shape ``(len(pairs), labels)``."""
    predict: Any = model.predict
    scores = predict(list(pairs), batch_size=1, show_progress_bar=False, convert_to_tensor=True)
    return scores.double().numpy(force=True).reshape(len(pairs), -1)


def other_weights(model: Any, other: Any) -> list[str]:
    """Names of the weights that are not the same in two models, to the last bit, sorted."""
    mine, theirs = (dict(one.named_parameters()) for one in (model, other))
    both = mine.keys() & theirs.keys()
    return sorted(
        {name for name in both if not _equal(mine[name], theirs[name])} | mine.keys() ^ theirs.keys()
    )


def lost_a_row(model: SentenceTransformer, other: SentenceTransformer, name: str) -> bool:
    """Whether a weight of another model is the same but for one row, and that is of zeros."""
    mine, theirs = (dict(one.named_parameters()).get(name) for one in (model, other))
    if mine is None or theirs is None or mine.shape != theirs.shape or mine.ndim != 2:
        return False
    rows = (mine != theirs).any(dim=1)
    return int(rows.sum()) == 1 and not bool(theirs[rows].any())


def _equal(mine: Tensor, theirs: Tensor) -> bool:
    return mine.dtype == theirs.dtype and torch.equal(mine, theirs)


def _texts(model: SentenceTransformer) -> Iterator[str]:
    """Texts whose vectors are compared."""
    yield from (*QUERIES, *DOCUMENTS, *_LINES)
    filler, size = " ".join(DOCUMENTS), 1
    while size <= 2 * _limit(model):  # characters: a token may be one of Chinese
        yield (filler * (size // len(filler) + 1))[:size]
        size *= 2
    yield "first\nlast " * _limit(model)


def _odd_texts(model: SentenceTransformer) -> Iterator[str]:
    """Texts of which the tokens alone are compared."""
    limit = _limit(model)
    # One token a word, or nearly, so that the maximum is met from both sides.
    yield from ("a" + " a" * (count - 1) for count in range(max(limit - 6, 1), limit + 3))
    for token in _special(model):
        yield from (token, f"a{token}b", f"a {token} b", token + token)


def _limit(model: SentenceTransformer) -> int:
    limit = model.get_max_seq_length()
    return limit if limit is not None and limit <= _MOST_LIMIT else _UNKNOWN_LIMIT


def _special(model: SentenceTransformer) -> list[str]:
    tokenizer = model.tokenizer
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        return []
    special = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    return special[:_MOST_SPECIAL]


def _with_content(model: SentenceTransformer, texts: Sequence[str], prompt: str) -> list[str]:
    first = ours(model)
    if first is None:
        return list(texts)
    rows = first.tokenize_texts(texts, prompt)
    return [text for text, row in zip(texts, rows, strict=True) if row.content.any()]


def _same_tokens(model: SentenceTransformer, other: SentenceTransformer, text: str, role: str) -> bool:
    """Whether the vectors of a text are to be compared too.

    Raises:
        ModelLoadError: If its tokens are not the same.
    """
    mine, theirs = (_tokens(one, text, role) for one in (model, other))
    if mine != theirs:
        raise _unlike(f"other tokens of {_shown(text)}, as a {role}", f"{brief(theirs)}, not {brief(mine)}")
    return mine is None or len(mine) <= _MOST_TOKENS


def _tokens(model: SentenceTransformer, text: str, role: str) -> list[int] | None:
    """None for a model that does not tell of them."""
    features: dict[str, Any] = model.preprocess([text], prompt=prompt_for(model, role) or None, task=role)
    if "input_ids" not in features or "attention_mask" not in features:
        return None
    ids: list[int] = features["input_ids"][features["attention_mask"].bool()].tolist()
    return ids


def _same_vectors(
    model: SentenceTransformer, other: SentenceTransformer, texts: Sequence[str], role: str
) -> None:
    """Each text alone, where nothing but a rule can differ; then some in batches, padded on either's side."""
    padded = PADDED.get(model.dtype or torch.float32, _PADDED_HALF)
    for rows, most in ((1, TOLERANCE), (_ROWS, padded)):
        given = texts if rows == 1 else texts[: 3 * rows]
        mine, theirs = (_vectors(one, given, role, rows) for one in (model, other))
        if mine.shape != theirs.shape:
            raise _unlike("vectors of another length", f"{theirs.shape[1]}, not {mine.shape[1]}")
        lengths = np.maximum(np.linalg.norm(mine, axis=1), 1.0)
        apart = np.nan_to_num(np.abs(mine - theirs).max(axis=1) / lengths, nan=np.inf)
        worst = int(apart.argmax())
        if apart[worst] > most:
            raise _unlike(
                f"another vector of {_shown(texts[worst])}, as a {role}",
                f"a value is {apart[worst]:.1e} of its length apart, and {most:g} is allowed",
            )


def _vectors(model: SentenceTransformer, texts: Sequence[str], role: str, rows: int) -> Any:
    encode: Any = model.encode_query if role == "query" else model.encode_document
    vectors = encode(list(texts), batch_size=rows, show_progress_bar=False, convert_to_tensor=True)
    return vectors.double().numpy(force=True)


def _shown(text: str) -> str:
    return brief(text if len(text) <= 40 else f"{text[:40]}...")


def _unlike(what: str, how: str) -> ModelLoadError:
    return ModelLoadError(
        f"stock modules give {what} ({how}); youtu_st.convert keeps it, and so does youtu-st export without "
        "--plain"
    )
